"""What two calls say together, what their word may do, and when a yes counts at all."""

import random
import string
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.corpus import Knowledge
from bot.corpus.limits import read_limits
from bot.domain import Response
from bot.llm.consult import describe_consultation
from bot.llm.model_verdict import ModelVerdict, agreed_verdict, apply_verdict, checked, is_at_stake
from bot.llm.trust import MAX_QUESTION_CHARACTERS, Trust, silent_questions
from bot.ports import Judgement, ModelSelection, PassageSelection, SelectionDecision
from bot.redact.anonymize import without_people
from tests.conftest import KNOWLEDGE
from tests.support.scripted_model import both

ASKED = "Was my key taken?"
LIMITS = read_limits(KNOWLEDGE).model
NO = PassageSelection(span=ASKED, decision=SelectionDecision.NOT_IN_POST, passages=(), states=False)


def yes(*passages: str, span: str = ASKED, states: bool = True) -> PassageSelection:
    return PassageSelection(
        span=span, decision=SelectionDecision.ANSWER, passages=passages, states=states
    )


@pytest.mark.parametrize(
    ("one", "other", "word"),
    [
        (yes("a", "b"), yes("a", "b"), ModelVerdict(passages=("a", "b"))),
        (yes("a", "b"), yes("b", "a"), ModelVerdict(passages=("a", "b"))),
        (yes("a", "c"), yes("a", "b"), ModelVerdict(passages=("a",))),  # only what both name
        (yes("a"), yes("b"), ModelVerdict()),  # two passages for one question: no yes
        (yes("a", "b"), yes("c", "b"), ModelVerdict()),  # the best of each is not the other's
        (yes("a"), NO, ModelVerdict()),
        (yes("a"), yes("a", states=False), ModelVerdict()),
        (yes("a"), yes("a", span="taken?"), ModelVerdict(passages=("a",))),
        (yes("a"), yes("a", span="something else"), None),  # one call left it out
        (NO, yes("a", span="something else"), ModelVerdict()),
        (yes("a", span="x"), yes("a", span="x"), None),
    ],
)
def test_two_calls_are_one_word(
    one: PassageSelection, other: PassageSelection, word: ModelVerdict | None
) -> None:
    for first, second in ((one, other), (other, one)):
        found = agreed_verdict(ASKED, ModelSelection(one=(first,), other=(second,)))
        assert (found and set(found.passages)) == (word and set(word.passages))


def test_spans_are_compared_without_the_spaces_that_not_every_language_writes() -> None:
    selected = both("通知は来ますか。鍵は安全ですか。", ["a"])
    assert agreed_verdict("通知は来ますか。 鍵は安全ですか。", selected) == ModelVerdict(
        passages=("a",)
    )


def test_an_entry_must_stand_in_the_message() -> None:
    assert checked([yes("a")], text=f"Hello. {ASKED}", offered=["a"]) == (yes("a"),)
    for wrong in (yes("a", span="I was"), yes("z"), yes(), yes("a", span=" ")):
        with pytest.raises(ValueError, match=r"span|passage"):
            checked([wrong], text=ASKED, offered=["a"])


OURS = tuple("abcde")


def judged(probability: float, certainty: float = 0.5) -> Judgement:
    return Judgement(probability=probability, passages=OURS, label="x", certainty=certainty)


@given(st.floats(0, 1), st.lists(st.sampled_from("abcdefgh"), max_size=3, unique=True))
def test_an_untrusted_word_never_answers_more(probability: float, named: list[str]) -> None:
    before = judged(probability)
    after = apply_verdict(before, ModelVerdict(passages=tuple(named)), trusted=False, limits=LIMITS)
    assert after.passages == OURS
    assert after.probability in (before.probability, 0.0)


@given(st.floats(0, 1), st.lists(st.sampled_from("abcdefgh"), max_size=3, unique=True))
def test_a_trusted_word_quotes_only_what_the_desk_ranks(
    probability: float, named: list[str]
) -> None:
    after = apply_verdict(
        judged(probability), ModelVerdict(passages=tuple(named)), trusted=True, limits=LIMITS
    )
    assert sorted(after.passages) == sorted(OURS)
    if not set(named) & set(OURS):
        assert after.probability == 0
    if probability < LIMITS.floor:
        assert after.probability <= probability


def test_a_yes_at_the_floor_is_worth_a_trial_and_reaches_the_threshold() -> None:
    word = ModelVerdict(passages=("e",))
    for probability, stake in ((LIMITS.floor, True), (LIMITS.floor / 2, False), (0.9, True)):
        before = judged(probability)
        assert is_at_stake(before, word, threshold=0.67, limits=LIMITS) is stake
    lifted = apply_verdict(judged(LIMITS.floor), word, trusted=True, limits=LIMITS)
    assert lifted.probability > 0.67
    assert lifted.passages[0] == "e"
    assert not is_at_stake(
        judged(0.9), ModelVerdict(passages=("b",)), threshold=0.67, limits=LIMITS
    )
    assert not is_at_stake(judged(0.5), ModelVerdict(), threshold=0.67, limits=LIMITS)
    strict = judged(0.5, certainty=0)  # of the strict rules: a likeness, no probability
    assert not is_at_stake(strict, word, threshold=0.67, limits=LIMITS)


