"""A private Dovecot and Postfix under a folder of their own, on free ports, stopped by pid."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.ports import free_port
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until

DESK, USER = "incident@example.test", "user@customer.test"
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where they listen, and the password of both mailboxes."""

    imap: int
    smtp: int
    password: str
    folder: Path


def missing() -> str:
    """Why the real servers cannot run here; empty when they can."""
    if os.geteuid() != 0:
        return "Dovecot and Postfix need root to start"
    for name in ("dovecot", "postfix"):
        if not shutil.which(name, path="/usr/sbin:/usr/bin:/sbin"):
            return f"{name} is not installed (Debian: dovecot-imapd, dovecot-lmtpd, postfix)"
    told = subprocess.run(["/usr/sbin/dovecot", "--version"], capture_output=True, check=False)
    if not told.stdout.startswith(b"2.3"):
        return f"dovecot.conf here is for Dovecot 2.3, not {told.stdout.decode().strip()}"
    return ""


@contextmanager
def servers(password: str, *, move: bool = True) -> Iterator[Servers]:
    """Both, ready to take and give mail; `move` False hides the MOVE capability."""
    # Not in pytest's folder: the servers' own users may not enter that.
    with TemporaryDirectory(prefix="mail-") as root, _running(Path(root), password, move) as found:
        yield found


@contextmanager
def _running(root: Path, password: str, move: bool) -> Iterator[Servers]:  # noqa: FBT001
    imap, lmtp, smtp = free_port(), free_port(), free_port()
    _lay(root, {"root": root, "imap": imap, "lmtp": lmtp, "smtp": smtp}, password, move)
    with (root / "out").open("wb") as out:
        dovecot = subprocess.Popen(
            ["/usr/sbin/dovecot", "-F", "-c", str(root / "dovecot/dovecot.conf")],
            stdout=out, stderr=out, start_new_session=True, umask=0o022,
        )  # fmt: skip
        postfix = subprocess.Popen(
            ["/usr/sbin/postfix", "-c", str(root / "pf/etc"), "start-fg"],
            stdout=out, stderr=out, start_new_session=True, umask=0o022,
        )  # fmt: skip
    try:
        for port, greeting in ((imap, b"* OK"), (lmtp, b"220"), (smtp, b"220")):
            _await(port, greeting)
        yield Servers(imap=imap, smtp=smtp, password=password, folder=root)
    finally:
        subprocess.run(
            ["/usr/sbin/postfix", "-c", str(root / "pf/etc"), "stop"],
            capture_output=True,
            check=False,
        )
        for process in (postfix, dovecot):
            _stop(process)


def _lay(root: Path, ports: dict[str, object], password: str, move: bool) -> None:  # noqa: FBT001
    """Folders, users and settings of both servers."""
    subprocess.run(
        ["useradd", "-r", "-M", "-s", "/usr/sbin/nologin", "vmail"],
        capture_output=True,
        check=False,
    )
    root.chmod(0o755)
    for name in (
        "dovecot/run",
        "dovecot/state",
        "mail",
        "pf/etc/postfix-files.d",
        "pf/queue",
        "pf/data",
    ):
        (root / name).mkdir(parents=True)
    shutil.chown(root / "mail", "vmail", "vmail")
    shutil.chown(root / "pf/data", "postfix")
    capability = "" if move else "imap_capability = IMAP4rev1 IDLE UIDPLUS\n"
    told = {**ports, "capability": capability}
    _write(root / "dovecot/dovecot.conf", "dovecot.conf", told)
    _write(root / "pf/etc/main.cf", "postfix-main.cf", told)
    _write(root / "pf/etc/master.cf", "postfix-master.cf", told)
    (root / "dovecot/users").write_text(f"{DESK}:{{PLAIN}}{password}\n{USER}:{{PLAIN}}{password}\n")
    for file in Path("/etc/postfix").glob("dynamicmaps.cf*"):
        if file.is_file():
            shutil.copy(file, root / "pf/etc")
    if Path("/etc/postfix/postfix-files").exists():
        shutil.copy("/etc/postfix/postfix-files", root / "pf/etc")


def _write(path: Path, template: str, told: dict[str, object]) -> None:
    text = (HERE / template).read_text(encoding="utf-8")
    for name, value in told.items():
        text = text.replace(f"@{name}@", str(value))
    path.write_text(text, encoding="utf-8")


def _await(port: int, greeting: bytes) -> None:
    def greets() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as line:
            line.settimeout(2)
            return line.recv(100).startswith(greeting)
        return False

    wait_until(greets, lambda: f"port {port} is not ready")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(SAFETY_NET_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(SAFETY_NET_SECONDS)
