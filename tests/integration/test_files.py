"""What the desk writes is closed to other accounts of the machine, whatever the umask."""

import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.app import App
from bot.channels.mail.local import Folder, LocalMailbox, MaildirOut
from bot.cli import main
from bot.commands.doctor import run_checks
from bot.errors import MissingError
from bot.files import (
    close_file,
    close_folder,
    close_home,
    make_private_folder,
    open_to_others,
    private_opener,
    read_installation_key,
)
from bot.journal.engine import connect, connect_rebuildable
from bot.ports import MailFolder
from bot.settings import Settings
from tests.conftest import KNOWLEDGE, home_of
from tests.support.waiting import SAFETY_NET_SECONDS

UMASKS = (0o000, 0o002, 0o022, 0o077)
MAIL = b"From: kim@site.example\r\nMessage-ID: <a@site.example>\r\n\r\nMy key\r\n"


@pytest.fixture(params=UMASKS, ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The umask that the desk is started with; set back after the test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """The mode of everything under `folder`, itself included."""
    found = [folder, *folder.rglob("*")]
    return {str(path): stat.S_IMODE(path.stat().st_mode) for path in found}


def is_private(folder: Path) -> bool:
    return all(mode in (0o700, 0o600) for mode in modes(folder).values())


def test_a_raw_mail_and_a_reply_are_closed(tmp_path: Path, umask: int) -> None:
    mailbox = LocalMailbox(tmp_path / "own" / "mail")
    mailbox.new.add(MAIL, "one")
    mailbox.settle("one", MailFolder.PROCESSED)
    MaildirOut(Folder(tmp_path / "own" / "mail" / "sent")).send(MAIL, recipient="kim@site.example")
    found = modes(tmp_path / "own")
    assert sum(path.endswith(":2,S") or "reply." in path for path in found) == 2
    assert is_private(tmp_path / "own"), (oct(umask), found)


def test_the_database_and_what_lies_beside_it_are_closed(tmp_path: Path, umask: int) -> None:
    home = make_private_folder(tmp_path / "own")
    for make in (connect, connect_rebuildable):
        engine = make(f"sqlite:///{home}/desk.sqlite3")
        with engine.begin() as db:
            db.exec_driver_sql("CREATE TABLE IF NOT EXISTS a (b)")
            db.exec_driver_sql("INSERT INTO a VALUES (1)")
            assert {path.name for path in home.iterdir()} == {
                "desk.sqlite3",
                "desk.sqlite3-wal",
                "desk.sqlite3-shm",
            }
            assert is_private(home), (oct(umask), modes(home))
        engine.dispose()


def test_the_key_of_an_installation_is_made_once_and_closed(tmp_path: Path, umask: int) -> None:
    home = tmp_path / "own"
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(read_installation_key, [home] * 32))
    (key,) = keys
    assert len(key) == 32
    assert is_private(home), (oct(umask), modes(home))
    assert [path.name for path in home.iterdir()] == ["installation.key"]
    assert read_installation_key(home) == key
    for damaged in ("", "ab", "no key", key.hex()[:-2]):
        (home / "installation.key").write_text(damaged)
        with pytest.raises(MissingError, match="is damaged"):
            read_installation_key(home)


def test_a_database_that_was_open_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "desk.sqlite3"
    file.touch()
    file.chmod(0o644)
    connect(f"sqlite:///{file}").dispose()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_mailbox_that_was_open_is_closed(tmp_path: Path) -> None:
    old = tmp_path / "mail" / "Processed" / "cur"
    old.mkdir(parents=True)
    (tmp_path / "mail").chmod(0o755)
    old.chmod(0o755)
    (old / "one").write_bytes(MAIL)
    (old / "one").chmod(0o644)
    LocalMailbox(tmp_path / "mail")
    assert stat.S_IMODE(old.stat().st_mode) == 0o700
    assert old / "one" not in set(open_to_others(tmp_path / "mail"))


@pytest.mark.parametrize("given", [0o000, 0o022], ids=oct)
def test_all_that_a_command_writes_is_closed(
    tmp_path: Path, given: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"import os, sys; os.umask({given}); from bot.cli import main; sys.exit(main())"
    home = tmp_path / "own"
    monkeypatch.setenv("DESK_HOME", str(home))
    done = subprocess.run(
        [sys.executable, "-c", told, "queue"], check=False, capture_output=True, text=True,
        timeout=SAFETY_NET_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (home / "desk.sqlite3").exists()
    assert is_private(home), modes(home)


def test_a_command_closes_what_libraries_write(tmp_path: Path, umask: int) -> None:
    nothing = tmp_path / "none.eml"
    assert main(["mail", "check", str(nothing)]) != 0
    (tmp_path / "of a library").touch()
    assert stat.S_IMODE((tmp_path / "of a library").stat().st_mode) == 0o600, oct(umask)


def test_a_folder_that_is_shared_on_purpose_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    assert make_private_folder(shared / "home" / "mail") == shared / "home" / "mail"
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    assert is_private(shared / "home")
    assert stat.S_IMODE(close_folder(shared).stat().st_mode) == 0o700


def test_a_home_that_was_open_is_closed_unless_it_holds_what_is_not_the_desk_s(
    tmp_path: Path,
) -> None:
    for name, mode in (("desk.sqlite3-wal", 0o700), ("somebody.txt", 0o755)):
        home = tmp_path / name.partition(".")[0]
        home.mkdir()
        home.chmod(0o755)
        (home / name).touch()
        close_home(home)
        assert stat.S_IMODE(home.stat().st_mode) == mode


def test_the_doctor_says_what_is_open_and_how_to_close_it(tmp_path: Path) -> None:
    home = home_of(tmp_path / "o'home")
    home.chmod(0o755)
    (home / "somebody.txt").touch()
    app = App(Settings(home=home, knowledge=KNOWLEDGE))
    (found,) = [finding for finding in run_checks(app) if finding.name == "files"]
    assert not found.good
    assert f"chmod -R go-rwx {shlex.quote(str(home))}" in found.says
    home.chmod(0o700)
    (found,) = [finding for finding in run_checks(app) if finding.name == "files"]
    assert found.good


def test_a_file_is_created_closed_and_keeps_its_bytes(tmp_path: Path, umask: int) -> None:
    file = tmp_path / "file"
    with open(file, "w", encoding="utf-8", opener=private_opener) as out:
        out.write("one")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, oct(umask)
    file.chmod(0o644)
    close_file(file)
    assert (stat.S_IMODE(file.stat().st_mode), file.read_text("utf-8")) == (0o600, "one")


def test_what_is_open_is_told_and_a_closed_folder_is_not_entered(tmp_path: Path) -> None:
    home = tmp_path / "own"
    for path in (home / "open", home / "closed"):
        path.mkdir(parents=True)
        (path / "mail").touch()
        (path / "mail").chmod(0o644)
    (home / "closed").chmod(0o700)
    (home / "link").symlink_to(home / "open" / "mail")
    for path in (home, home / "open"):
        path.chmod(0o755)
    assert list(open_to_others(home)) == [home, home / "open", home / "open" / "mail"]
    home.chmod(0o700)
    assert list(open_to_others(home)) == []
