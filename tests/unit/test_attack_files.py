"""Twenty ways to read what the desk keeps from beside it; half of them kept apart.

Another account of the machine finds nothing open that `doctor` does not name; whoever has the
counts of answers cannot tell from them whose they are.
"""

import hashlib
import hmac
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from bot.corpus.limits import Scope
from bot.errors import MissingError
from bot.files import FILE_MODE, find_linked_places, open_to_others, read_installation_key
from bot.journal.rate_limits import CountHasher
from tests.support.halves import APART, SEEN, halves

MAIL, ANA = "mail/Processed/cur/one", "ana@example.org"
Attack: TypeAlias = "Callable[[Path], bool]"


def made(home: Path, modes: dict[str, int]) -> Path:
    """A home with one mail, all of it closed but what is in `modes`; an empty name is the home."""
    (home / MAIL).parent.mkdir(parents=True)
    (home / MAIL).touch()
    for path in (home, *home.rglob("*")):
        path.chmod(0o700 if path.is_dir() else FILE_MODE)
    for name, mode in modes.items():
        (home / name).chmod(mode)
    return home


def told_of(home: Path) -> list[Path]:
    """What `doctor` counts as open to other accounts."""
    return [path for place in (home, *find_linked_places(home)) for path in open_to_others(place)]


def tells(modes: dict[str, int], *names: str) -> Attack:
    """Is exactly this told to be open in a home with these modes?"""

    def run(folder: Path) -> bool:
        home = made(folder / "home", modes)
        return told_of(home) == [home / name for name in names]

    return run


def tells_elsewhere(target: str, modes: dict[str, int], *, told: bool) -> Attack:
    """Is what a link in the home leads to told, where it is open?"""

    def run(folder: Path) -> bool:
        elsewhere = made(folder / "disk", modes)
        home = made(folder / "home", {})
        (home / "link").symlink_to(elsewhere / target)
        return (elsewhere / target in told_of(home)) is told

    return run


def ends(put: Callable[[Path], object]) -> Attack:
    """Is the search over where this lies in the home?"""

    def run(folder: Path) -> bool:
        home = made(folder / "home", {"": 0o755})
        put(home)
        return home in told_of(home)

    return run


def refuses_key(text: bytes) -> Attack:
    def run(folder: Path) -> bool:
        (folder / "installation.key").write_bytes(text)
        try:
            return not read_installation_key(folder)
        except MissingError:
            return True

    return run


def hides(guess: Callable[[str], str]) -> Attack:
    """Does no count of an answer have this hash of an address, or of its domain?"""

    def run(_folder: Path) -> bool:
        keys = CountHasher(os.urandom(32)).count_keys(sender=ANA, thread=ANA, text="Hi")
        kept = {key for scope, key in keys.items() if scope is not Scope.ALL}
        guessed = {guess(each) for each in (ANA, "example.org", f"{ANA}\nhi")}
        return not any(key[:16] in each for key in kept for each in guessed)

    return run


ATTACKS: list[Attack] = [
    tells({"": 0o710}, ""),
    tells({"": 0o701, MAIL: 0o604}, ""),
    tells({"": 0o711, "mail": 0o711, "mail/Processed": 0o711, "mail/Processed/cur": 0o711, MAIL: 0o640},
          "", "mail", "mail/Processed", "mail/Processed/cur", MAIL),
    tells({"": 0o2700, "mail": 0o755}),
    tells({"": 0o1777, "mail": 0o1700}, ""),
    tells({"": 0o755, "mail": 0o702}, "", "mail"),
    tells_elsewhere("mail", {"": 0o755, "mail": 0o755}, told=True),
    tells_elsewhere(MAIL, {"": 0o755, "mail": 0o711, "mail/Processed": 0o711, "mail/Processed/cur": 0o711, MAIL: 0o644}, told=True),
    tells_elsewhere("mail", {"mail": 0o755}, told=False),
    tells_elsewhere("mail", {"": 0o755}, told=False),
    ends(lambda home: (home / "loop").symlink_to(home)),
    ends(lambda home: (home / "gone").symlink_to(home / "nowhere")),
    ends(lambda home: os.mkfifo(home / "pipe", 0o622)),
    ends(lambda home: (home / "\udcff name").touch()),
    refuses_key(b"\xef\xbb\xbf" + b"ab" * 32),
    refuses_key(b"ab" * 31 + b" " + b"a"),
    refuses_key(b"\x00" * 32),
    hides(lambda each: hashlib.sha256(each.encode()).hexdigest()),
    hides(lambda each: hmac.new(b"", each.encode(), hashlib.sha256).hexdigest()),
    hides(lambda each: hmac.new(bytes(32), each.encode(), hashlib.sha256).hexdigest()),
]  # fmt: skip
KIND = halves(enumerate(ATTACKS))


@pytest.mark.parametrize("half", [SEEN, APART])
def test_nobody_beside_the_desk_reads_what_it_keeps(tmp_path: Path, half: str) -> None:
    missed = []
    for number, attack in KIND[half]:
        folder = tmp_path / str(number)
        folder.mkdir()
        if not attack(folder):
            missed.append(number)
    assert missed == []
