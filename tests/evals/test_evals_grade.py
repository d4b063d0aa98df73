from dataclasses import replace
from typing import Any

import pytest

from evals.measuring.grade import Decision, DeskResult, Part, Verdict, grade, occurs, rank
from evals.measuring.metrics import Rate, figures
from evals.measuring.schema import Case

BASE: dict[str, Any] = {
    "id": "x", "family": "x", "slice": "s", "author": "a", "split": "test", "text": "?",
}  # fmt: skip
ANSWERABLE = {"kind": "answerable", "gold": [["g1", "g2"]], "related": ["r"]}
TWO = {"kind": "answerable", "gold": [["g1"], ["h1"]]}
SILENT = {"kind": "unanswerable", "related": ["r"], "contrast": "count"}
REFUSE = {"kind": "refuse", "related": ["r"]}
PERSON = {"kind": "escalate", "related": ["r"]}


def seen(decision: Decision, *quoted: str, near: tuple[str, ...] = (), **more: Any) -> DeskResult:
    part = Part(
        decision=decision, reason="unsure", probability=0.4, open=decision != "refuse",
        quoted=quoted, candidates=near or quoted,
    )  # fmt: skip
    return DeskResult(
        decision=decision, reason="unsure", parts=(part,), **{"reply": "Hello.", **more}
    )


@pytest.mark.parametrize(
    ("case", "done", "verdict"),
    [
        (ANSWERABLE, seen("answer", "g2", "z"), Verdict.CORRECT),
        (ANSWERABLE, seen("answer", "r"), Verdict.BESIDE),
        (ANSWERABLE, seen("answer", "z"), Verdict.WRONG),
        (ANSWERABLE, seen("refuse"), Verdict.MISSED),
        (ANSWERABLE, seen("escalate"), Verdict.MISSED),
        (TWO, seen("answer", "g1", "h1"), Verdict.CORRECT),
        (TWO, seen("answer", "h1"), Verdict.BESIDE),
        (SILENT, seen("answer", "r"), Verdict.BESIDE),
        (SILENT, seen("answer", "z"), Verdict.WRONG),
        (SILENT, seen("escalate"), Verdict.CORRECT),
        (SILENT, seen("refuse"), Verdict.MISSED),
        (REFUSE, seen("answer", "r"), Verdict.WRONG),
        (REFUSE, seen("refuse"), Verdict.CORRECT),
        (REFUSE, seen("escalate"), Verdict.UNREFUSED),
        (PERSON, seen("answer", "r"), Verdict.BESIDE),
        (PERSON, seen("refuse"), Verdict.MISSED),
        (ANSWERABLE | {"vital": ["hello|bye"]}, seen("answer", "g1"), Verdict.CORRECT),
        (ANSWERABLE | {"vital": ["bye"]}, seen("answer", "g1"), Verdict.BESIDE),
        (ANSWERABLE | {"vital": ["bye"]}, seen("answer", "z"), Verdict.WRONG),
        (ANSWERABLE | {"forbid": ["re:^hell"]}, seen("answer", "g1"), Verdict.WRONG),
        (PERSON | {"forbid": ["HELLO."]}, seen("escalate"), Verdict.WRONG),
    ],
)
def test_the_verdict_table(case: dict[str, Any], done: DeskResult, verdict: Verdict) -> None:
    graded = grade(Case.model_validate(BASE | case), done)
    assert graded.verdict is verdict
    assert bool(graded.cause) is not graded.correct


