"""Twenty things that a desk stands on and that go while it runs; half of them kept apart.

Each is named by a check that `/readyz` shows, in one line with a remedy.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from bot.app import App
from bot.corpus import Knowledge
from bot.serve.health_checks import HealthChecks, build_running_checks
from bot.settings import Settings
from tests.conftest import KNOWLEDGE, home_of
from tests.support.halves import APART, SEEN, halves

INDEX = ("index", "run `incident-desk index`")
MODEL = ("model files", "delete the folder")
DATABASE = ("database", "the desk")
Fault: TypeAlias = "tuple[Callable[[Path], object], tuple[str, str]]"


def at(name: str, spoil: Callable[[Path], object]) -> Callable[[Path], object]:
    """Spoil the file or folder in the home with a name like this, and no other link to it."""

    def run(home: Path) -> None:
        for path in list(home.glob(name)):  # an upgrade may have left an earlier model
            if path.is_file() and path.stat().st_nlink > 1:
                put_back_copy(path)
            spoil(path)

    return run


def cut(size: float) -> Callable[[Path], object]:
    """Keep this share of a file."""
    return lambda path: os.truncate(path, int(path.stat().st_size * size))


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def overwrite(path: Path) -> None:
    path.write_bytes(b"no longer what it was\n" * 500)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def put_back_copy(path: Path) -> None:
    """What somebody does who restores a backup under a running desk."""
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def run_sql(statement: str) -> Callable[[Path], object]:
    def run(path: Path) -> None:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(statement)

    return run


def forget_vectors(path: Path) -> None:
    with np.load(path, allow_pickle=False) as held:
        kept = {name: held[name][:-3] if held[name].ndim else held[name] for name in held.files}
    np.savez(path, **kept)


MODELS, CHROMA, DESK = "models/e5-small-*[0-9a-f]", "chroma/chroma.sqlite3", "desk.sqlite3"
FAULTS: list[Fault] = [
    (at(CHROMA, cut(0)), INDEX),
    (at(CHROMA, make_folder), INDEX),
    (at(CHROMA, overwrite), INDEX),
    (at(CHROMA, run_sql("DELETE FROM collections")), INDEX),
    (at("vectors.npz", Path.unlink), INDEX),
    (at("vectors.npz", cut(0.5)), INDEX),
    (at("vectors.npz", cut(0)), INDEX),
    (at("vectors.npz", forget_vectors), INDEX),
    (at(MODELS, shutil.rmtree), MODEL),
    (at(f"{MODELS}/model.onnx", cut(0.5)), MODEL),
    (at(f"{MODELS}/model.weights", flip), MODEL),
    (at(f"{MODELS}/replacements.json", flip), MODEL),
    (at(MODELS, lambda folder: (folder / "further.bin").write_bytes(b"x")), MODEL),
    (at(DESK, cut(0)), DATABASE),
    (at(DESK, cut(0.5)), DATABASE),
    (at(DESK, make_folder), DATABASE),
    (at(DESK, put_back_copy), DATABASE),
    (at(DESK, overwrite), DATABASE),
    (at(DESK, run_sql("DROP TABLE message")), DATABASE),
    (lambda home: home.rename(home.with_name("away")), ("disk", "put it back")),
]  # fmt: skip
KIND = halves(enumerate(FAULTS))


def own_copy(home: Path) -> None:
    """Give a home files of its own that may be spoiled; large ones are copied when they are."""
    for name in ("chroma", "vectors.npz", "models"):
        made = (home / name).resolve()
        (home / name).unlink()
        if made.is_dir():
            link = os.link if name == "models" else shutil.copy
            shutil.copytree(made, home / name, copy_function=link)
        else:
            shutil.copy(made, home / name)


def told(checks: HealthChecks) -> str:
    return " ".join(checks.list_faults(vital=True) + checks.list_faults(vital=False))


@pytest.mark.parametrize("half", [SEEN, APART])
def test_what_a_desk_stands_on_is_seen_to_go(
    tmp_path: Path, knowledge: Knowledge, half: str
) -> None:
    wrong = []
    for number, (spoil, words) in KIND[half]:
        home = home_of(tmp_path / str(number) / "home")
        own_copy(home)
        settings = Settings(home=home, knowledge=KNOWLEDGE)
        app = App(settings, knowledge=knowledge)
        # What was not made yet is not looked at; the files of a model take long to be read.
        assert app.encoder if words is MODEL else app.chroma.count()
        with app.journal.engine.connect() as db:
            db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        before = told(HealthChecks(build_running_checks(app)))
        spoil(home)
        after = told(HealthChecks(build_running_checks(app)))
        if before or not all(word in after for word in words):
            wrong.append((number, before, after))
        app.journal.close()
    assert wrong == []
