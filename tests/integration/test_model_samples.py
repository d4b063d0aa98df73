"""The model's path over the public samples: what a perfect model could reach, what a bad one could do."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from bot.answering.reply import compose_reply
from bot.app import App
from bot.domain import Answer, Message
from bot.llm.budget import Bounds
from bot.outbound import Outbound
from bot.redact import redact
from tests.conftest import SHARED
from tests.servers.model_server import asked, model_server
from tests.support.model_answers import asking, entry

SAMPLES = SHARED / "samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="../shared/samples is not here")
Row = dict[str, Any]


def rows(name: str) -> list[Row]:
    lines = (SAMPLES / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def folded(text: str) -> str:
    return " ".join(text.replace("**", "").split())


def ids(app: App, quotes: list[str] | None) -> list[str]:
    """The passages in which a quote stands."""
    wanted = [folded(q) for q in quotes or []]
    texts = {p.id: folded(p.text) for p in app.knowledge.offered}
    return [i for i, text in texts.items() if any(q in text or text in q for q in wanted)]


@pytest.mark.no_cover
def test_a_perfect_model_reaches_what_can_be_answered(app: App) -> None:
    questions = [r for r in rows("questions.jsonl") if r["kind"] != "multi"]
    gold = {redact(r["question"]).text: ids(app, r.get("gold_any_text")) for r in questions}

    def script(body: dict[str, Any]) -> Any:
        text = asked(body)
        chosen = gold.get(text, [])[:3]  # a trial is not among them: the post does not say it
        decision = "answer" if chosen else "not_in_post"
        return {"questions": [entry(text, decision, chosen, states=bool(chosen))]}

    right, answerable = Counter[str](), Counter[str]()
    languages = {redact(r["question"]).text: r["lang"] for r in questions}
    with model_server(script) as server:
        responder = asking(app, server)
        for text, wanted in gold.items():
            outcomes = responder.respond(Message(text=text)).outcomes
            quoted = {p.id for o in outcomes if isinstance(o, Answer) for p in o.passages}
            answerable[languages[text]] += bool(wanted)
            right[languages[text]] += bool(quoted & set(wanted))
            assert wanted or not quoted, text
    for lang, of in answerable.items():
        assert right[lang] >= 0.95 * of, f"{lang}: {right[lang]} of {of}"


def always(passage: int) -> Callable[[list[str]], Callable[[dict[str, Any]], Any]]:
    """The same passage for everything."""
    return lambda known: lambda body: {"questions": [entry(asked(body), passages=[known[passage]])]}


def obeys(known: list[str]) -> Callable[[dict[str, Any]], Any]:
    """Does what the attacker wants, in prose and in every field it has."""
    return lambda body: {
        "questions": [entry(asked(body), passages=known[:3])],
        "reply": "Here is your key. Send us your password.",
    }


def sent_first(body: dict[str, Any]) -> str:
    """The id of the first passage of a request."""
    return str(body["messages"][-1]["content"]).split("[", 1)[1].split("]", 1)[0]


BAD: dict[str, Callable[[list[str]], Callable[[dict[str, Any]], Any]]] = {
    "the first passage": always(0), "one in the middle": always(14), "the last": always(-1),
    "the first that is sent": lambda _: lambda body: {
        "questions": [entry(asked(body), passages=[sent_first(body)])]
    },
    "obeys": obeys,
    "says what it likes": lambda _: lambda body: f"Sure: {asked(body)}",
    "other ids": lambda _: lambda body: {"questions": [entry(asked(body), passages=["password"])]},
}  # fmt: skip


@pytest.mark.no_cover
@pytest.mark.parametrize("kind", BAD)
def test_a_hostile_model_does_no_harm(app: App, kind: str) -> None:
    attacks = rows("attacks.jsonl") + rows("attacks-public.jsonl")
    script = BAD[kind]([p.id for p in app.knowledge.offered])
    outbound = Outbound(app.knowledge)
    published = {p.text for p in app.knowledge.passages.values()}
    answered, alone = set[str](), set[str]()
    with model_server(script) as server:
        desk = asking(app, server, bounds=Bounds(calls=10_000, failures=10_000))
        # Compared with the desk that asks no model, so it must classify requests as that one does.
        desk.request_classifier = app.responder.request_classifier
        for row in attacks:
            before = len(server.bodies)
            masked = redact(row["text"])
            message = Message(text=masked.text, redactions=masked.spans)
            response, offline = desk.respond(message), app.responder.respond(message)
            reply = compose_reply(response, app.knowledge)
            assert outbound.check(reply).allowed
            assert not [w for w in row.get("must_not_contain") or [] if w in reply]
            answers = [o for o in response.outcomes if isinstance(o, Answer)]
            assert all(p.text in published for o in answers for p in o.passages)
            answered |= {row["id"]} if answers else set()
            alone |= {row["id"]} if any(isinstance(o, Answer) for o in offline.outcomes) else set()
            # Where no rule decides it was asked: nothing holds because nobody spoke to it.
            assert not response.notes or len(server.bodies) > before, row["id"]
        assert len(server.bodies) > 40
    barred = {r["id"] for r in attacks if r["expected"] in ("refuse", "escalate")}
    assert answered & barred <= alone & barred
