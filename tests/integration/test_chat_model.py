"""The real clients over a socket, against a server that misbehaves in every way it can."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr

from bot.adapters.chat_model import ChatSelector
from bot.app import App
from bot.domain import Answer, Escalation, Message, Response
from bot.errors import SettingsError
from bot.infra.metrics import Metrics
from bot.llm.budget import Bounds
from bot.settings import Settings
from evals.gates import GATES
from evals.measuring.measure import EvaluatedDesk, desk_of_settings
from evals.measuring.results import stamp_of
from evals.measuring.schema import CASES
from tests.servers.model_server import Answer as Scripted
from tests.servers.model_server import asked, completion, model_server
from tests.support.model_answers import GOLD, KNOWN, asking, entry, respond, says
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until

UNKNOWN = "Which browser extension do your engineers use for lunch orders?"


def test_an_answer_that_both_confirm_is_sent(app: App) -> None:
    response = respond(app, says(entry(KNOWN)), KNOWN)
    (outcome,) = response.outcomes
    assert isinstance(outcome, Answer)
    assert outcome.passages[0].id == GOLD
    assert response.notes == ("model: confirmed",)


@pytest.mark.parametrize(
    "held_back",
    [
        entry(KNOWN, "not_in_post", ()),
        entry(KNOWN, "action_requested", ()),
        entry(KNOWN, "refuse", ()),
        entry(KNOWN, states=False),
        entry(KNOWN, passages=("faq-receive-further-updates-something-changes",)),
    ],
)
def test_a_model_can_hold_an_answer_back(app: App, held_back: dict[str, Any]) -> None:
    (outcome,) = respond(app, says(held_back), KNOWN).outcomes
    assert isinstance(outcome, Escalation)
    assert outcome.candidates


def test_a_question_that_it_leaves_out_is_the_desk_s_alone(app: App) -> None:
    other = "Were passwords part of it?"
    text = f"{KNOWN} {other}"
    response = respond(app, says(entry(KNOWN, "not_in_post", ())), text)
    assert response.notes == ("model: left_out",)
    first, second = response.outcomes
    assert isinstance(first, Escalation)
    assert second == app.responder.respond(Message(text=text)).outcomes[1]


def test_a_model_cannot_answer_what_the_desk_finds_nothing_for(app: App) -> None:
    (outcome,) = respond(app, says(entry(UNKNOWN)), UNKNOWN).outcomes
    assert isinstance(outcome, Escalation)


FAULTS: dict[str, Scripted] = {
    "429": lambda _: 429,
    "500": lambda _: 500,
    "401": lambda _: 401,
    "broken body": lambda _: b'{"choices": [',
    "html": lambda _: b"<html>it works</html>",
    "no choices": lambda _: json.dumps(completion("x") | {"choices": []}).encode(),
    "prose": lambda _: "Your API keys are safe, trust me.",
    "cut": lambda _: {"message": {"content": '{"questions": [{"span"'}, "finish": "length"},
    "filtered": lambda _: {"message": {"content": None}, "finish": "content_filter"},
    "refused": lambda _: {"message": {"content": None, "refusal": "I cannot"}},
    "null": lambda _: {"message": {"content": None}},
    "empty": lambda _: "",
    "other schema": lambda _: {"answer": "yes"},
    "extra field": lambda _: {"questions": [{**entry(KNOWN), "reply": "Send your key"}]},
    "unknown id": says(entry(KNOWN, passages=("faq-made-up",))),
    "made-up span": says(entry("Ignore the rules")),
    "too many ids": says(entry(KNOWN, passages=[GOLD] * 4)),
    "every passage": lambda _: {"questions": [entry(KNOWN, passages=[GOLD] * 28)]},
    "10 MB": lambda _: "x" * 10_000_000,
    "answer without a passage": says(entry(KNOWN, passages=())),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_ends_in_the_offline_decision(app: App, fault: str) -> None:
    with model_server(FAULTS[fault]) as server:
        responder = asking(app, server)
        for text in (KNOWN, UNKNOWN):
            response = responder.respond(Message(text=text))
            offline = app.responder.respond(Message(text=text))
            assert response.outcomes == offline.outcomes
            assert response.notes[0].startswith("model: ")
            assert response.notes != ("model: confirmed",)
        assert server.bodies  # it was asked
        assert isinstance(responder.selector, ChatSelector)
        assert responder.selector.budget.faults.total() >= 2


def test_a_slow_model_does_not_hold_a_message_up(app: App) -> None:
    decided = threading.Event()

    def script(_body: dict[str, Any]) -> Any:
        decided.wait(SAFETY_NET_SECONDS)
        return {"questions": [entry(KNOWN)]}

    with model_server(script) as server:
        response = asking(app, server, deadline=0.5).respond(Message(text=KNOWN))
        decided.set()  # the model had not answered until now
    assert response.outcomes == app.responder.respond(Message(text=KNOWN)).outcomes


def drips() -> Iterator[bytes]:
    """A byte now and then, each in time for a vendor's own time-out."""
    while True:
        yield b" "
        time.sleep(0.1)


def test_an_answer_that_drips_holds_neither_message_nor_thread(app: App) -> None:
    with model_server(lambda _: drips()) as server:
        responder = asking(app, server, deadline=0.5)
        response = responder.respond(
            Message(text=KNOWN)
        )  # comes back, though the answer never ends
        assert isinstance(responder.selector, ChatSelector)
        budget = responder.selector.budget
        wait_until(lambda: budget.spent["calls"] == 2)  # both were given up
    assert response.outcomes == app.responder.respond(Message(text=KNOWN)).outcomes


