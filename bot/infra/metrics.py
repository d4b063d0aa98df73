"""Keeps the metrics for Prometheus; labels are members of closed sets, never free text."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from bot.domain import Response
from bot.llm.budget import NOT_ASKED, Budget

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHARES = tuple(n / 10 for n in range(1, 11))
SECONDS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """The counters and gauges of one process."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.mails = Counter(
            "desk_mails", "Mails by verdict and rule", ["verdict", "rule"], registry=registry
        )
        self.outcomes = Counter(
            "desk_outcomes", "Outcomes by kind and reason", ["kind", "reason"], registry=registry
        )
        self.probability = Histogram(
            "desk_probability", "Probability that the passages answer", buckets=SHARES,
            registry=registry,
        )  # fmt: skip
        self.reply = Histogram(
            "desk_reply_seconds", "From taking a mail to delivering its reply",
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self.caps = Counter("desk_caps", "Replies held by a cap", ["cap"], registry=registry)
        self.reminders = Counter("desk_reminders", "Reminders of cases", registry=registry)
        self.taken_over = Counter("desk_taken_over", "Workers taken over", registry=registry)
        self.secrets = Counter(
            "desk_secrets", "Messages with a pasted secret", ["kind"], registry=registry
        )
        self.model = Counter(
            "desk_model", "Messages a model was asked about, by what came of it", ["result"],
            registry=registry,
        )  # fmt: skip

    def count_response(self, response: Response) -> None:
        """Count the outcomes of a message; one that asks nothing counts as silent."""
        if not response.outcomes:
            self.outcomes.labels(kind="silent", reason="thanks").inc()
        for each in response.outcomes:
            self.outcomes.labels(kind=type(each).__name__.lower(), reason=each.reason.value).inc()
            self.probability.observe(each.probability)
        for secret in dict.fromkeys(span.kind for span in response.redactions):
            self.secrets.labels(kind=secret.value).inc()
        for result in response.asked:
            self.model.labels(result=result).inc()

    def watch(self, name: str, says: str, value: Callable[[], float]) -> None:
        """Add a gauge whose value is computed at each request."""
        Gauge(name, says, registry=self.registry).set_function(value)

    def watch_counts(
        self, name: str, description: str, label: str, counts: Callable[[], Mapping[str, float]]
    ) -> None:
        """Add gauges, one for each value of `label`; one call of `counts` computes all of them."""
        self.registry.register(_LabelledGauges(name, description, label, counts))

    def watch_model(self, budget: Budget, *, believed: Callable[[], float]) -> None:
        """Add gauges for a model: whether it is asked, why not, its use, whether its yes counts."""

        def is_in(state: str) -> float:
            return float(budget.state == state)

        self.watch("desk_model_open", "A model is asked", partial(is_in, "open"))
        for state, why in NOT_ASKED.items():
            self.watch(f"desk_model_{state}", f"It is not asked: {why}", partial(is_in, state))
        self.watch("desk_model_calls", "Its calls of the last hour", lambda: budget.hour[0])
        self.watch("desk_model_tokens", "Its tokens of the last hour", lambda: budget.hour[1])
        self.watch("desk_model_believed", "Its yes counts", believed)

    def render(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self.registry)


class _LabelledGauges(Collector):
    """Gauges that differ in one label, read together."""

    def __init__(
        self, name: str, description: str, label: str, counts: Callable[[], Mapping[str, float]]
    ) -> None:
        self._name = name
        self._says = description
        self._label = label
        self._counts = counts

    def describe(self) -> Iterator[Metric]:
        """Yield the gauge without values, so that registering it does not call `counts`."""
        yield GaugeMetricFamily(self._name, self._says, labels=[self._label])

    @override
    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(self._name, self._says, labels=[self._label])
        for value, count in self._counts().items():
            family.add_metric([value], count)
        yield family
