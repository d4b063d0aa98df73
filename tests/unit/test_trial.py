"""A new answer is used only where labelled questions keep theirs."""

from collections.abc import Mapping, Sequence

from bot.corpus.learned import labelled_question
from bot.corpus.messages import LabelledMessage, MessageKind
from bot.corpus.team_answers import TeamAnswer
from bot.domain import Hit
from bot.ports import Judgement, Lookup
from bot.staff.trial import (
    MOST_NEAR,
    MOST_OTHERS,
    TrialResult,
    choose_messages,
    try_passage,
)

NEW = TeamAnswer(
    case=3, question="Do you pay for locks?", answer="No.", language="en", answered_by="a",
    answered_at="2026-01-05", proposed_by="a", proposed_at="2026-01-05",
).passage  # fmt: skip


class Table:
    """Answers what stands in a table, and is unsure of all else."""

    strict_threshold = 0.5

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers = answers

    def search(self, text: str, *, limit: int) -> tuple[Hit, ...]:
        del text, limit
        return ()

    def threshold_for(self, language: str) -> float:
        del language
        return 0.5

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        del hits
        found = self.answers.get(text, "")
        return Judgement(
            probability=float(bool(found)), passages=(found or "x",), label="", quoted_alone=1
        )


def labelled(text: str, *gold: str, author: str = "a") -> LabelledMessage:
    kind = MessageKind.ANSWERABLE if gold else MessageKind.UNANSWERABLE
    return LabelledMessage(
        id=text, author=author, kind=kind, text=text, gold=(gold,) if gold else ()
    )


def tried(before: Mapping[str, str], after: Mapping[str, str]) -> TrialResult:
    messages = [
        labelled("who are you", "we"),
        labelled("what is stolen", "all"),
        labelled("why me"),
    ]
    one, other = Table(before), Table(after)
    return try_passage(
        NEW, messages, before=Lookup(retriever=one, judge=one),
        after=Lookup(retriever=other, judge=other),
    )  # fmt: skip


def test_a_trial_finds_what_a_new_answer_takes_from_others_and_what_is_lost() -> None:
    known = {"who are you": "we", "what is stolen": "all"}
    fine = tried(known, known | {NEW.heading: NEW.id})
    assert (fine.questions, fine.right_before, fine.answers_itself) == (3, 2, True)
    assert (fine.taken, fine.lost, fine.answered_before) == ((), (), ())
    worse = tried(known, {"who are you": NEW.id, "why me": NEW.id})
    assert worse.taken == ("who are you", "why me")
    assert worse.lost == ("what is stolen",)
    assert not worse.answers_itself
    assert tried({NEW.heading: "all"}, {}).answered_before == ("all",)


def test_few_lost_answers_are_the_new_threshold_and_many_are_not() -> None:
    few, many = (
        TrialResult(
            questions=600, right_before=300, taken=(), lost=("x",) * lost, answered_before=(),
            answers_itself=True,
        )
        for lost in (4, 5)
    )  # fmt: skip
    assert not few.loses_too_many
    assert many.loses_too_many


def test_the_nearest_questions_are_tried_and_a_share_of_all_others_but_no_own_words() -> None:
    far = [labelled(f"unlike words number {n}", "p") for n in range(3_000)]
    near = [labelled(f"pay locks {n}", "p") for n in range(MOST_NEAR)]
    own = labelled_question(1, "do you pay for locks", language="en", passages=())
    chosen = choose_messages(NEW, [*far, own, *near])
    assert set(near) <= set(chosen)
    assert own not in chosen
    assert MOST_NEAR < len(chosen) <= MOST_NEAR + MOST_OTHERS
    assert chosen == choose_messages(NEW, [*far, own, *near])
