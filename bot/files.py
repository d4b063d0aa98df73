"""Files and folders that only the account which the desk runs under can read.

The desk keeps mails as they came, with whatever somebody pasted into them. So nothing that it
writes is open to other accounts of the machine, whatever the umask it was started with.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

FOLDER, FILE = 0o700, 0o600
# How the names of all that the desk puts into its home begin.
HOME_NAMES = (
    "candidates.jsonl", "chroma", "desk.sqlite3", "index.version", "mail", "models", "vectors.",
)  # fmt: skip
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_files_private() -> None:
    """From here on, what this process and its children create is closed to other accounts."""
    os.umask(OTHERS)


def make_private_folder(path: Path) -> Path:
    """Make `path`, and each folder above it that is missing, for this account alone.

    A folder that is there keeps its mode: it may be shared on purpose, and `doctor` tells of it.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=FOLDER, exist_ok=True)
    return path


def close_home(path: Path) -> None:
    """Make the desk's home, or close the one that is there if it is the desk's alone.

    One that holds anything else, as /srv may, keeps its mode; `doctor` says what to do.
    """
    make_private_folder(path)
    if all(entry.name.startswith(HOME_NAMES) for entry in path.iterdir()):
        close_folder(path)


def close_folder(path: Path) -> Path:
    """Make the folder `path`, which is the desk's own, and close it if it was open."""
    make_private_folder(path)
    if _is_open(path) and path.stat().st_uid == os.geteuid():
        path.chmod(FOLDER)
    return path


def close_file(path: Path) -> None:
    """Create the file `path` if it is missing; close it to others if it is ours and was open."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, FILE))
    if _is_open(path) and path.stat().st_uid == os.geteuid():
        path.chmod(FILE)


def private_opener(path: str, flags: int) -> int:
    """For `open(..., opener=private_opener)`: a file that is created is closed to others."""
    return os.open(path, flags, FILE)


def open_to_others(folder: Path) -> Iterator[Path]:
    """What other accounts can read or enter under `folder`, itself included; OSError if missing.

    Inside a closed folder nothing is open, whatever its mode says, so it is not looked at.
    """
    if not _is_open(folder):
        return
    yield folder
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink():
            continue
        if entry.is_dir():
            yield from open_to_others(entry)
        elif _is_open(entry):
            yield entry


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & OTHERS)
