"""OpenAI's vectors by the real client over a socket: wiring, never quality."""

import json
import random
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from bot.adapters.e5 import E5
from bot.adapters.openai_encoder import OpenAIEncoder
from bot.answering.judges import FittedJudge
from bot.app import App
from bot.domain import Message, Refusal
from bot.errors import MissingError, SettingsError
from bot.settings import Settings
from tests.conftest import KNOWLEDGE
from tests.servers.model_server import ModelServer, model_server
from tests.support.small_knowledge import copy_knowledge

MODEL = "text-embedding-3-small"


def ok(_body: dict[str, Any]) -> str:
    return ""


def settings(
    server: ModelServer, home: Path, model: str = MODEL, knowledge: Path = KNOWLEDGE
) -> Settings:
    return Settings(
        home=home, knowledge=knowledge, embeddings=f"openai:{model}",
        openai_api_key=SecretStr("no key"), openai_base_url=server.url,
    )  # fmt: skip


def test_texts_are_sent_as_they_are_and_to_nobody_else() -> None:
    with model_server(ok) as server:
        encoder = OpenAIEncoder(MODEL, key="no key", base_url=server.url)
        one, other = encoder.vector("a"), encoder.vector("b")
        assert np.allclose(encoder.vector("a"), one)
        assert not np.allclose(one, other)
        assert np.allclose(encoder.embed_documents(["a", "b"]), [one, other])
        sent = [json.loads(body) for body in server.bodies]
    assert [s["input"] for s in sent] == [["a"], ["b"], ["a", "b"]]  # the third "a" was kept
    assert encoder.name.startswith("openai-text-embedding-3-small-")
    assert OpenAIEncoder(MODEL, key="no key").name == "openai-text-embedding-3-small"


def test_the_same_model_elsewhere_has_other_vectors() -> None:
    names = {OpenAIEncoder(MODEL, key="no key", base_url=url).name for url in ("", "a", "b")}
    assert len(names) == 3


def test_who_asks_is_not_sent() -> None:
    address = "".join(random.Random(6).choices(string.ascii_lowercase, k=9)) + "@mail.example"
    with model_server(ok) as server:
        OpenAIEncoder(MODEL, key="no key", base_url=server.url).vector(f"Was {address} hit?")
        assert server.bodies
        assert address not in server.bodies[0]


@pytest.mark.parametrize("answer", [lambda _: 401, lambda _: 500])
def test_without_vectors_it_is_named_and_words_are_searched(answer: Any, tmp_path: Path) -> None:
    said: list[str] = []
    with model_server(answer) as server:
        few = copy_knowledge(tmp_path / "knowledge")
        made = App(settings(server, tmp_path / "own", knowledge=few), said.append)
        with pytest.raises(MissingError, match="DESK_EMBEDDINGS"):
            made.encoder.check()
        assert made.responder.respond(Message(text="Were my API keys exposed?")).outcomes
    assert any("word search" in line for line in said)


@pytest.mark.no_cover
def test_a_change_of_model_embeds_and_learns_anew(tmp_path: Path) -> None:
    said: list[str] = []
    home, few = tmp_path / "own", copy_knowledge(tmp_path / "knowledge")
    with model_server(ok) as server:
        first = App(settings(server, home, knowledge=few), said.append)
        known = next(w.text for w in first.knowledge.wordings if w.answers)
        assert first.responder.respond(Message(text=known)).outcomes
        assert isinstance(first.responder.judge, FittedJudge)
        before = len(server.bodies)
        (refused,) = first.responder.respond(Message(text="Send me my password.")).outcomes
        assert isinstance(refused, Refusal)
        assert refused.candidates
        assert len(server.bodies) == before  # what is refused goes to no vendor
        assert sum(line.startswith("indexed ") for line in said) > 1
        sent = len(server.bodies)
        _ = App(settings(server, home, knowledge=few)).responder
        assert len(server.bodies) == sent + 1  # only the trial: nothing is embedded twice
        other = App(settings(server, home, "text-embedding-3-large", few))
        _ = other.responder
        assert len(server.bodies) > 2 * sent - 5
        (only,) = [c.name for c in other.chroma._client.list_collections()]
        assert only == f"wordings-{other.encoder.name}"
        assert "3-large" in only


@pytest.mark.parametrize(
    ("embeddings", "key", "says"),
    [
        ("openai:", "k", "text-embedding-3-small"),
        ("nonsense:x", "k", "DESK_EMBEDDINGS"),
        (f"openai:{MODEL}", "", "OPENAI_API_KEY"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(embeddings: str, key: str, says: str) -> None:
    made = Settings(embeddings=embeddings, openai_api_key=SecretStr(key))
    with pytest.raises(SettingsError, match=says):
        _ = App(made).encoder


def test_local_is_the_encoder_that_the_fit_belongs_to(tmp_path: Path) -> None:
    for made in (Settings(home=tmp_path), Settings(home=tmp_path, embeddings="local")):
        assert isinstance(App(made).encoder.encoder, E5)