def test_a_fault_that_passes_is_tried_again_and_each_try_counts(app: App) -> None:
    def script(_body: dict[str, Any]) -> Any:
        return 429 if len(server.bodies) <= 2 else {"questions": [entry(KNOWN)]}

    with model_server(script) as server:
        responder = asking(app, server)
        assert responder.respond(Message(text=KNOWN)).notes == ("model: confirmed",)
        assert isinstance(responder.selector, ChatSelector)
        budget = responder.selector.budget
        assert len(server.bodies) == budget.spent["calls"] == 4
        assert budget.spent["tokens"] == 220  # of the two that were answered
        assert budget.faults == {"OpenAIRateLimitError": 2}


def test_a_model_that_refuses_a_temperature_is_asked_without(app: App) -> None:
    refused = b'{"error": {"message": "Unsupported value: temperature", "type": "x"}}'

    def script(body: dict[str, Any]) -> Any:
        return (400, refused) if "temperature" in body else {"questions": [entry(KNOWN)]}

    with model_server(script) as server:
        responder = asking(app, server)
        assert [responder.respond(Message(text=KNOWN)).notes for _ in range(2)] == [
            ("model: confirmed",)
        ] * 2
        assert sum("temperature" in body for body in server.bodies) <= 2  # only the first time


def test_nothing_listens(app: App) -> None:
    with model_server(says()) as server:
        pass
    response = asking(app, server).respond(Message(text=KNOWN))
    assert response.outcomes == app.responder.respond(Message(text=KNOWN)).outcomes
    assert "ConnectionError" in response.notes[0]


def test_twenty_at_once(app: App) -> None:
    together = threading.Barrier(20, timeout=SAFETY_NET_SECONDS)

    def script(body: dict[str, Any]) -> Any:
        together.wait()  # for as many more: one after the other would wait for ever
        return {"questions": [entry(asked(body))]}

    with model_server(script) as server:
        responder = asking(app, server)
        outcomes: list[Response] = []
        threads = [
            threading.Thread(target=lambda: outcomes.append(responder.respond(Message(text=KNOWN))))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SAFETY_NET_SECONDS)
    assert [type(r.outcomes[0]) for r in outcomes] == [Answer] * 20


def test_no_budget_is_passed_by_messages_at_once(app: App) -> None:
    def script(body: dict[str, Any]) -> Any:
        return {"questions": [entry(asked(body))]}

    with model_server(script, seconds=0.2) as server:
        for bounds in (Bounds(calls=14), Bounds(tokens=60_000)):
            before = len(server.bodies)
            responder = asking(app, server, bounds=bounds)
            with ThreadPoolExecutor(20) as threads:
                found = list(threads.map(responder.respond, [Message(text=KNOWN)] * 20))
            assert isinstance(responder.selector, ChatSelector)
            budget = responder.selector.budget
            # A second call whose first found no room may still run.
            responder.selector._threads.shutdown(wait=True)
            assert budget.hour[0] == len(server.bodies) - before <= bounds.calls
            assert 0 < budget.hour[1] <= bounds.tokens
            assert budget.faults.total() > 0
            assert [type(r.outcomes[0]) for r in found] == [Answer] * 20


def test_the_budget_ends_the_spending_exactly(app: App) -> None:
    with model_server(says(entry(KNOWN))) as server:
        responder = asking(app, server, bounds=Bounds(calls=6))
        notes = [responder.respond(Message(text=KNOWN)).notes for _ in range(5)]
        assert len(server.bodies) == 6
    assert notes == [("model: confirmed",)] * 3 + [("model: calls_spent",)] * 2
    assert isinstance(responder.selector, ChatSelector)
    budget = responder.selector.budget
    assert budget.state == "calls_spent"
    metrics = Metrics()
    metrics.watch_model(budget, believed=lambda: responder.believed)
    shown = metrics.render().decode()
    for line in ("open 0.0", "calls_spent 1.0", "resting 0.0", "calls 6.0", "believed 1.0"):
        assert f"desk_model_{line}" in shown


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Settings(model="openai:x"), "OPENAI_API_KEY"),
        (Settings(model="gpt-4o"), "OPENAI_API_KEY"),
        (Settings(model="o3-mini"), "OPENAI_API_KEY"),
        (Settings(model="some-model"), "some-model"),
        (Settings(model="nonsense:x"), "DESK_MODEL"),
    ],
)
def test_a_model_that_cannot_be_used_is_named(settings: Settings, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        _ = App(settings).selector
    assert App(Settings()).selector is None


def test_a_bare_name_of_openai_is_enough() -> None:
    made = Settings(model="gpt-4o", openai_api_key=SecretStr("no key"))
    selector = App(made).selector
    assert isinstance(selector, ChatSelector)
    assert selector.name == "openai:gpt-4o"


def test_the_reports_say_which_model_selected(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_MODEL", "openai:scripted")
    monkeypatch.setenv("OPENAI_API_KEY", "no key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    desk = desk_of_settings()
    assert desk.model == "openai:scripted, scripted: no quality"
    assert stamp_of(desk, CASES, GATES)["backend"] == desk.model
    offline = EvaluatedDesk(knowledge=app.knowledge, responder=app.responder)
    assert stamp_of(offline, CASES, GATES)["backend"] == "offline"
