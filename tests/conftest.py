"""A clean environment and a home that shares the model and the index, never the data."""

import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from bot.app import App
from bot.corpus import Knowledge, load
from bot.settings import Settings

if TYPE_CHECKING:
    from tests.servers.slack_side import SlackSide
    from tests.support.slack_desk import Fork, Process

# How long an example takes says something about the machine, nothing about the code.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

ROOT = Path(__file__).parents[1]
KNOWLEDGE = ROOT / "knowledge"
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the developer's machine reaches a test, nor does its .env."""
    for name in list(os.environ):  # noqa: TID251 - emptied, not read
        if name.startswith(("DESK_", "OPENAI_", "LANGSMITH_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DESK_KNOWLEDGE", str(KNOWLEDGE))
    monkeypatch.setenv("DESK_HTTP_PORT", "0")
    monkeypatch.setenv("DESK_HOME", str(home_of(tmp_path / "home")))


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    """A command closes its files to others for as long as it runs; the next test begins anew."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def _own_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test sets up for its logs ends with it."""
    root, ours = logging.getLogger(), logging.getLogger("bot")
    before, levels = root.handlers[:], (root.level, ours.level)
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    yield
    root.handlers[:] = before
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load(KNOWLEDGE)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=home_of(tmp_path / "home"), knowledge=KNOWLEDGE)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    """The whole desk on the real model and index; tests of it leave no trace."""
    home = home_of(tmp_path_factory.mktemp("shared") / "home")
    return App(Settings(home=home, knowledge=KNOWLEDGE))


def home_of(path: Path, *, index: bool = True) -> Path:
    """`make test` has made model and index in var/; link them instead of making them again."""
    path.mkdir(parents=True, exist_ok=True)
    kept = ("chroma", "index.version", "vectors.npz", "fit.npz") if index else ()
    for name in ("models", "text-vectors.npz", *kept):
        made = ROOT / "var" / name
        if made.exists() and not (path / name).exists():
            (path / name).symlink_to(made)
    return path


@pytest.fixture
def side() -> Iterator["SlackSide"]:
    """Slack's side; it must have had nothing to object to."""
    from tests.servers.slack_side import SlackSide

    made = SlackSide()
    yield made
    made.close()
    assert made.problems == []


@pytest.fixture(scope="session")
def forks() -> Iterator["Fork"]:
    """Starts whole desks in processes of their own."""
    from tests.support.slack_desk import forking

    with forking() as fork:
        yield fork


@pytest.fixture(params=["http", "socket"])
def process(
    request: pytest.FixtureRequest, forks: "Fork", side: "SlackSide", tmp_path: Path
) -> Iterator["Process"]:
    """One that runs, reached either way."""
    from tests.support.slack_desk import Process

    made = Process(forks, side, tmp_path, request.param)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A private PostgreSQL; skips where there is none."""
    from tests.servers.postgres import missing, server

    if why := missing():
        pytest.skip(why)
    with server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/journal.sqlite3"
        return
    from tests.servers.postgres import database

    server_url = request.getfixturevalue("postgres")
    with database(server_url, f"t_{secrets.token_hex(6)}") as url:
        yield url


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """What a test prepares is traced only where the test itself is: pytest-cov spares the call alone."""
    tracing = item.config.pluginmanager.getplugin("_cov")
    paused = tracing and tracing.cov_controller and item.get_closest_marker("no_cover")
    if paused:
        tracing.cov_controller.pause()
    try:
        return (yield)
    finally:
        if paused:
            tracing.cov_controller.resume()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mails", type=int, default=500, help="mails of the flood")
    parser.addoption("--kill-runs", type=int, default=1, help="runs of each point of the kill test")

    parser.addoption("--attacks", type=int, default=2, help="demands of each dress")
    parser.addoption("--fuzz", type=int, default=10, help="random inputs at each entry")
    parser.addoption("--soak", type=int, default=6, help="compressed minutes of the soak")
    parser.addoption("--fault-runs", type=int, default=1, help="kinds of error at each call")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fault_run" in metafunc.fixturenames:
        metafunc.parametrize("fault_run", range(metafunc.config.getoption("--fault-runs")))
    if "kill_run" in metafunc.fixturenames:
        metafunc.parametrize("kill_run", range(metafunc.config.getoption("--kill-runs")))
