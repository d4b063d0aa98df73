"""What other incidents taught, on a small post that nobody has written questions for."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot.answering.transfer import (
    FEATURES,
    FORMAT,
    Array,
    Transfer,
    TransferRanker,
    UnitIndex,
    WordOverlap,
    read_transfer,
)
from bot.corpus.post import read_post
from bot.corpus.units import units_of
from bot.errors import KnowledgeError
from bot.resources import read_bytes

FERRY = Path(__file__).parents[1] / "data" / "ferry"
LARGEST = 1_000_000  # bytes that may be shipped


def embed(texts: list[str]) -> Array:
    """Vectors of the desk's encoder, made beforehand."""
    with np.load(FERRY / "vectors.npz") as stored:
        known = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))
    return np.array([known[text] for text in texts], dtype=np.float32)


def archive(**values: object) -> bytes:
    """The content of a file of arrays with these values."""
    content = io.BytesIO()
    arrays: dict[str, Any] = {name: np.array(value) for name, value in values.items()}
    np.savez(content, **arrays)
    return content.getvalue()


@pytest.fixture(scope="module")
def transfer() -> Transfer:
    return read_transfer()


@pytest.fixture(scope="module")
def index(transfer: Transfer) -> UnitIndex:
    post = read_post(FERRY / "post.md")
    return UnitIndex.of(
        units_of(post.passages), title=post.title, encoder=transfer.encoder, embed=embed
    )


@pytest.fixture(scope="module")
def judge(index: UnitIndex, transfer: Transfer) -> TransferRanker:
    return TransferRanker(index, transfer)


def chance(judge: TransferRanker, text: str) -> float:
    return judge.judge(text, embed([text])[0]).probability


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Did you tell the police?", "We told the police on 15 January."),
        ("Must I change my password?", "No. Passwords are kept in another system."),
        ("Kann ich mit meiner Fahrkarte noch fahren?", "Yes, all tickets stay valid."),
    ],
)
def test_the_right_unit_is_found_in_any_language(
    judge: TransferRanker, text: str, answer: str
) -> None:
    vector = embed([text])[0]
    unit, _ = judge.rank_units(vector, text)[0]
    assert unit.text == answer
    assert judge.judge(text, vector).passages[0] == unit.passage


def test_an_item_finds_the_list_with_its_lead_in(judge: TransferRanker) -> None:
    text = "Was the licence plate of my car copied?"
    unit, _ = judge.rank_units(embed([text])[0], text)[0]
    assert unit.text.startswith("The following was copied:\n")
    assert len(unit.text.split("\n")) == 4


def test_an_alien_actor_lowers_the_probability(judge: TransferRanker) -> None:
    known = chance(judge, "Did you tell the police?")
    alien = chance(judge, "Did Amazon tell the police?")
    assert known > judge.threshold_for("en") > alien
    assert alien < known - 0.1


def test_a_dropped_not_finds_the_same_and_raises_nothing(judge: TransferRanker) -> None:
    said, dropped = "Were payment cards not copied?", "Were payment cards copied?"
    found = [judge.judge(text, embed([text])[0]).passages[0] for text in (said, dropped)]
    assert found[0] == found[1]
    assert chance(judge, dropped) <= chance(judge, said) + 0.02


def test_what_the_post_does_not_say_is_not_answered(judge: TransferRanker) -> None:
    assert chance(judge, "What is the name of the officer who took the report?") < 0.5
    thanks = judge.judge("Thanks a lot!", embed(["Thanks a lot!"])[0])
    assert thanks.label == "chatter"
    assert thanks.probability < 0.1


def test_a_judgement_names_its_features(judge: TransferRanker) -> None:
    judged = judge.judge("Thanks a lot!", embed(["Thanks a lot!"])[0])
    assert tuple(name for name, _ in judged.features) == FEATURES
    assert len(set(judged.passages)) == len(judged.passages)


def test_a_stricter_threshold_counts_and_a_laxer_one_does_not(
    index: UnitIndex, transfer: Transfer
) -> None:
    assert TransferRanker(index, transfer, threshold=0.99).threshold_for("de") == 0.99
    assert TransferRanker(index, transfer, threshold=0.1).threshold_for("en") == transfer.threshold


def test_vectors_of_another_encoder_are_refused(index: UnitIndex, transfer: Transfer) -> None:
    with pytest.raises(KnowledgeError, match="another-encoder"):
        TransferRanker(replace(index, encoder="another-encoder"), transfer)
    with pytest.raises(KnowledgeError):
        TransferRanker(replace(index, vectors=index.vectors[:, :100]), transfer)


def test_a_post_of_one_sentence_can_be_judged(transfer: Transfer) -> None:
    post = read_post(FERRY / "post.md")
    one = UnitIndex.of(
        units_of(post.passages)[1:2], title=post.title, encoder=transfer.encoder, embed=embed
    )
    assert 0 <= chance(TransferRanker(one, transfer), "Did you tell the police?") <= 1


def test_what_ships_is_small_and_survives_being_written(transfer: Transfer) -> None:
    content = read_bytes("transfer.npz")
    assert len(content) < LARGEST
    assert transfer.to_bytes() == content
    assert transfer.data


@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"PK\x03\x04 cut off", archive(b=1), archive(format=FORMAT)]
)
def test_a_damaged_file_is_named(content: bytes) -> None:
    with pytest.raises(KnowledgeError, match="evals transfer"):
        Transfer.from_bytes(content)


def test_rare_words_count_more_and_unknown_ones_are_told() -> None:
    overlap = WordOverlap(["the police came", "the ferry sails", "船は出ます"])
    shared, unknown = overlap.shares("police on the moon")
    assert shared[0] > shared[1] > shared[2] == 0
    assert 0 < unknown < 1
    assert overlap.shares("船は")[0][2] > 0
