"""The real clients against a double of the vendor that others wrote: we do not only test ourselves."""

import json
import random
import string
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from bot.adapters.chat_model import ChatSelector
from bot.adapters.openai_encoder import OpenAIEncoder
from bot.answering.responder import Responder
from bot.app import App
from bot.domain import Answer, Message
from bot.llm.budget import Bounds, Budget
from bot.redact import redact
from tests.servers.aimock import Aimock, aimock, missing
from tests.support.model_answers import KNOWN, entry
from tests.support.waiting import SAFETY_NET_SECONDS

GOOD = json.dumps({"questions": [entry(KNOWN)]})
ERROR = {"message": "scripted", "type": "scripted"}
# What each script does, and the class of the fault that is counted; the script is chosen by a word
# in the message.
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "zero-quota": ({"response": {"error": ERROR, "status": 429}}, "RateLimitError"),
    "broken-server": ({"response": {"error": ERROR, "status": 500}}, "Error"),
    "wrong-key": ({"response": {"error": ERROR, "status": 401}}, "AuthenticationError"),
    "broken-body": ({"response": {"content": GOOD}, "chaos": {"malformedRate": 1}}, ""),
    "hung-up": ({"response": {"content": GOOD}, "chaos": {"disconnectRate": 1}}, ""),
    "bad-json": ({"response": {"content": '{"questions": [oops'}}, ""),
    "other-schema": ({"response": {"content": '{"answer": "yes"}'}}, "ValidationError"),
    "cut-off": ({"response": {"content": GOOD[:30], "finishReason": "length"}}, ""),
    "in-prose": ({"response": {"content": "I cannot help with that."}}, ""),
}

SLOW = {"response": {"content": GOOD}, "chaos": {"latencyMs": 30_000}}


def fixtures() -> list[dict[str, Any]]:
    made = [{"match": {"userMessage": word}, **script} for word, (script, _) in FAULTS.items()]
    made.append({"match": {"userMessage": "slow-line"}, **SLOW})
    # Both calls are turned away once, and answered when they come again.
    busy = {"response": {"error": ERROR, "status": 429}}
    made += [{"match": {"userMessage": "busy-hour", "sequenceIndex": n}, **busy} for n in (0, 1)]
    return [*made, {"match": {"userMessage": KNOWN}, "response": {"content": GOOD}}]


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aimock]:
    if why := missing():
        pytest.skip(why)
    with aimock(fixtures(), tmp_path_factory.mktemp("aimock")) as made:
        yield made


def desk(app: App, vendor: Aimock, deadline: float = SAFETY_NET_SECONDS) -> Responder:
    selector = ChatSelector(
        "openai:scripted", budget=Budget(Bounds()), deadline=deadline,
        options={"api_key": "no key", "base_url": vendor.url},
    )  # fmt: skip
    made = app.responder
    return Responder(
        knowledge=app.knowledge,
        retriever=made.finder.retriever,
        judge=made.finder.judge,
        selector=selector,
    )


def budget_of(made: Responder) -> Budget:
    assert isinstance(made.selector, ChatSelector)
    return made.selector.budget


def test_a_good_answer_is_heard(app: App, vendor: Aimock) -> None:
    made = desk(app, vendor)
    response = made.respond(Message(text=KNOWN))
    assert response.notes == ("model: confirmed",)
    assert isinstance(response.outcomes[0], Answer)
    assert budget_of(made).spent["calls"] == 2


@pytest.mark.parametrize("word", FAULTS)
def test_each_fault_ends_in_the_offline_decision(app: App, vendor: Aimock, word: str) -> None:
    made, message = desk(app, vendor), Message(text=f"{KNOWN} ({word})")
    before = len(vendor.journal())
    response = made.respond(message)
    assert response.outcomes == app.responder.respond(message).outcomes
    assert response.notes != ("model: confirmed",)
    assert FAULTS[word][1] in response.notes[0]
    assert len(vendor.journal()) > before
    assert budget_of(made).faults


def test_a_slow_line_is_not_waited_for(app: App, vendor: Aimock) -> None:
    made, message = desk(app, vendor, deadline=0.5), Message(text=f"{KNOWN} (slow-line)")
    (note,) = made.respond(message).notes
    assert "Late" in note or "Timeout" in note
    assert len(budget_of(made).faults) >= 1


def test_a_vendor_that_is_busy_for_a_moment_is_asked_again(app: App, vendor: Aimock) -> None:
    made = desk(app, vendor)
    assert made.respond(Message(text=f"{KNOWN} (busy-hour)")).notes == ("model: confirmed",)
    assert budget_of(made).spent["calls"] == 4


def test_what_the_vendor_saw(app: App, vendor: Aimock) -> None:
    key = "sk-proj-" + "".join(random.Random(9).choices(string.ascii_letters + string.digits, k=48))
    found = redact(f"{KNOWN} Mine is {key}")
    desk(app, vendor).respond(Message(text=found.text, redactions=found.spans))
    saw = vendor.journal()
    assert key not in json.dumps(saw)
    asked = [each["body"] for each in saw[-2:]]
    for body in asked:
        assert not body.get("stream")  # an answer that is cut must not look whole
        told = body["messages"][-1]["content"]
        assert all(f"[{p.id}]" in told for p in app.knowledge.offered)


def test_vectors_come_over_the_same_line(vendor: Aimock) -> None:
    encoder = OpenAIEncoder("text-embedding-3-small", key="no key", base_url=vendor.url)
    one, other = encoder.vector("a"), encoder.vector("b")
    assert one.shape == other.shape == (1536,)
    assert not np.allclose(one, other)
