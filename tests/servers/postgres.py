"""A private PostgreSQL for tests: its own data folder, a free port on loopback, no password."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sql

from tests.support.ports import free_port
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until

PROGRAMS = ("initdb", "postgres")
ACCOUNTS = ("postgres", "nobody")
# Nothing here needs to survive a power cut, and the tests should not wait for the disk.
OPTIONS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


def missing() -> str:
    """Why there can be no server on this machine; empty when there can."""
    for program in PROGRAMS:
        if _program(program) is None:
            return f"{program} of PostgreSQL is neither on PATH nor in /usr/lib/postgresql"
    if os.geteuid() == 0 and _account() is None:
        return "PostgreSQL does not run as root, and there is no other account to run it as"
    return ""


@contextmanager
def server(addresses: Sequence[str] = ()) -> Iterator[str]:
    """A running server; gives the URL of its first database.

    It listens on loopback, and on further addresses of this machine for hosts of a test.
    """
    account = _account() if os.geteuid() == 0 else None
    root = Path(tempfile.mkdtemp(prefix="desk-pg-"))
    if account:
        os.chown(root, account.pw_uid, account.pw_gid)
    port = free_port()
    folder = str(root / "data")
    _run(account, "initdb", "-D", folder, "-U", "desk", "-A", "trust", "-E", "UTF8", "--no-sync")
    with (root / "data" / "pg_hba.conf").open("a", encoding="utf-8") as rules:
        rules.writelines(f"host all all {address}/24 trust\n" for address in addresses)
    process = _server(account, folder, port, root, ("127.0.0.1", *addresses))
    try:
        url = f"postgresql+psycopg://desk@127.0.0.1:{port}/postgres"
        _wait(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=SAFETY_NET_SECONDS)
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def database(server_url: str, name: str, template: str = "template1") -> Iterator[str]:
    """A database on the server, empty or a copy of another; dropped afterwards."""
    engine = sql.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sql.NullPool)
    with engine.connect() as db:
        db.execute(sql.text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    try:
        yield server_url.rpartition("/")[0] + f"/{name}"
    finally:
        with engine.connect() as db:
            db.execute(sql.text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        engine.dispose()


def _server(
    account: pwd.struct_passwd | None, folder: str, port: int, root: Path, hosts: Sequence[str]
) -> subprocess.Popen[bytes]:
    command = [
        _found("postgres"),
        "-D",
        folder,
        "-p",
        str(port),
        "-h",
        ",".join(hosts),
        "-k",
        str(root),
    ]
    for option in OPTIONS:
        command += ["-c", option]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=root,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
    )


def _run(account: pwd.struct_passwd | None, program: str, *arguments: str) -> None:
    subprocess.run(
        [_found(program), *arguments],
        check=True,
        capture_output=True,
        cwd="/",
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
    )


def _account() -> pwd.struct_passwd | None:
    for name in ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _found(program: str) -> str:
    path = _program(program)
    assert path
    return path


def _program(name: str) -> str | None:
    packaged = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(packaged[-1]) if packaged else None)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    engine = sql.create_engine(url, poolclass=sql.NullPool)

    def answers() -> bool:
        try:
            engine.connect().close()
        except sql.exc.OperationalError:
            return False
        return True

    wait_until(lambda: answers() or process.poll() is not None)
    assert process.poll() is None, "PostgreSQL did not start"
