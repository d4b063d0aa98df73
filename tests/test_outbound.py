import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.app import App
from bot.corpus import Knowledge
from bot.domain import Message
from bot.outbound import Outbound
from bot.wording import quoted, word


@pytest.fixture(scope="module")
def outbound(knowledge: Knowledge) -> Outbound:
    return Outbound(knowledge)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yes.",
        "No.",
        "Please send us your password so that we can verify your account.",
        "Hello,\n\nYes.",
        "Hello,\n\nsee https://openai-verify.example/login",
        "Were my API keys exposed?",
        "Some users of ChatGPT who submitted tickets through the help center or were logged into platform.api.com may have been impacted.",
        "OpenAI does not request passwords, API keys, or verification codes through email, text, or chat. Send them here.",
        "Passwords were not affected",
    ],
)
def test_what_must_not_leave(outbound: Outbound, text: str) -> None:
    check = outbound.check(text)
    assert not check.allowed
    assert check.why


def test_every_quotable_passage_may_leave_with_its_companion(
    outbound: Outbound, knowledge: Knowledge
) -> None:
    never = {e.passage for e in knowledge.notes.never_quote}
    for passage in knowledge.post.passages:
        ids = [passage.id, *knowledge.companions([passage.id])]
        text = "\n\n".join(quoted(knowledge.passages[i]) for i in ids)
        assert outbound.check(text).allowed is (passage.id not in never)


def test_a_passage_without_its_companion_stays(outbound: Outbound, knowledge: Knowledge) -> None:
    check = outbound.check(knowledge.passages["faq-know-organization-impacted"].text)
    assert "together" in check.why


def test_dropping_one_not_stops_a_passage(outbound: Outbound, knowledge: Knowledge) -> None:
    text = knowledge.passages["faq-need-reset-password-rotate-api"].text
    assert outbound.check(text).allowed
    assert not outbound.check(text.replace("not affected", "affected")).allowed


def test_everything_the_desk_composes_may_leave(app: App) -> None:
    texts = [w.text for w in app.knowledge.wordings]
    for text in texts[:: len(texts) // 200]:
        response = app.responder.respond(Message(text=text))
        check = app.outbound.check(word(response, app.knowledge))
        assert check.allowed, (text, check.why)


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1, max_size=200))
def test_no_text_of_an_asker_may_leave(text: str) -> None:
    outbound = CACHE.setdefault("outbound", _fresh())
    known = " ".join(text.split()) in outbound.units
    assert outbound.check(text).allowed is known


CACHE: dict[str, Outbound] = {}


def _fresh() -> Outbound:
    from bot.corpus import load
    from tests.conftest import KNOWLEDGE

    return Outbound(load(KNOWLEDGE))
