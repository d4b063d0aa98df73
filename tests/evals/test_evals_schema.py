from pathlib import Path
from typing import Any

import pytest

from bot.corpus.messages import MessageKind
from evals.measuring.schema import (
    CasesError,
    accept_superseding,
    check_passages,
    load_cases,
    read_cases,
)
from tests.support.tiny_evals import CASES, NAMES, PASSWORDS, PLAIN, ROTATE, cases_in

GOOD = CASES[0]
MAIL = b"From: a@b.example\nTo: desk@b.example\nSubject: keys\n\nWhat was lost?\n"


def test_the_tiny_cases_load(tmp_path: Path) -> None:
    cases = load_cases(cases_in(tmp_path))
    assert [c.id for c in cases] == [row["id"] for row in CASES]
    assert [c.expected for c in cases][-3:] == ["escalate", "escalate", "answer"]
    assert cases[6].text == "a poem please"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "odd"}, "kind"),
        ({"gold": []}, "needs gold"),
        ({"gold": [[]]}, "needs gold"),
        ({"kind": "refuse"}, "has no gold"),
        ({"text": ""}, "one of text, turns and file"),
        ({"turns": [{"role": "user", "text": "x"}]}, "one of text, turns and file"),
        ({"text": "", "turns": [{"role": "desk", "text": "x"}]}, "must be a user's"),
        ({"text": "", "turns": "x"}, "must be a user's"),
        ({"text": "", "file": "absent.eml"}, "absent.eml: No such file"),
        ({"forbid": ["re:("]}, "not a pattern"),
        ({"vital": [" "]}, "empty text"),
        ({"slice": ""}, "slice"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_bad_case_is_named_with_file_and_line(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    folder = cases_in(tmp_path, [CASES[4], GOOD | change])
    lines = (folder / "tiny.yaml").read_text().splitlines()
    starts = [i for i, line in enumerate(lines, start=1) if line.startswith("- ")]
    with pytest.raises(CasesError) as error:
        load_cases(folder)
    assert f"tiny.yaml:{starts[1]}: case c-names" in str(error.value)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cases: [", "bad.yaml:2: not valid YAML"),
        ("cases: []", "the slice is empty"),
        ("[]", "one key, `cases:`"),
        ("cases: [1]", "bad.yaml:1: case 0"),
        ("cases: []\nmore: 1", "one key, `cases:`"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(CasesError) as error:
        load_cases(tmp_path)
    assert says in str(error.value)


def test_no_file_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CasesError, match="no case file"):
        load_cases(tmp_path)


def test_an_id_is_used_once(tmp_path: Path) -> None:
    with pytest.raises(CasesError, match="the id is taken"):
        load_cases(cases_in(tmp_path, [GOOD, GOOD]))


def test_a_family_is_in_one_split(tmp_path: Path) -> None:
    other = GOOD | {"id": "other", "split": "fit"}
    with pytest.raises(CasesError, match="family names is in two splits"):
        load_cases(cases_in(tmp_path, [GOOD, other]))


def test_an_unknown_passage_is_named_with_its_line(tmp_path: Path) -> None:
    placed = read_cases(cases_in(tmp_path))
    check_passages(placed, frozenset(i for p in placed for g in p.case.gold for i in g))
    with pytest.raises(CasesError, match=rf"tiny.yaml:\d+: case c-names: .*{NAMES}"):
        check_passages(placed, frozenset())


def test_a_mail_enters_as_the_intake_reads_it(tmp_path: Path) -> None:
    (tmp_path / "mails").mkdir()
    (tmp_path / "mails" / "x.eml").write_bytes(MAIL)
    row = {**PLAIN, **GOOD, "file": "mails/x.eml"}
    del row["text"]
    assert load_cases(cases_in(tmp_path, [row]))[0].text == "What was lost?"


def test_every_kind_expects_one_decision() -> None:
    assert {k.value for k in MessageKind} == {
        "answerable", "false_premise", "unanswerable", "refuse", "escalate", "offtopic",
    }  # fmt: skip


def test_what_supersedes_a_passage_answers_what_that_answered(tmp_path: Path) -> None:
    case = load_cases(cases_in(tmp_path))[2]
    assert case.gold == ((PASSWORDS,), (ROTATE,))
    widened = accept_superseding(case, {PASSWORDS: ROTATE, NAMES: ROTATE})
    assert widened.gold == ((PASSWORDS, ROTATE), (ROTATE,))
    assert accept_superseding(case, {}) == case
