"""Each message has one trace, whose spans say what happened and nothing of anybody."""

import logging
from collections import defaultdict
from pathlib import Path

import pytest

from bot.corpus import Knowledge
from bot.infra.telemetry import SWITCHED_OFF, disable_telemetry
from bot.infra.traces import Step, Traces, now
from bot.journal import CaseAction
from bot.settings import Settings
from tests.conftest import KNOWLEDGE, home_of
from tests.servers.collector import Collector, collector
from tests.support.planted_person import ADDRESS, NAME, UNSURE, WORDS, mail
from tests.support.ports import free_port
from tests.support.running_desk import (
    EXPOSED,
    app_with,
    local_mailbox,
    running,
    verbatim_responder,
)
from tests.support.taint import plant
from tests.support.waiting import wait_until


def traces(made: Collector) -> dict[bytes, list[str]]:
    """The names of the spans of each trace."""
    found: defaultdict[bytes, list[str]] = defaultdict(list)
    for span in made.spans:
        found[span.trace_id].append(span.name)
    return dict(found)


def attributes(made: Collector, step: Step) -> list[dict[str, str]]:
    return [
        {each.key: each.value.string_value or str(each.value.int_value) for each in span.attributes}
        for span in made.spans
        if span.name == step
    ]


@pytest.fixture(autouse=True)
def _switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a command: libraries send nothing, whatever the environment said."""
    for name in (*SWITCHED_OFF, "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.setenv(name, "set by somebody")
    disable_telemetry()


def test_a_message_has_one_trace_to_the_answer_of_its_case_and_nothing_leaks(
    tmp_path: Path, knowledge: Knowledge
) -> None:
    secret = plant("token", "trace")
    with collector() as made:
        settings = Settings(
            home=home_of(tmp_path / "home", index=False), knowledge=KNOWLEDGE,
            traces=made.url,
        )  # fmt: skip
        with app_with(settings, verbatim_responder(knowledge)) as app:
            for raw in (
                mail(EXPOSED, "one"),
                mail(f"{UNSURE} {WORDS[0]}", "two"),
                mail(f"{WORDS[1]} {secret.sentence}", "three"),
            ):
                local_mailbox(app).new.add(raw)
            with running(app) as (service, shown):
                wait_until(lambda: len(shown) == 3)
                case = app.journal.cases.find_number(2)
                app.desk.resolve(
                    case, actor="slack:U0ALICE", action=CaseAction.EDITED, text=f"Dear {NAME}: no.",
                    enqueue_job=service.jobs.enqueue_decision_delivery,
                )  # fmt: skip
                wait_until(lambda: attributes(made, Step.CASE))
        found = [sorted(names) for names in traces(made).values()]
        assert len(found) == 3
        assert ["decision", "delivery", "intake"] in found
        assert ["case", "decision", "delivery", "delivery", "intake"] in found
        decided = {each["outcome"]: each for each in attributes(made, Step.DECISION)}
        assert decided["escalation"]["case_id"] == str(case)
        assert decided["answer"]["knowledge"] == knowledge.version
        (resolved,) = attributes(made, Step.CASE)
        assert resolved["action"] == "edited"
        sent = b"".join(made.requests).decode("latin-1")
    assert "incident-desk" in sent, "what was sent can be read"
    for word in (ADDRESS, NAME, secret.needle, "customer.example", "law firm", *WORDS):
        assert word not in sent, word


def test_only_words_of_closed_sets_get_into_a_span() -> None:
    with collector() as made:
        sending = Traces(made.url, version="1", seed="x")
        sending.record(
            Step.DECISION, message_id=1, began=now(), outcome="answer", reason=f"to {ADDRESS}",
            text="a text", case_id=3, rule="R18 otherwise",
        )  # fmt: skip
        sending.close()
        (span,) = attributes(made, Step.DECISION)
    assert set(span) == {"outcome", "case_id", "message_id", "rule"}


def test_a_collector_that_is_away_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    sending = Traces(f"http://127.0.0.1:{free_port()}", version="1", seed="x")
    sending.record(Step.INTAKE, message_id=1, began=now())
    sending.close()
    Traces("", version="1", seed="x").record(Step.INTAKE, message_id=1, began=now())
