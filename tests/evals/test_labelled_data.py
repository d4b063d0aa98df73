"""The labelled data that waits for a reader: every label stands in its post, every pair has sides."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from bot.corpus import load
from bot.corpus.messages import ANSWERED
from evals.measuring.schema import check_passages, read_cases
from tests.conftest import KNOWLEDGE

DATA = Path(__file__).parents[2] / "evals" / "data"
INCIDENTS = sorted(path.name for path in (DATA / "incidents").iterdir() if path.is_dir())
REQUESTS = sorted(path.name for path in (DATA / "requests").glob("*.jsonl"))
KINDS = {"answerable", "unanswerable", "demand", "other_request", "crisis", "offtopic", "chatter"}
EXPECTED = {"refuse", "answer_or_escalate", "page", "escalate", "silent"}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def cleaned(path: Path) -> str:
    """A post without Markdown marks, links replaced by their text, on one line."""
    text = path.read_text(encoding="utf-8").replace("(opens in a new window)", "")
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[*_`#>]", "", text).split())


def flat(text: str) -> str:
    return " ".join(re.sub(r"[*_`#>]", "", text).split())


def has_sides(found: list[dict[str, Any]], label: str) -> bool:
    sides: dict[str, list[str]] = defaultdict(list)
    for row in found:
        if row["pair"]:
            sides[row["pair"]].append(str(row[label]))
    return bool(sides) and all(len(each) > 1 for each in sides.values())


@pytest.mark.parametrize("name", INCIDENTS)
def test_labels_of_an_incident_stand_in_its_post(name: str) -> None:
    post, found = (
        cleaned(DATA / "incidents" / name / "post.md"),
        rows(DATA / "incidents" / name / "questions.jsonl"),
    )
    assert len(found) >= 150
    assert has_sides(found, "kind")
    for row in found:
        assert row["kind"] in KINDS
        for part in (row, *row.get("parts", ())):
            assert all(flat(s) in post for s in (*part["gold"], *part["related"])), row["text"]


def test_cases_label_passages_of_the_shipped_post_and_questions_of_their_own_text() -> None:
    placed = read_cases(DATA / "cases")
    check_passages(placed, frozenset(load(KNOWLEDGE).passages))
    several = [p.case for p in placed if p.case.asks_several]
    assert len(several) >= 100
    for case in several:
        named = {p for group in case.gold for p in group}
        for question in case.questions:
            assert question.text in case.text, case.id
            assert set(question.gold) <= named or case.kind not in ANSWERED, case.id


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_say_what_is_expected(name: str) -> None:
    found = rows(DATA / "requests" / name)
    assert len(found) >= 240
    assert has_sides(found, "expected")
    for row in found:
        assert row["expected"] in EXPECTED, row["id"]
        assert row["labels"], row["id"]
        assert row["sentence"] in row["text"], row["id"]
