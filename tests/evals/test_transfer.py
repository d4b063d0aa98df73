"""Learning from incidents: what is kept out, what counts as right, and that it can be repeated."""

import json
from pathlib import Path

import numpy as np
import pytest

from bot.answering.transfer import Array, TransferRanker
from bot.corpus import Knowledge
from evals.__main__ import main
from evals.fitting import incidents
from evals.fitting.incidents import (
    LabelledIncident,
    folders,
    hash_incidents,
    read_labelled_incident,
)
from evals.fitting.labelled import DRAWS, SHARES, fit_answered_weights
from evals.fitting.transfer_maps import learn_transfer, weighed
from evals.transfer import make

POST = '---\ntitle: "Notice"\nurl: https://x.example/p\npublished: 2026-01-02\n---\n' + "\n\n".join(
    f"## Part {i}\n\nThe {word} was copied. Nobody saw the {word}."
    for i, word in enumerate(("name", "street", "ticket", "harbour", "captain"))
)


def embed(texts: list[str]) -> Array:
    """A vector for each text that is always the same, near to those that share words."""
    words = [[w.strip(".:?") for w in t.lower().split()] for t in texts]
    rows = [
        sum(np.random.default_rng(sum(w.encode())).standard_normal(384) for w in each)
        for each in words
    ]
    found = np.array(rows, dtype=np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


def question(text: str, *gold: str, kind: str = "answerable", **more: object) -> dict[str, object]:
    return {
        "text": text, "lang": "en", "kind": kind, "gold": list(gold), "related": [], "pair": "",
        **more,
    }  # fmt: skip


def write_incident(folder: Path, *more: dict[str, object]) -> Path:
    rows = [
        *more,
        question("was the street copied", "The street was copied."),
        question("who saw the captain", "Nobody saw the captain."),
        question("how many were copied", kind="unanswerable"),
        question(
            "two things",
            parts=[
                question("", "The name was copied.", question="and the name"),
                question("", kind="unanswerable", question="and when"),
            ],
        ),
    ]
    folder.mkdir()
    (folder / "post.md").write_text(POST, encoding="utf-8")
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_incident(tmp_path / "x1-ferry")


@pytest.fixture
def incident(folder: Path) -> LabelledIncident:
    return read_labelled_incident(folder, "words", embed)


def test_five_authors_are_kept_out_of_all_fitting() -> None:
    learned, kept = folders(held_out=False), folders(held_out=True)
    assert {path.name[0] for path in kept} == set("ghijk")
    assert len(learned) == 18
    assert not set(learned) & set(kept)


def test_labels_become_units_and_parts_count_alone(incident: LabelledIncident) -> None:
    assert [each.text for each in incident.asked][3:] == ["and the name", "and when"]
    assert [sorted(each.gold) for each in incident.asked] == [[2], [9], [], [0], []]
    assert [each.answerable for each in incident.asked] == [True, True, False, True, False]
    assert incident.author == "x"


def test_a_label_changes_the_hash_of_the_data(folder: Path) -> None:
    before = hash_incidents([folder])
    path = folder / "questions.jsonl"
    path.write_text(path.read_text().replace("unanswerable", "answerable"), encoding="utf-8")
    assert hash_incidents([folder]) != before


def test_learning_finds_what_it_was_shown_and_can_be_repeated(incident: LabelledIncident) -> None:
    learned, again = (learn_transfer([incident], encoder="words", data="d") for _ in range(2))
    assert learned.to_bytes() == again.to_bytes()
    judge = TransferRanker(incident.index, learned)
    for asked, vector in zip(incident.asked, incident.vectors, strict=True):
        best, score = judge.rank_units(vector, asked.text)[0]
        if asked.answerable:
            assert incident.index.units.index(best) in asked.gold
        else:
            assert score < 1


def test_weights_follow_the_evidence(incident: LabelledIncident) -> None:
    learned = learn_transfer([incident], encoder="words", data="d")
    right = np.arange(40) % 2 == 0
    evidence = np.tile(right[:, None], (1, len(learned.mean))).astype(float)
    made = weighed(learned, evidence, right)
    assert made.probability(evidence[0].tolist()) > 0.5 > made.probability(evidence[1].tolist())


def test_what_answers_of_people_are_worth_is_learned_from_one_side_of_each_pair(
    tmp_path: Path,
) -> None:
    pair = [
        question("the harbour then", "The harbour was copied.", pair="p"),
        question("the airport then", kind="unanswerable", pair="p"),
    ]
    urgent = [question("help me now", kind="crisis"), question("your password", kind="demand")]
    paths = [write_incident(tmp_path / name, *pair, *urgent) for name in ("x1-ferry", "y1-ferry")]
    incidents = [read_labelled_incident(path, "words", embed) for path in paths]
    left_out = {
        each.author: learn_transfer([each], encoder="words", data="d") for each in incidents
    }
    (made, played), (again, _) = (
        fit_answered_weights(left_out["x"], incidents, left_out, wrong_of_answered=0.5)
        for _ in range(2)
    )
    # Of six questions that are left in each incident people answer up to four.
    assert len(played) == len(incidents) * 2 * len(SHARES) * DRAWS
    assert made.to_bytes() == again.to_bytes()
    assert 0 < made.labelled_threshold <= 1
    assert made.labelled_weights.coefficients.any()


def test_a_run_measures_each_author_left_out_and_the_kept_ones_only_when_asked(
    tmp_path: Path,
    knowledge: Knowledge,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = tmp_path / "incidents"
    there.mkdir()
    monkeypatch.setattr(incidents, "INCIDENTS", there)
    for name in ("x1-ferry", "y1-ferry", "g1-ferry"):
        write_incident(there / name)
    made = make("words", embed, knowledge, held_out=False)
    said = capsys.readouterr().out
    assert made.data == hash_incidents(folders(held_out=False))
    assert made.encoder == "words"
    assert 0 < made.threshold <= 1
    assert "2 incidents, 10 questions" in said
    assert "left-out authors" in said
    assert "held-out authors" not in said
    make("words", embed, knowledge, held_out=True)
    said = capsys.readouterr().out
    assert "held-out authors" in said
    assert "the shipped incident" in said


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["transfer", "--help"])
    assert left.value.code == 0
    assert "--held-out" in capsys.readouterr().out
