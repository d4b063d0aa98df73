"""Address headers -> addr-specs, in one pass: comments, quotes, groups, and no recursion.

Why not email.utils: 3,000 nested comments exhaust its recursion, 20,000 recipients hold its
policy for 24 seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass

MAX_HEADER = 64 * 1024


@dataclass(slots=True)
class _Scan:
    """What is known of the address that is being read."""

    words: str = ""
    angle: str | None = None
    inside: bool = False

    def add(self, text: str) -> None:
        """Text of the address proper, or of the name before it."""
        if self.inside:
            self.angle = (self.angle or "") + text
        else:
            self.words += text

    def spec(self) -> str:
        """The addr-spec; nothing when this is none."""
        found = self.words if self.angle is None else self.angle
        found = "".join(found.split()).lower()
        route, _, spec = found.rpartition(":")
        found = spec if route.startswith("@") else found
        local, _, domain = found.rpartition("@")
        return found if local and domain.strip(".") and not {"@", ","} & set(local) else ""


def addresses(values: Iterable[str], *, limit: int) -> tuple[str, ...]:
    """The different addr-specs of some headers, lower case; stops beyond `limit`."""
    found: dict[str, None] = {}
    for value in values:
        for piece in _pieces(value[:MAX_HEADER]):
            found[piece] = None
            if len(found) > limit:
                return tuple(found)
    return tuple(found)


def _pieces(value: str) -> list[str]:
    found: list[str] = []
    scan, depth, place, end = _Scan(), 0, 0, len(value)
    while place < end:
        char = value[place]
        if char == "\\":
            place += 1
            if not depth:
                scan.add(value[place : place + 1])
        elif char == "(":
            depth += 1
        elif depth:
            depth -= char == ")"
        elif char == '"':
            place = _quoted(value, place, scan)
        elif char in ",;" and not scan.inside:
            found.append(scan.spec())
            scan = _Scan()
        else:
            _plain_char(char, scan)
        place += 1
    found.append(scan.spec())
    return [spec for spec in found if spec]


def _plain_char(char: str, scan: _Scan) -> None:
    if char == "<":
        # Two addresses in one place: the comma makes it none, so that nobody is chosen.
        scan.inside, scan.angle = True, "" if scan.angle is None else scan.angle + ","
    elif char == ">":
        scan.inside = False
    elif char == ":" and not scan.inside:
        scan.words = ""  # the name of a group
    else:
        scan.add(char)


def _quoted(value: str, place: int, scan: _Scan) -> int:
    """Read a quoted string; a quoted local part counts, a quoted display name does not."""
    text, place = "", place + 1
    while place < len(value) and value[place] != '"':
        place += value[place] == "\\"
        text += value[place : place + 1]
        place += 1
    if scan.inside or value[place + 1 : place + 2] == "@":
        scan.add(text.replace("@", "%").replace("<", ""))
    return place
