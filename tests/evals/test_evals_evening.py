"""An evening's knowledge: as few wordings as are asked for, no labelled message, and a table."""

from pathlib import Path

import pytest

from bot.answering.fit import can_learn
from bot.corpus import Knowledge, load
from evals.evening import as_cases, copy_evening, evening_row, measure_evening, target_rows
from evals.measuring.light import QueryCache
from tests.support.small_knowledge import copy_knowledge
from tests.support.word_encoder import WordEncoder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Knowledge:
    folder = tmp_path_factory.mktemp("small") / "knowledge"
    return load(copy_knowledge(folder, wordings=4, messages=3))


def test_an_evening_has_few_english_wordings_and_no_messages(
    small: Knowledge, tmp_path: Path
) -> None:
    made = copy_evening(small, tmp_path / "copy", 2)
    count: dict[str, int] = {}
    for wording in made.wordings:
        count[wording.label] = count.get(wording.label, 0) + (wording.kind == "intent")
        assert wording.kind == "near" or wording.language == "en"
    assert max(count.values()) == 2
    assert not made.messages
    assert not made.exercises
    assert can_learn(made)
    labels = {w.label for w in small.wordings if w.language == "en"}
    assert {w.label for w in made.wordings} == labels


def test_wordings_are_taken_from_the_whole_list(small: Knowledge, tmp_path: Path) -> None:
    made = copy_evening(small, tmp_path / "copy", 2)
    label = next(w.label for w in made.wordings if w.answers)
    every = [w.text for w in small.wordings if w.label == label and w.language == "en"]
    kept = [w.text for w in made.wordings if w.label == label]
    assert kept == [every[0], every[len(every) // 2]]


def test_a_row_names_the_figures_with_their_bounds(small: Knowledge, tmp_path: Path) -> None:
    made = copy_evening(small, tmp_path / "copy", 3)
    encoder = QueryCache(WordEncoder(), tmp_path / "eval-vectors.npz")
    result = measure_evening(made, encoder, list(as_cases(small.messages)))
    assert [g.case.id for g in result.graded] == [m.id for m in small.messages]
    told = evening_row("3", result)
    assert told.startswith(f"| 3 | {result.threshold:.3f} | ")
    assert "%" in told
    rows = list(target_rows("3", result))
    thresholds = [float(each.split(" | ")[2]) for each in rows]
    assert thresholds == sorted(thresholds, reverse=True)


def test_vectors_of_questions_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "eval-vectors.npz"
    one = QueryCache(WordEncoder(), path)
    first = one.embed_query("was my name lost")
    one.save()
    other = QueryCache(WordEncoder(), path)
    other.embed_query("when was it lost")
    other.save()
    last = QueryCache(WordEncoder(), path)
    assert last.embed_query("was my name lost") == first
    assert len(last._kept) == 2
