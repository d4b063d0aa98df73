"""A model writes how people may ask into files that the desk does not read before a person has."""

import json
import random
import string
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.adapters.chat_wordings import MAX_ASKED, MAX_QUESTION
from bot.app import App
from bot.cli import main
from bot.commands.propose import NONE_BARE, PROPOSED
from bot.corpus import load
from bot.corpus.questions import read_questions
from bot.settings import Settings
from tests.servers.model_server import Answer, model_server
from tests.support.small_post import CLOSED, PASSWORD, POST, write

KEY = "sk-" + "".join(random.Random(3).choices(string.ascii_letters + string.digits, k=48))
ASK = [
    "did they get my login?",
    "Did they get my login?",
    "is my\npassword: gone",
    f"use {KEY}",
    "",
]
MADE = {
    "ask": [*ASK, "x" * (MAX_QUESTION + 1)],
    "near": ["how do I reset it"],
    "gaps": ["who pays?"],
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "knowledge"
    write(folder, POST)
    (folder / "questions").mkdir()
    asked = f"- intent: closed\n  answers: [{CLOSED}]\n  ask: {{en: who pays?}}\n"
    (folder / "questions" / "own.yaml").write_text(asked, "utf-8")
    return tmp_path


def run(
    home: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer | None, *names: str, calls: int = 9
) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of `knowledge propose`, and what the vendor was sent."""
    with model_server(answer or (lambda _: MADE)) as server:
        settings = Settings(
            home=home / "home", knowledge=home / "knowledge", model_calls=calls,
            model="openai:scripted" if answer else "", openai_api_key=SecretStr("no key"),
            openai_base_url=server.url,
        )  # fmt: skip
        monkeypatch.setattr("bot.commands.terminal.open_app", lambda **_: App(settings))
        code = main(["knowledge", "propose", *names])
        return code, [json.loads(body) for body in server.bodies]


def test_what_a_model_writes_waits_in_a_file_of_its_own_for_a_person(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load(home / "knowledge")
    code, sent = run(home, monkeypatch, lambda _: MADE, PASSWORD)
    assert (code, len(sent)) == (0, 1)
    assert "3 wordings, 1 near questions, 0 gaps" in capsys.readouterr().out, "one is known"
    path = home / "knowledge" / PROPOSED / f"{PASSWORD}.yaml"
    assert path.read_text("utf-8").startswith("# A language model wrote this")
    assert KEY not in path.read_text("utf-8")
    after = load(home / "knowledge")
    assert (after.version, after.wordings) == (before.version, before.wordings), (
        "nobody has read it"
    )
    ways = read_questions(path.parent)
    assert [w.text for w in ways if w.kind == "intent"][:2] == [ASK[1], "is my password: gone"]
    assert {w.passages for w in ways} == {(PASSWORD,)}


def test_without_names_each_passage_without_wordings_is_written_for_until_the_budget_is_spent(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many = {"ask": [f"way {n}" for n in range(2 * MAX_ASKED)], "near": [], "gaps": []}
    code, sent = run(home, monkeypatch, lambda _: many, calls=2)
    assert (code, len(sent)) == (1, 2)
    said = capsys.readouterr()
    assert said.out.count(f"{MAX_ASKED} wordings") == 2, "what was written before stays"
    assert "its calls of this hour are spent; go on later" in said.err
    assert not (home / "knowledge" / PROPOSED / f"{CLOSED}.yaml").exists(), "it has wordings"


def test_what_cannot_be_done_is_said_in_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for answer, names, code, says in (
        (None, (PASSWORD,), 3, "set DESK_MODEL"),
        (lambda _: MADE, ("no-such",), 2, "no-such is no passage"),
        (lambda _: {"ask": "all"}, (PASSWORD,), 1, "nothing that can be used"),
        (lambda _: 401, (PASSWORD,), 1, "nothing that can be used"),
    ):
        assert run(home, monkeypatch, answer, *names)[0] == code
        said = capsys.readouterr().err
        assert says in said
        assert said.count("\n") == 1
    assert not (home / "knowledge" / PROPOSED).exists()


def test_where_every_passage_has_wordings_no_call_is_made(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [p.id for p in load(home / "knowledge").offered]
    asked = "".join(
        f"- intent: i{i}\n  answers: [{n}]\n  ask: {{en: why {i}}}\n" for i, n in enumerate(names)
    )
    (home / "knowledge" / "questions" / "own.yaml").write_text(asked, "utf-8")
    code, sent = run(home, monkeypatch, lambda _: MADE)
    assert (code, sent, NONE_BARE in capsys.readouterr().out) == (0, [], True)
