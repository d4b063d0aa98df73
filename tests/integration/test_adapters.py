from pathlib import Path

import pytest

from bot.adapters.bm25 import BM25
from bot.adapters.chroma import Chroma
from bot.adapters.e5 import E5, silent
from bot.adapters.exact_retriever import read_vectors, write_vectors
from bot.app import App
from bot.corpus.index_records import Record
from bot.errors import MissingError
from bot.ports import Retriever
from tests.conftest import ROOT

RECORDS = [
    Record(text="were my api keys exposed", label="apikey", answers=True),
    Record(text="do I need to reset my password", label="reset", answers=True),
    Record(text="how many keys were exposed", label="near:apikey", answers=False),
]


@pytest.fixture(scope="module")
def base() -> E5:
    return E5(ROOT / "var" / "models")


@pytest.fixture(params=["chroma", "bm25", "exact"])
def retriever(request: pytest.FixtureRequest, base: E5, tmp_path: Path) -> Retriever:
    if request.param == "bm25":
        return BM25(RECORDS)
    chroma = Chroma(encoder=base, folder=tmp_path / "chroma")
    chroma.index(RECORDS, silent)
    if request.param == "chroma":
        return chroma
    write_vectors(tmp_path / "vectors.npz", *chroma.everything())
    return read_vectors(tmp_path / "vectors.npz", base)


def test_the_same_words_come_first(retriever: Retriever) -> None:
    hits = retriever.search("were my api keys exposed", limit=3)
    assert hits[0].label == "apikey"
    assert hits[0].cosine == pytest.approx(1.0, abs=1e-3)
    assert [h.cosine for h in hits] == sorted((h.cosine for h in hits), reverse=True)


def test_the_limit_holds(retriever: Retriever) -> None:
    assert len(retriever.search("keys exposed password", limit=2)) == 2


def test_words_nobody_used_find_nothing_near(retriever: Retriever) -> None:
    assert all(h.cosine < 0.6 for h in retriever.search("zebra crossing", limit=3))


def test_indexing_again_changes_nothing_and_follows_edits(base: E5, tmp_path: Path) -> None:
    chroma = Chroma(encoder=base, folder=tmp_path / "chroma")
    assert chroma.index(RECORDS, silent).added == 3
    again = chroma.index(RECORDS, silent)
    assert (again.added, again.removed, again.kept) == (0, 0, 3)
    edited = chroma.index(RECORDS[:2], silent)
    assert (edited.added, edited.removed, chroma.count()) == (0, 1, 2)


def test_a_new_encoder_gets_its_own_collection(base: E5, tmp_path: Path) -> None:
    class Renamed(E5):
        name = "other"

    Chroma(encoder=base, folder=tmp_path).index(RECORDS, silent)
    other = Chroma(encoder=Renamed(base.folder), folder=tmp_path)
    assert other.index(RECORDS[:1], silent).added == 1
    assert other.count() == 1


def test_a_server_that_does_not_answer_is_named(base: E5, tmp_path: Path) -> None:
    chroma = Chroma(encoder=base, folder=tmp_path, url="http://127.0.0.1:9")
    with pytest.raises(MissingError, match="DESK_CHROMA_URL"):
        chroma.search("x", limit=1)


def test_without_a_model_word_search_takes_over(
    app: App, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def gone(*_: object) -> Path:
        raise MissingError("the embedding model could not be fetched")

    monkeypatch.setattr("bot.adapters.e5.fetch_weights", gone)
    said: list[str] = []
    bare = App(app.settings.model_copy(update={"home": tmp_path / "bare"}), said.append)
    assert isinstance(bare.responder.finder.retriever, BM25)
    assert any("word search" in line for line in said)


def test_one_question_is_decided_alike_with_and_without_chroma(app: App) -> None:
    alone = App(app.settings, once=True)
    for text in ("were keys exposed", "how many people were hit", "is mixpanel gone for good"):
        near = [(h.label, round(h.cosine, 2)) for h in app.responder.finder.near(text, 3)]
        assert [(h.label, round(h.cosine, 2)) for h in alone.responder.finder.near(text, 3)] == near
