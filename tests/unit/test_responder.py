"""What is decided about a whole message: its subject, its length, its questions."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import bot
from bot.app import App
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Message,
    Priority,
    Refusal,
    RefusalReason,
    Response,
)
from bot.policy.rules import TABLE, read_table
from bot.policy.subject import with_subject
from tests.support.growth import assert_in_proportion, repeated

HONEST = "Were API keys exposed?"


def respond(app: App, text: str, subject: str = "") -> Response:
    return app.responder.respond(Message(text=text, subject=subject))


# --- the subject -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("I will kill myself", EscalationReason.DANGER),
        ("Somebody is in my account right now", EscalationReason.TAKEOVER),
        ("Pay 2 bitcoin or we publish your data", EscalationReason.EXTORTION),
        ("Ich will mich umbringen", EscalationReason.DANGER),
    ],
)
def test_a_subject_that_cannot_wait_calls_somebody(
    app: App, subject: str, reason: EscalationReason
) -> None:
    (outcome,) = respond(app, HONEST, subject).outcomes
    assert isinstance(outcome, Escalation)
    assert (outcome.reason, outcome.priority) == (reason, Priority.PAGE)


@pytest.mark.parametrize("text", [HONEST, "Thank you in advance."])
def test_a_demand_in_the_subject_is_refused(app: App, text: str) -> None:
    outcomes = respond(app, text, "Send me my API key").outcomes
    refusals = [o.reason for o in outcomes if isinstance(o, Refusal)]
    assert set(refusals) == {RefusalReason.SECRET}


def test_what_the_subject_names_the_text_demands(app: App) -> None:
    outcomes = respond(app, "Please send it to me.", "My password").outcomes
    assert any(isinstance(o, Refusal) for o in outcomes)


@pytest.mark.parametrize(
    "subject",
    [
        "API keys", "Password reset?", "Question about passwords", "My account", "Re: your notice",
        "Fwd: Send us your password today", "WG: Bitte Passwort senden", "Phishing?", "Is this you?",
        "Mixpanel incident - do I need to change my password?", "Code received", "2FA", "",
    ],
)  # fmt: skip
def test_a_harmless_subject_changes_nothing_and_is_no_question(app: App, subject: str) -> None:
    (outcome,) = respond(app, HONEST, subject).outcomes
    assert isinstance(outcome, Answer)
    assert outcome.question == HONEST


def test_a_subject_stands_as_a_sentence_of_its_own() -> None:
    assert with_subject("", "x") == "x"
    assert with_subject(" My\n keys ", "x") == "My keys.\nx"
    assert with_subject("Mine?", "x") == "Mine?\nx"
    assert with_subject("[EXT] Fw: Send it", "x") == "> [EXT] Fw: Send it\nx"


# --- length ----------------------------------------------------------------------------------------

FILLER = "The weather was fine in the mountains. "


@pytest.mark.parametrize("before", [0, 1500, 4000])
def test_a_long_text_that_cannot_wait_calls_somebody(app: App, before: int) -> None:
    text = FILLER * before + "I want to kill myself. " + FILLER * (5000 - before)
    (outcome,) = respond(app, text).outcomes
    assert isinstance(outcome, Escalation)
    assert (outcome.reason, outcome.priority) == (EscalationReason.DANGER, Priority.PAGE)


def test_any_other_long_text_waits_for_a_person(app: App) -> None:
    (outcome,) = respond(app, FILLER * 5000).outcomes
    assert isinstance(outcome, Escalation)
    assert (outcome.reason, outcome.priority) == (EscalationReason.TOO_LONG, Priority.NORMAL)


@pytest.mark.no_cover
@pytest.mark.parametrize("piece", ["a", "<a", "he is outside ", "pay ", "\n", "脅"])
def test_no_long_text_costs_more_than_its_size(app: App, piece: str) -> None:
    def prepare(size: int) -> Callable[[], object]:
        return partial(respond, app, repeated(piece, size))

    assert_in_proportion(prepare, 256 * 1024)


# --- a likeness to refused requests ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Email me the FAQ about keys and passwords.",
        "Give me peace of mind about my recovery codes.",
        "Bitte schicken Sie mir Informationen zu den Passwörtern.",
    ],
)
def test_a_likeness_refuses_nobody_who_asks_for_facts(app: App, text: str) -> None:
    (outcome,) = respond(app, text).outcomes
    assert not isinstance(outcome, Refusal)


def test_a_likeness_refuses_what_no_rule_names(app: App) -> None:
    (outcome,) = respond(app, "Kuruluşun yöneticisi kim, adını yazın lütfen").outcomes
    assert isinstance(outcome, (Refusal, Escalation))


# --- why -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Is this mail from you?\n> Reply with your current password to keep your account.",
        'I got this: "Confirm your API key at https://a.example/login today." Is that from you?',
        "Would you send this?\n\n-------- Forwarded message --------\nSend us your code.",
    ],
)
def test_a_suspicious_mail_is_answered_and_marked(app: App, text: str) -> None:
    (outcome,) = respond(app, text).outcomes
    assert outcome.reason == "phishing_sample"


@pytest.mark.parametrize(
    "text",
    [
        "Is this mail from you?\n> Send us your API key or your account is closed.",
        "Ist diese Mail von Ihnen?\n> Dear customer, send us your API key within 24 hours.",
        "これは御社からのメールですか。\n> APIキーを送ってください。",
    ],
)
def test_who_shows_a_demand_gets_the_rules_of_the_post(app: App, text: str) -> None:
    (outcome,) = respond(app, text).outcomes
    assert isinstance(outcome, Answer)
    assert any("does not request" in p.text for p in outcome.passages)


def test_a_suspicious_mail_is_no_context_of_a_clear_question(app: App) -> None:
    (outcome,) = respond(app, f"{HONEST}\n> Send us your code.").outcomes
    assert isinstance(outcome, Answer)
    assert any("API keys" in p.text for p in outcome.passages)


def test_an_announcement_is_answered_with_the_question_that_follows(app: App) -> None:
    (outcome,) = respond(app, "Give me a straight answer on API keys. Leaked or not?").outcomes
    assert isinstance(outcome, Answer)
    assert outcome.question == "Leaked or not?"


def test_a_demand_is_no_announcement(app: App) -> None:
    outcomes = respond(app, "Send me my API key. Leaked or not?").outcomes
    assert any(isinstance(o, Refusal) for o in outcomes)


@pytest.mark.parametrize(
    "text",
    [
        HONEST,
        'You write "No passwords were compromised or exposed." Is that still so?',
        "Someone asked me for my password. Is that from you?",
    ],
)
def test_what_quotes_no_demand_is_no_sample(app: App, text: str) -> None:
    assert all(o.reason != "phishing_sample" for o in respond(app, text).outcomes)


def test_a_person_learns_that_the_post_is_silent(app: App) -> None:
    (outcome,) = respond(app, "which app for mfa").outcomes
    assert outcome.reason is EscalationReason.NOT_IN_POST


def test_beside_other_questions_an_answer_quotes_only_its_first_passage(app: App) -> None:
    asked = "Which data of mine got out?"
    (alone,) = respond(app, asked).outcomes
    among, other = respond(app, f"{asked} Should I reset my password?").outcomes
    assert isinstance(alone, Answer)
    assert isinstance(among, Answer)
    assert isinstance(other, Answer)
    assert (len(alone.passages), len(among.passages)) == (2, 1)


def test_every_reason_is_given_by_something() -> None:
    code = "".join(p.read_text() for p in Path(bot.__path__[0]).rglob("*.py"))
    table = {row.reason for row in read_table(TABLE).rules}
    for reason in (*AnswerReason, *RefusalReason, *EscalationReason):
        assert reason.value in table or f"{type(reason).__name__}.{reason.name}" in code
