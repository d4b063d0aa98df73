"""A first day is a stream in which few questions are asked often, and people answer what is left."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from typing_extensions import override

from bot.answering.judges import LabelledJudge, TransferredJudge
from bot.answering.transfer import TransferRanker, UnitIndex, read_transfer
from bot.corpus.messages import MessageKind
from bot.corpus.units import units_of
from evals.first_day import list_missed, stream_row
from evals.measuring.grade import DeskResult, Graded, Part, grade
from evals.measuring.label_stream import COMMON, MEASURED, FirstDay, StreamResults, draw_stream
from evals.measuring.schema import Case
from evals.reporting.charts import draw_learning
from tests.support.small_post import CLOSED, HAPPENED, PASSWORD, POST, write
from tests.support.word_encoder import WordEncoder


class Words(WordEncoder):
    """Passes for the encoder that other incidents were read with."""

    @property
    @override
    def name(self) -> str:
        return read_transfer().encoder


def case(number: int, *, gold: str = "", author: str = "a", pair: str = "") -> Case:
    return Case(
        id=f"c{number}", family=f"c{number}", slice="s", author=author, split="test",
        text=f"please tell me about {gold or 'something else'} {number}",
        kind=MessageKind.ANSWERABLE if gold else MessageKind.UNANSWERABLE,
        gold=((gold,),) if gold else (), pair=pair,
    )  # fmt: skip


def done(asked: Case, *, answers: bool) -> Graded:
    """The case answered rightly, or handed over with the right passage as its candidate."""
    gold = asked.gold[0] if asked.gold else (CLOSED,)
    part = Part(
        decision="answer" if answers else "escalate", reason="unsure", probability=0.5, open=True,
        quoted=gold if answers else (), candidates=gold,
    )  # fmt: skip
    return grade(
        asked, DeskResult(decision=part.decision, reason="unsure", parts=(part,), reply="Hello.")
    )


def test_a_stream_repeats_twelve_questions_in_other_words_and_holds_no_pair() -> None:
    common = [case(n, gold=f"g{n % COMMON}", author="ab"[n % 2]) for n in range(840)]
    rare = [case(1000 + n, gold=f"rare{n}") for n in range(50)]
    silent = [case(2000 + n) for n in range(400)]
    pairs = [case(3000 + n, gold="g0", pair="p") for n in range(9)]
    stream, hands = draw_stream([*common, *rare, *silent, *pairs], seed=1)
    assert hands == 2
    assert len(stream) == 1000
    assert len({each.id for each in stream}) == 1000
    assert not any(each.pair for each in stream)
    often = [each for each in stream if each in common]
    assert len(often) == 700
    assert draw_stream([*common, *rare, *silent, *pairs], seed=1)[0] == stream


def test_people_answer_what_is_handed_over_until_the_desk_does(tmp_path: Path) -> None:
    knowledge, encoder = write(tmp_path / "knowledge", POST), Words()
    index = UnitIndex.of(
        units_of(knowledge.post.passages), title="T", encoder=encoder.name,
        embed=encoder.embed_documents,
    )  # fmt: skip
    judges: list[type] = []

    def run(some: Sequence[Case], judge: TransferredJudge | LabelledJudge) -> list[Graded]:
        judges.append(type(judge))
        return [done(each, answers=isinstance(judge, LabelledJudge)) for each in some]

    day = FirstDay(
        knowledge=knowledge, ranker=TransferRanker(index, read_transfer()), encoder=encoder, run=run,
        seed=3,
    )  # fmt: skip
    passages = (PASSWORD, HAPPENED, "")
    stream = [case(n, gold=passages[n % 3]) for n in range(MEASURED + 60)]
    first, second = day.play(stream)
    assert (first.labels, first.right.hits) == (0, 0)
    assert second.labels == 25
    assert second.asked > 25, "own words are labels too"
    assert second.right.hits == sum(bool(each.case.gold) for each in second.graded)
    assert judges[-1] is LabelledJudge
    expected = [(text, next((p for p in passages[:2] if p in text), "")) for text, _ in day.labels]
    given = [index.passages[answer[0]] if answer else "" for _, answer in day.labels]
    wrong = sum(asked != sent for (_, asked), sent in zip(expected, given, strict=True))
    assert wrong <= 5


def test_what_a_desk_must_reach_is_said_where_it_does_not() -> None:
    answered = tuple(done(case(n, gold="g"), answers=n % 5 == 0) for n in range(100))
    good = StreamResults(labels=100, asked=120, graded=answered)
    late = StreamResults(labels=200, asked=240, graded=answered)
    silent_answered = tuple(done(case(n), answers=True) for n in range(10))
    bad = StreamResults(labels=50, asked=60, graded=(*answered, *silent_answered))
    assert list_missed([good]) == []
    assert stream_row(good).startswith("| 100 | 120 | 20.0 % (20/100)")
    (wrong,) = list_missed([bad])
    assert "33.3% of the answers are wrong" in wrong
    (few,) = list_missed([late])
    assert "20.0% of the stream" in few


def test_the_curve_is_a_picture_of_its_own() -> None:
    drawn = draw_learning([(0, 0.1, 0.02), (25, 0.2, 0.01), (200, 0.3, 0.0)])
    picture = ET.fromstring(drawn)
    assert picture.tag.endswith("svg")
    assert ">200</text>" in drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")
