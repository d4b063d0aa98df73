"""The built package works by itself: in a fresh environment, in an empty folder, without the checkout."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT, home_of
from tests.support.ports import free_port
from tests.support.waiting import SAFETY_NET_SECONDS

STAYS = ("README.md", "pictures", "deploy")  # under bot/, for readers and operators


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of what is in the tree; the network is not needed."""
    source = tmp_path_factory.mktemp("source")
    for name in ("bot", "knowledge"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    out = tmp_path_factory.mktemp("wheel")
    call(
        [sys.executable, "-m", "pip", "wheel", ".", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--wheel-dir", str(out)],
        cwd=source, environment={},
    )  # fmt: skip
    return next(out.glob("incident_desk-*.whl"))


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a fresh environment, and return its `incident-desk`.

    The dependencies come from the environment of the tests, through a .pth file, which does not
    lead to the checkout.
    """
    folder = tmp_path_factory.mktemp("installed") / "venv"
    call([sys.executable, "-m", "venv", "--without-pip", str(folder)], cwd=ROOT, environment={})
    call(
        [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install",
         "--quiet", "--no-deps", "--no-index", str(wheel)],
        cwd=ROOT, environment={},
    )  # fmt: skip
    packages = next((folder / "lib").glob("python*/site-packages"))
    (packages / "tests.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n", encoding="utf-8")
    return folder / "bin" / "incident-desk"


def call(command: Sequence[str], *, cwd: Path, environment: dict[str, str]) -> str:
    """Run a command outside of the checkout's influence; its output, which must be a success."""
    mine = os.environ.items()  # noqa: TID251 - handed on to the child
    kept = {name: value for name, value in mine if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False,
        timeout=10 * SAFETY_NET_SECONDS, env=kept | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_list_of_packages_is_the_tree() -> None:
    """A package that is missing in pyproject.toml would be missing in the wheel."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = set(told["tool"]["setuptools"]["packages"])
    found = {path.parent.relative_to(ROOT) for path in (ROOT / "bot").rglob("__init__.py")}
    assert packages == {".".join(each.parts) for each in found} | {"bot._knowledge"}


def test_every_file_of_the_desk_and_of_its_knowledge_is_in_the_wheel(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    for folder, name in ((ROOT / "bot", "bot"), (ROOT / "knowledge", "bot/_knowledge")):
        wanted = [
            f"{name}/{path.relative_to(folder)}"
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
            and not (name == "bot" and set(STAYS) & set(path.relative_to(folder).parts))
            and path.suffix != ".mako"  # for whoever writes a migration
        ]  # fmt: skip
        assert [each for each in wanted if each not in packed] == []


def test_an_installed_desk_works_in_an_empty_folder(command: Path, tmp_path: Path) -> None:
    """Its home shares the model of the tests, which a first start would fetch."""
    environment = {
        "DESK_HOME": str(home_of(tmp_path / "home")), "DESK_SMTP_PORT": str(free_port()),
        "DESK_HTTP_PORT": "0", "DESK_KNOWLEDGE": "",
    }  # fmt: skip
    empty = tmp_path / "empty"
    empty.mkdir()

    def desk(*arguments: str) -> str:
        return call([str(command), *arguments], cwd=empty, environment=environment)

    assert "incident-desk " in desk("--version")
    assert "sample mails handled" in desk("demo", "--once")
    assert "API keys" in desk("ask", "Were my API keys exposed?")
    checked = desk("doctor")
    assert "FAIL" not in checked
    assert "sqlite" in checked
    assert list(empty.iterdir()) == []
