"""What the desk learns from a knowledge folder, with the real encoder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from bot.adapters.bm25 import BM25
from bot.adapters.cached_encoder import CachedEncoder
from bot.adapters.exact_retriever import count_vectors, read_vectors
from bot.answering.fit import LearnedFit, can_learn, learn_fit, read_fit, write_fit
from bot.answering.judges import FittedJudge, TransferredJudge
from bot.app import App
from bot.commands.doctor import say_what_was_learned
from bot.corpus import load
from bot.corpus.messages import read_messages
from bot.domain import Hit, Message, Outcome
from bot.errors import KnowledgeError, MissingError
from bot.settings import Settings
from tests.conftest import KNOWLEDGE, home_of
from tests.support.small_knowledge import copy_knowledge
from tests.support.word_encoder import WordEncoder


def decided(app: App, text: str) -> Outcome:
    (outcome,) = app.responder.respond(Message(text=text)).outcomes
    return outcome


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> App:
    """A desk that knows the shipped post by a few wordings of each meaning."""
    folder = tmp_path_factory.mktemp("small")
    home = home_of(folder / "home", index=False)
    app = App(Settings(home=home, knowledge=copy_knowledge(folder / "knowledge")))
    app.index()
    return app


def test_the_fit_is_kept_and_read_again(app: App, tmp_path: Path) -> None:
    assert app.fit is not None
    write_fit(tmp_path / "fit.npz", app.fit)
    again = read_fit(tmp_path / "fit.npz")
    assert again.labels == app.fit.labels
    assert again.calibration.threshold == app.fit.calibration.threshold
    vector = app.encoder.embed_query("Were my API keys exposed?")
    assert np.allclose(again.distribution(vector), app.fit.distribution(vector))
    assert 0.3 < again.calibration.threshold <= again.calibration.threshold_strict <= 1


@pytest.mark.parametrize("content", [b"nothing", b"", b"PK\x03\x04"])
def test_a_broken_file_of_the_index_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    encoder = CachedEncoder(WordEncoder(), tmp_path / "text-vectors.npz")
    for name in ("fit.npz", "vectors.npz", "text-vectors.npz"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MissingError, match="incident-desk index"):
        read_fit(tmp_path / "fit.npz")
    with pytest.raises(MissingError, match="incident-desk index"):
        read_vectors(tmp_path / "vectors.npz", encoder)
    assert count_vectors(tmp_path / "vectors.npz") is None
    assert encoder.vectors(["made anew"]).shape[0] == 1


@pytest.mark.no_cover
def test_a_broken_fit_is_learned_again_and_a_whole_one_kept(small: App) -> None:
    home, knowledge = small.settings.home, small.settings.knowledge
    whole = (home / "fit.npz").read_bytes()
    (home / "fit.npz").write_bytes(whole[: len(whole) // 2])
    said: list[str] = []
    mended = App(Settings(home=home, knowledge=knowledge), said.append)
    assert mended.fit is not None
    assert any("cannot be read" in line for line in said)
    assert any(line.startswith("learning") for line in said), "before it takes a minute"
    when = (home / "fit.npz").stat().st_mtime_ns
    App(Settings(home=home, knowledge=knowledge)).index()
    assert (home / "fit.npz").stat().st_mtime_ns == when


def test_a_start_reads_no_wordings(small: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_folder: Path) -> tuple[()]:
        raise AssertionError("the wordings were read")

    monkeypatch.setattr("bot.corpus.knowledge.read_questions", read)
    again = App(Settings(home=small.settings.home, knowledge=small.settings.knowledge), once=True)
    assert again.fit is not None
    assert again.responder.finder.near("Were API keys exposed?")


@pytest.mark.no_cover
def test_what_was_learned_from_wordings_that_are_gone_is_forgotten(tmp_path: Path) -> None:
    home = home_of(tmp_path / "own", index=False)
    folder = copy_knowledge(tmp_path / "knowledge", wordings=2)
    App(Settings(home=home, knowledge=folder)).index()
    assert (home / "fit.npz").exists()
    for path in (folder / "questions").glob("*.yaml"):
        path.unlink()
    for _ in range(2):  # at the start that finds it out, and at the next one
        app = App(Settings(home=home, knowledge=folder))
        assert isinstance(app.responder.judge, TransferredJudge)
    assert not (home / "fit.npz").exists()


def test_without_its_index_server_the_desk_goes_on_with_word_search(small: App) -> None:
    said: list[str] = []
    settings = small.settings.model_copy(update={"chroma_url": "http://127.0.0.1:9"})
    (settings.home / "index.version").unlink()
    assert isinstance(App(settings, said.append).responder.finder.retriever, BM25)
    assert any("no Chroma server answers" in line for line in said)
    small.index()


def test_another_language_needs_at_least_the_certainty_of_english(app: App) -> None:
    assert app.fit is not None
    judge = FittedJudge(fit=app.fit, vector=app.encoder.embed_query)
    assert judge.threshold_for("de") >= judge.threshold_for("en")


def test_a_question_is_the_same_as_one_that_the_team_answered_where_nothing_else_is_as_near(
    app: App,
) -> None:
    assert app.fit is not None
    judge = FittedJudge(fit=app.fit, vector=app.encoder.embed_query)
    text = "Which colour is the door of your office in Dublin?"
    team = Hit(label="team-7", text="What colour is your door?", cosine=0.7, answers=True)
    other = Hit(label="mixpanel", text="What is Mixpanel?", cosine=0.5, answers=True)
    found = judge.judge(text, (team, other))
    assert (found.passages[0], found.quoted_alone) == ("team-7", 1)
    assert found.probability >= max(judge.threshold_for("de"), judge.threshold_for("en"))
    for hits in ((other, team), (replace(team, cosine=0.55), other), (other,)):
        judged = judge.judge(text, hits)
        assert "team-7" not in judged.passages
        assert judged.probability < judge.threshold_for("en")


@pytest.fixture(scope="module")
def learned(small: App) -> LearnedFit:
    return learn_fit(small.knowledge, small.encoder.vectors)


def test_few_wordings_are_learned_by_what_they_teach_each_other(
    small: App, learned: LearnedFit
) -> None:
    assert can_learn(small.knowledge)
    assert len(learned.scored) == len(small.knowledge.wordings)
    assert "answers from a probability of" in learned.fit.summary
    assert {s.fold for s in learned.scored} == {0, 1, 2}


@pytest.mark.no_cover
def test_learning_twice_gives_the_same(small: App, learned: LearnedFit) -> None:
    one, other = learned.fit, learn_fit(small.knowledge, small.encoder.vectors).fit
    assert one.calibration.threshold == other.calibration.threshold
    assert all(
        np.array_equal(a, other.classifier.arrays()[n]) for n, a in one.classifier.arrays().items()
    )


@pytest.mark.no_cover
def test_an_edit_is_learned_at_the_next_start(small: App, tmp_path: Path) -> None:
    asked = "Blorf zindle quax my fremlin?"
    folder = copy_knowledge(tmp_path / "knowledge")
    for path in (folder / "questions").glob("*.yaml"):
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in entries:
            if entry.get("intent") == "apikey":
                entry["ask"]["en"] += f"\n{asked}"
        path.write_text(yaml.safe_dump(entries, allow_unicode=True), encoding="utf-8")
    edited = App(Settings(home=home_of(tmp_path / "own", index=False), knowledge=folder))
    assert edited.responder.finder.near(asked)[0].label == "apikey"
    assert small.responder.finder.near(asked)[0].text != asked
    (gold,) = {w.passages for w in edited.knowledge.wordings if w.label == "apikey"}
    assert edited.fit is not None
    judge = FittedJudge(fit=edited.fit, vector=edited.encoder.embed_query)
    assert judge.judge(asked, edited.responder.finder.near(asked)).passages[0] in gold


def test_a_folder_without_questions_is_served_by_what_other_incidents_taught(
    tmp_path: Path,
) -> None:
    folder = copy_knowledge(tmp_path / "knowledge", intents=0)
    said: list[str] = []
    app = App(Settings(home=home_of(tmp_path / "own", index=False), knowledge=folder), said.append)
    assert not can_learn(app.knowledge)
    outcome = decided(app, "Were API keys or passwords exposed?")
    assert isinstance(app.responder.judge, TransferredJudge)
    named = [passage.id for passage in outcome.candidates]
    assert {
        "faq-openai-passwords-api-keys-payment",
        "introduction-breach-openai-systems-chat-api",
    } & set(named)
    assert any("too few wordings" in line for line in said)


def test_wordings_that_would_hand_everything_over_leave_the_desk_as_it_was(tmp_path: Path) -> None:
    folder = copy_knowledge(tmp_path / "knowledge", wordings=3, intents=1)
    for path in (folder / "questions").glob("*.yaml"):
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in entries:
            for block in ("ask", "near", "say"):
                if "en" in entry.get(block, {}):
                    entry[block] = {"en": entry[block]["en"]}
        path.write_text(yaml.safe_dump(entries, allow_unicode=True), encoding="utf-8")
    app = App(Settings(home=home_of(tmp_path / "own", index=False), knowledge=folder))
    assert app.fit is not None
    assert not app.fit.calibration.can_answer
    assert isinstance(app.responder.judge, TransferredJudge)
    assert say_what_was_learned(app.fit).startswith("too little learned")


def test_a_message_whose_passage_is_gone_teaches_nothing(tmp_path: Path) -> None:
    folder = copy_knowledge(tmp_path / "knowledge", messages=40)
    before = load(folder)
    gone = next(m.gold[0][0] for m in before.messages if m.gold)
    for path in (folder / "messages").glob("*.yaml"):
        path.write_text(path.read_text().replace(f'"{gone}"', '"no-such-passage"'), "utf-8")
    after = load(folder)
    assert 0 < len(after.messages) < len(before.messages)
    assert all(p in after.passages for m in after.messages for group in m.gold for p in group)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("- {id: a, author: b, kind: answerable, text: x}", "needs gold"),
        ("- {id: a, author: b, kind: refuse, text: x, gold: [[p]]}", "has no gold"),
        ("- {id: a, author: b, kind: nothing, text: x}", "kind"),
        ("- [", "not valid YAML"),
    ],
)
def test_a_wrong_message_is_named(tmp_path: Path, row: str, says: str) -> None:
    folder = copy_knowledge(tmp_path / "knowledge")
    (folder / "messages" / "wrong.yaml").write_text(row, encoding="utf-8")
    with pytest.raises(KnowledgeError, match=says) as raised:
        _ = load(folder).messages
    assert "wrong.yaml" in str(raised.value)


def test_every_shipped_message_names_passages_of_the_post(app: App) -> None:
    knowledge = app.knowledge
    for part, kept in (("messages", knowledge.messages), ("exercises", knowledge.exercises)):
        assert len(read_messages(KNOWLEDGE / part)) == len(kept) > 1000
