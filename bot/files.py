"""Creates files and folders that only the account of the desk can read.

The desk keeps mails as they came, with whatever somebody pasted into them. So nothing that it
writes is open to other accounts of the machine, whatever the umask it was started with.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.errors import MissingError

FOLDER_MODE, FILE_MODE = 0o700, 0o600
# How the names of everything that the desk puts into its home begin.
HOME_NAMES = (
    "candidates.jsonl", "chroma", "desk.sqlite3", "fit.", "incident", "index.", "installation.key",
    "mail", "models", "team-answers.", "text-vectors.", "vectors.",
)  # fmt: skip
# How the names of what is made of published text and the model begin: no secret lies there.
PUBLIC_NAMES = ("chroma", "fit.", "index.", "models", "text-vectors.", "vectors.")
KEY_FILE, KEY_BYTES = "installation.key", 32
NEW_KEY = (
    "run `incident-desk doctor --new-key`: the counts of answers begin anew, and reports on "
    "earlier mails go to a person"
)
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_files_private() -> None:
    """Set the umask, also for child processes, so that only this account can read new files."""
    os.umask(OTHERS)


def make_private_folder(path: Path) -> Path:
    """Make `path`, and each folder above it that is missing, for this account alone.

    An existing folder keeps its mode: it may be shared on purpose, and `doctor` reports it.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    return path


def find_obstacle(path: Path) -> Path | None:
    """Return the file in place of `path` or of a folder above it; None where it can be a folder."""
    with suppress(OSError):  # a path that cannot be inspected raises its error at the first use
        for part in (path, *path.parents):
            if part.is_dir():
                return None
            if part.exists() or part.is_symlink():
                return part
    return None


def close_home(path: Path) -> None:
    """Create the home of the desk as a private folder, or make an existing one private.

    A folder that holds other files too, as /srv may, keeps its mode; `doctor` says what to do.
    """
    make_private_folder(path)
    if all(entry.name.startswith(HOME_NAMES) for entry in path.iterdir()):
        close_folder(path)


def close_folder(path: Path) -> Path:
    """Create the desk's own folder `path`, or make an existing one private, and return it."""
    make_private_folder(path)
    if _is_open(path) and path.stat().st_uid == os.geteuid():
        path.chmod(FOLDER_MODE)
    return path


def close_file(path: Path) -> None:
    """Create the file `path` if it is missing; make an existing one private if we own it.

    An existing file is not opened, because closing its descriptor would release every lock that
    this process holds on it (fcntl(2)), and SQLite uses such locks.
    """
    if not path.exists():
        with suppress(FileExistsError):  # another process was faster
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE))
    if _is_open(path) and path.stat().st_uid == os.geteuid():
        path.chmod(FILE_MODE)


def replace_file(path: Path, text: str) -> None:
    """Write a text file atomically; OSError when its folder cannot be written.

    The folder is made where it is missing, and a power cut leaves the old text or the new one.
    """
    path.parent.mkdir(exist_ok=True)
    _write_part(path, text).replace(path)


def create_file(path: Path, text: str) -> None:
    """Write a new text file atomically; an existing file is left as it is."""
    part = _write_part(path, text)
    with suppress(FileExistsError):  # another process was faster: its file counts
        os.link(part, path)
    part.unlink()


def _write_part(path: Path, text: str) -> Path:
    """Write a text to a private file beside `path`, flush it to the disk and return its path."""
    part = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    with open(part, "w", encoding="utf-8", opener=private_opener) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return part


def read_installation_key(home: Path) -> bytes:
    """Return the key of this installation, which is made on the first call.

    MissingError where the file does not hold one.
    """
    path = home / KEY_FILE
    if not path.exists():
        make_private_folder(home)
        create_file(path, secrets.token_hex(KEY_BYTES))
    if not (key := read_key(path.read_text(encoding="ascii", errors="replace"))):
        raise MissingError(
            f"{path} is damaged; put it back from a backup, or delete it and {NEW_KEY}"
        )
    return key


def read_key(text: str) -> bytes:
    """Return the key of an installation as its file holds it; empty for anything else."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        return b""
    return key if len(key) == KEY_BYTES else b""


def private_opener(path: str, flags: int) -> int:
    """Open a file for `open(..., opener=private_opener)`; only this account can read a new one."""
    return os.open(path, flags, FILE_MODE)


def open_to_others(folder: Path) -> Iterator[Path]:
    """Yield what other accounts can read or enter under `folder`, itself included; or a file.

    Nothing inside a closed folder is open, so its content is skipped. OSError when it is missing.
    """
    if not _is_open(folder):
        return
    yield folder
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if entry.is_symlink():
            continue
        if entry.is_dir():
            yield from open_to_others(entry)
        elif _is_open(entry):
            yield entry


def find_linked_places(home: Path) -> list[Path]:
    """Return what links in `home` lead to, such as its mail on another disk.

    What lies in a closed folder is left out, and what nothing secret lies in (`PUBLIC_NAMES`).
    """
    targets = []
    root = home.resolve()
    for entry in sorted(home.iterdir()):
        if not entry.is_symlink() or not entry.exists() or entry.name.startswith(PUBLIC_NAMES):
            continue
        target = entry.resolve()
        is_elsewhere = not target.is_relative_to(root) and not root.is_relative_to(target)
        if is_elsewhere and _is_open(target.parent):
            targets.append(target)
    return targets


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & OTHERS)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; another process waits until it ends.

    The system takes the lock back when a process dies.
    """
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder while the block runs, as `locked` does; no file is made for it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some file systems of a network lock no folder
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