TOPICS = [[f"Question {n}?"] for n in range(9)]


class Model:
    """Says yes or no to a whole trial, or fails."""

    def __init__(self, passages: Sequence[str] = (), fault: str = "") -> None:
        self.passages, self.fault, self.texts = passages, fault, list[str]()

    def __call__(self, text: str) -> ModelSelection:
        self.texts.append(text)
        return ModelSelection(fault=self.fault) if self.fault else both(text, self.passages)


def test_a_model_that_says_yes_to_what_the_post_does_not_say_is_not_believed() -> None:
    now = [0.0]
    trust = Trust(LIMITS, lambda: TOPICS, lambda: now[0])
    yes_man, good = Model(["a"]), Model()
    assert not trust.holds(yes_man)
    assert not trust.holds(yes_man)
    assert len(yes_man.texts) == 1
    assert len(yes_man.texts[0].split("\n")) == LIMITS.trial_questions
    for _ in range(LIMITS.watched // LIMITS.trial_questions):  # it becomes a good one
        now[0] += LIMITS.trial_seconds
        trust.holds(good)
    assert trust.holds(good)
    assert len({*yes_man.texts, *good.texts}) > 1  # not the same questions each time


def test_a_trial_that_fails_says_nothing_and_comes_again() -> None:
    now = [0.0]
    trust = Trust(LIMITS, lambda: TOPICS, lambda: now[0])
    broken = Model(fault="LateError")
    assert trust.holds(broken)
    assert trust.holds(broken)
    assert len(broken.texts) == 1
    now[0] += LIMITS.rest_seconds
    assert not trust.holds(Model(["a"]))


def test_what_the_desk_is_sure_of_counts_as_a_trial() -> None:
    trust = Trust(LIMITS, list)
    good = Model()
    assert trust.holds(good)
    assert good.texts == []  # nothing to try it with
    trust.saw(yes=True)
    assert trust.holds(good)  # once, the desk may be wrong
    trust.saw(yes=True)
    assert not trust.holds(good)
    for _ in range(LIMITS.watched):
        trust.saw(yes=False)
    assert trust.holds(good)


def test_there_are_silent_topics_enough(knowledge: Knowledge) -> None:
    topics = silent_questions(knowledge)
    assert len(topics) > 5 * LIMITS.trial_questions
    answered = {w.text for w in knowledge.wordings if w.answers}
    for each in topics:
        assert not answered & set(each)
        assert max(map(len, each)) <= MAX_QUESTION_CHARACTERS


def drawn(seed: int, letters: str, length: int) -> str:
    return "".join(random.Random(seed).choices(letters, k=length))


def test_a_model_is_not_told_who_writes() -> None:
    user, digits = drawn(1, string.ascii_lowercase, 9), drawn(2, string.digits[1:], 9)
    first, last = (drawn(n, string.ascii_lowercase, 7).title() for n in (3, 4))
    text = (
        f"Dear {first},\nmy name is {first} {last} ({user}@mail.example, +49 {digits}).\n"
        "Were API keys exposed on November 9, 2025?\n\n"
        f"Kind regards\n{first} {last}\nHead of IT, Tel. 030/{digits}"
    )
    told = without_people(text)
    for secret in (user, digits, first, last):
        assert secret not in told
    assert "Were API keys exposed on November 9, 2025?" in told
    assert without_people(told) == told


@pytest.mark.parametrize(
    "text",
    [
        "Hi were my api keys leaked",
        "Hello OpenAI team, was it 2025-11-09 or 9.11.2025 - 25.11.2025?",
        "Thanks",
        "Was it November 9 or 25?\nMany thanks for telling me what I have to do with my old keys now",
        "Danke. Wurde mein Passwort gestohlen?",
        "I am Pro. Am I hit?",
        "Is 4471 my case?",
    ],
)
def test_what_is_asked_stays_as_it_is(text: str) -> None:
    assert without_people(text) == text


@given(st.text(max_size=400))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = without_people(text)
    assert without_people(once) == once


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("confirmed", "its word was weighed"),
        ("denied", "finds no answer"),
        ("left_out", "the desk decided that one alone"),
        ("calls_spent", "its calls of this hour are spent; the desk decided alone"),
        ("LateError", "nothing that can be used (LateError); the desk decided alone"),
    ],
)
def test_what_came_of_it_is_told_in_words(note: str, words: str) -> None:
    response = Response(outcomes=(), language="en", knowledge="", notes=(f"model: {note}",))
    (line,) = describe_consultation(response)
    assert words in line