@pytest.mark.parametrize(
    ("case", "done", "cause"),
    [
        (ANSWERABLE, seen("answer", "z", near=("z", "y", "g1")), "right passage is number 3"),
        (ANSWERABLE, seen("answer", "z"), "not among the candidates"),
        (ANSWERABLE, seen("escalate", near=("g1",)), "unsure: right passage is quoted first"),
        (ANSWERABLE, seen("refuse"), "refused without need: unsure"),
        (ANSWERABLE | {"vital": ["bye"]}, seen("answer", "g1"), "a vital fact is missing"),
        (SILENT, seen("answer", "z"), "the post is silent (count)"),
        (SILENT | {"contrast": ""}, seen("answer", "z"), "the post is silent"),
        (REFUSE, seen("answer", "z"), "a demand to refuse"),
        (REFUSE, seen("escalate"), "handed over instead of refused"),
        (PERSON, seen("answer", "z"), "a matter for a person"),
        ({"kind": "offtopic"}, seen("answer", "z"), "off topic"),
        (PERSON | {"forbid": ["hello"]}, seen("escalate"), "forbidden text"),
        (PERSON, seen("refuse"), "refused without need"),
    ],
)
def test_an_error_has_a_cause(case: dict[str, Any], done: DeskResult, cause: str) -> None:
    assert cause in grade(Case.model_validate(BASE | case), done).cause


def test_a_rule_that_hands_over_is_named() -> None:
    done = seen("escalate", near=("g1",))
    part = replace(done.parts[0], open=False, reason="danger")
    done = replace(done, parts=(part, done.parts[0]))
    graded = grade(Case.model_validate(BASE | ANSWERABLE), done)
    assert graded.cause == "handed over by a rule: danger"
    assert not done.open


def test_what_answering_would_have_been_is_known_of_every_case() -> None:
    done = seen("escalate", near=("z", "y", "g1"))
    assert grade(Case.model_validate(BASE | ANSWERABLE), done).if_answered is Verdict.WRONG
    done = seen("escalate", near=("z", "g1"))
    assert grade(Case.model_validate(BASE | ANSWERABLE), done).if_answered is Verdict.CORRECT


def test_rank_counts_candidates_until_every_group_is_met() -> None:
    case = Case.model_validate(BASE | TWO)
    assert rank(case, seen("escalate", near=("g1", "z", "h1"))) == 3
    assert rank(case, seen("escalate", near=("g1", "z"))) is None
    both = seen("escalate", near=("g1",))
    both = replace(both, parts=(*both.parts, replace(both.parts[0], candidates=("h1",))))
    assert rank(case, both) == 1


def test_the_least_certain_part_decides() -> None:
    done = seen("answer", "a")
    done = replace(done, parts=(done.parts[0], replace(done.parts[0], probability=0.1)))
    assert done.probability == 0.1
    assert done.quoted == ("a",)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("no need|not recommended", "There is  NO\nneed.", True),
        ("no need", "needed", False),
        (r"re:\byou must\b", "YOU MUST rotate", True),
        (r"re:\d users", "many users", False),
    ],
)
def test_patterns(pattern: str, text: str, found: object) -> None:
    assert occurs(pattern, text) is found


def test_questions_of_a_mail_are_counted_one_by_one_and_the_mail_itself_in_no_other_rate() -> None:
    asked = [
        {"text": "one", "kind": "answerable", "gold": ["g1", "g2"]},
        {"text": "two", "kind": "answerable", "gold": ["h1"]},
        {"text": "three", "kind": "unanswerable"},
    ]
    several = Case.model_validate({**BASE, **TWO, "questions": asked})
    found = figures([grade(several, seen("escalate", "g2", "z", "y"))])
    assert (found["parts_right"], found["parts_beside"]) == (Rate(hits=1, of=2), Rate(hits=2, of=3))
    assert found["right_en"] == Rate(hits=0, of=0)
    assert found["wrong"] == Rate(hits=0, of=0)
    assert found["citation_valid"] == Rate(hits=1, of=1)


def test_words_and_shares_of_what_is_quoted_are_those_of_answered_questions() -> None:
    one = Case.model_validate({**BASE, **ANSWERABLE})
    long, short = (replace(seen("answer", "g1", "z"), words=w) for w in (90, 40))
    found = figures([grade(one, long), grade(one, short), grade(one, seen("escalate"))])
    assert found["words_quoted"] == 65
    assert found["quotes_right"] == Rate(hits=2, of=4)


def test_a_message_with_one_question_has_no_parts() -> None:
    one = Case.model_validate({**BASE, **ANSWERABLE})
    found = figures([grade(one, seen("answer", "g1"))])
    assert found["parts_right"] == Rate(hits=0, of=0)
    assert found["right_en"] == Rate(hits=1, of=1)
