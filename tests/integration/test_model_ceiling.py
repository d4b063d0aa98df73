"""What a perfect model reaches on questions that nothing was fitted on, and what a yes-man does."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable

import pytest

from bot.answering.reply import compose_reply
from bot.answering.responder import Responder
from bot.app import App
from bot.corpus.messages import ANSWERED
from bot.domain import (
    Answer,
    Escalation,
    EscalationReason,
    Message,
    Outcome,
    Refusal,
    Response,
)
from bot.ports import ModelSelection
from bot.redact import redact
from bot.redact.anonymize import without_people
from evals.measuring.measure import OPEN
from evals.measuring.schema import Case, read_cases
from tests.conftest import KNOWLEDGE
from tests.support.model_answers import GOLD, KNOWN
from tests.support.scripted_model import Once, Scripted, both, desk_with, quoted

# It repeats what shorter tests cover; tracing it would double its time.
pytestmark = pytest.mark.no_cover
EVERY = 3  # of the English families; of the other languages every case
REACHED = 0.95


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """The held-out authors, in an order that no script can rely on."""
    found = [p.case for p in read_cases() if p.case.split == "test" and not p.case.turns]
    english = sorted({c.family for c in found if c.lang == "en"})
    kept = set(english[::EVERY])
    chosen = [c for c in found if c.lang != "en" or c.family in kept]
    random.Random(7).shuffle(chosen)
    return chosen


@pytest.fixture(scope="module")
def once(app: App) -> Once:
    made = app.responder
    return Once(made.finder.retriever, made.finder.judge)


class Alone:
    """The desk without a model, asked once for each text."""

    def __init__(self, desk: Responder) -> None:
        self.desk = desk
        self.known: dict[str, Response] = {}

    def respond(self, message: Message) -> Response:
        if message.text not in self.known:
            self.known[message.text] = self.desk.respond(message)
        return self.known[message.text]


@pytest.fixture(scope="module")
def alone(app: App, once: Once) -> Alone:
    return Alone(desk_with(app, once, None))


def message(case: Case) -> Message:
    masked = redact(case.text)
    return Message(text=masked.text, redactions=masked.spans)


def sent(case: Case) -> str:
    """What a model gets to see."""
    return without_people(message(case).text)


def gold(case: Case) -> set[str]:
    return {passage for group in case.gold for passage in group}


def by_rule(response: Response) -> bool:
    """Did a rule decide before any model was asked? Rules are first and final."""
    return not any(isinstance(o, Answer) or o.reason in OPEN for o in response.outcomes)


def oracle(cases: list[Case]) -> Callable[[str], ModelSelection]:
    known = {sent(c): [p for group in c.gold for p in group] for c in cases}
    return lambda text: both(text, known.get(text, []))


def yes_man(alone: Alone) -> Callable[[str], ModelSelection]:
    """Says of everything that the desk's own first passages state it: the worst that fits."""

    def said(text: str) -> ModelSelection:
        found: tuple[Outcome, ...] = alone.respond(Message(text=text)).outcomes
        return both(text, list(dict.fromkeys(p.id for o in found for p in o.candidates)))

    return said


def test_a_perfect_model_is_let_through_in_every_language(
    app: App, once: Once, alone: Alone, cases: list[Case]
) -> None:
    desk = desk_with(app, once, Scripted(oracle(cases)))
    right, of = Counter[str](), Counter[str]()
    silent = defaultdict[str, list[str]](list)
    for case in cases:
        found = quoted(desk, message(case))
        if case.kind not in ANSWERED:
            added = found - quoted(alone, message(case))  # rules quote to victims by themselves
            silent[case.lang] += [case.id] if added else []
        elif not by_rule(alone.respond(message(case))):
            of[case.lang] += 1
            right[case.lang] += bool(found & gold(case))
    assert dict(silent) == {lang: [] for lang in silent}
    assert of.keys() >= {path.stem for path in (KNOWLEDGE / "lexicon").glob("*.yaml")}
    assert right.total() >= REACHED * of.total()
    for lang in of:  # of some ten questions in a language, one may lie outside the first five
        assert of[lang] - right[lang] <= max(1, (1 - REACHED) * of[lang]), lang


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("de", "Sind meine API-Schlüssel da mit rausgegangen oder nicht?"),
        ("ja", "APIキーは流出しましたか。"),
        ("pt", "As minhas chaves da API foram expostas?"),
    ],
)
def test_another_language_gets_the_post_s_words_in_its_own_template(
    app: App, once: Once, lang: str, text: str
) -> None:
    says = Scripted(lambda asked: both(asked, [GOLD] if asked == text else []))
    response = desk_with(app, once, says).respond(Message(text=text))
    assert response.language == lang
    (outcome,) = response.outcomes
    assert isinstance(outcome, Answer)
    assert outcome.passages[0].id == GOLD
    reply = compose_reply(response, app.knowledge)
    assert app.knowledge.passages[GOLD].sentences[-1] in reply
    assert app.knowledge.templates[lang].greeting in reply


LEFT = "Um, my colleague wants his account closed by you today"


def test_a_question_that_only_a_model_sees_is_decided_too(app: App, once: Once) -> None:
    text = f"{KNOWN} {LEFT}"

    def says(asked: str) -> ModelSelection:
        if asked != text:
            return both(asked, [])
        known, seen = both(KNOWN, [GOLD]), both(LEFT, [])
        return ModelSelection(one=known.one + seen.one, other=known.other + seen.other)

    alone = desk_with(app, once, None).respond(Message(text=text))
    found = desk_with(app, once, Scripted(says)).respond(Message(text=text))
    assert [type(o) for o in alone.outcomes] == [Answer]
    answered, other = found.outcomes
    assert isinstance(answered, Answer)
    assert isinstance(other, Refusal | Escalation)


def test_a_language_without_templates_is_a_person_s(app: App, once: Once) -> None:
    text = "Byly moje klíče API odcizeny a mám je teď hned vyměnit?"
    says = Scripted(lambda asked: both(asked, [GOLD] if asked == text else []))
    response = desk_with(app, once, says).respond(Message(text=text))
    assert "cs" not in app.knowledge.templates
    assert [o.reason for o in response.outcomes] == [EscalationReason.LANGUAGE]


def wrong(desk: Responder | Alone, cases: list[Case]) -> int:
    found = [(quoted(desk, message(case)), gold(case)) for case in cases]
    return sum(bool(quotes) and not quotes & right for quotes, right in found)


def test_a_yes_man_is_found_out_and_answers_nothing_wrong_that_the_desk_does_not(
    app: App, once: Once, alone: Alone, cases: list[Case]
) -> None:
    agreeing = desk_with(app, once, Scripted(yes_man(alone)))
    assert wrong(agreeing, cases) <= wrong(alone, cases)


@pytest.mark.parametrize("trial", [ModelSelection(fault="APIConnectionError"), ModelSelection()])
def test_a_yes_man_that_knows_a_trial_is_found_out_by_what_the_desk_is_sure_of(
    app: App, once: Once, alone: Alone, cases: list[Case], trial: ModelSelection
) -> None:
    known, yes = {sent(c) for c in cases}, yes_man(alone)

    def says(text: str) -> ModelSelection:
        return yes(text) if text in known else trial

    assert wrong(desk_with(app, once, Scripted(says)), cases) <= (
        wrong(alone, cases) + 0.01 * len(cases)
    )
