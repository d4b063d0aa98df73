"""Sends traces to the collector that DESK_TRACES names; it is the only module that does.

Everything that happens to one message has one trace, whichever thread, job or process it happens
in: its id is computed from the id of the message. A step carries ids, numbers and words of closed
sets, never a text, an address or the message of an error.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

SWITCH = "OTEL_SDK_DISABLED"  # set by infra/telemetry.py to switch the SDK off
EXPORT_SECONDS = 5.0  # how long the collector may take for one batch
ATTRIBUTES = frozenset({
    "message_id", "outbox_id", "case_id", "verdict", "rule", "outcome", "reason", "cap", "language",
    "knowledge", "automatic", "attempts", "action", "worker",
})  # fmt: skip
# Text values must match this pattern, which fits our own short words; any other is left out.
WORDS = re.compile(r"[A-Za-z0-9 _.:,()-]{0,120}")


class Step(StrEnum):
    """What happens to a message, from its intake to the answer of its case."""

    INTAKE = "intake"
    DECISION = "decision"
    DELIVERY = "delivery"
    CASE = "case"


class Traces:
    """Records the steps of messages; without an endpoint it does nothing."""

    def __init__(self, endpoint: str, *, version: str, seed: str) -> None:
        """`seed` keeps the traces of several desks apart, such as the key of the incident."""
        self._seed = seed
        self._provider = _provider(endpoint, version) if endpoint else None

    def record(self, step: Step, *, message_id: int, began: int, **attributes: object) -> None:
        """Record a step of a message that ends now; `began` is in nanoseconds since the epoch."""
        if self._provider is None:
            return
        span = self._provider.get_tracer("incident-desk").start_span(
            step.value, context=set_span_in_context(self._root(message_id)), start_time=began
        )
        for name, value in {**attributes, "message_id": message_id}.items():
            if name in ATTRIBUTES and isinstance(value, int | float):
                span.set_attribute(name, value)
            elif name in ATTRIBUTES and value and WORDS.fullmatch(str(value)):
                span.set_attribute(name, str(value))
        span.end()

    def close(self) -> None:
        """Send the steps that wait, and stop."""
        if self._provider is not None:
            self._provider.shutdown()

    def _root(self, message_id: int) -> NonRecordingSpan:
        """Return the common parent of all steps of a message."""
        digest = hashlib.sha256(f"{self._seed}:{message_id}".encode()).digest()
        return NonRecordingSpan(
            SpanContext(
                trace_id=int.from_bytes(digest[:16], "big"),
                span_id=int.from_bytes(digest[16:24], "big"),
                is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED),
            )
        )  # fmt: skip


def _provider(endpoint: str, version: str) -> TracerProvider:
    """Return a provider that sends spans to a collector; it names the desk, not its machine."""
    exporter = OTLPSpanExporter(
        endpoint, insecure=endpoint.startswith("http://"), timeout=EXPORT_SECONDS
    )
    about = Resource({"service.name": "incident-desk", "service.version": version})
    with _sdk_switched_on():
        provider = TracerProvider(resource=about, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


@contextmanager
def _sdk_switched_on() -> Iterator[None]:
    """Switch the SDK on while our provider is made; for all others it stays switched off."""
    switch = os.environ.pop(SWITCH, None)  # noqa: TID251 - a switch, not a setting
    try:
        yield
    finally:
        if switch is not None:
            os.environ[SWITCH] = switch  # noqa: TID251 - as above


def now() -> int:
    """Return the time at which a step begins, for `Traces.record`."""
    return time.time_ns()
