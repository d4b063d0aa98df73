"""Parses the address headers of a mail into addr-specs, in one pass over each header.

An address is taken as it is written or not at all: an address that would have to be repaired could
become somebody else's. Only what changes nothing is taken off: a mailto: before it, a dot after its
domain, apostrophes around it.

Comments, quoted strings and groups are read without recursion. `email.utils` is not used: 3,000
nested comments exhaust its recursion, and 20,000 recipients hold its policy for 24 seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import re2

# Characters of one header that are read: bounds the work that one header can cause.
MAX_HEADER_CHARACTERS = 64 * 1024
# Stands for an entry that holds an "@" and is no address.
UNREADABLE_ADDRESS = ""
ADDRESS_PATTERN = re2.compile(
    r"(?i)^[^\s\x00-\x1f\x7f\x{fffd}@<>()\[\]\\,;:\"]{1,320}@"
    r"(?:(?:[\pL\pN\pM](?:[\pL\pN\pM_-]*[\pL\pN\pM])?\.)*[\pL\pN\pM](?:[\pL\pN\pM_-]*[\pL\pN\pM])?|"
    r"\[[0-9a-f:.]+\])$"
)
PLAIN_LOCAL_PART = re2.compile(r"^[^\s\x00-\x1f\x7f@<>()\[\]\\,;:\"]+$")
MAILTO = "mailto:"


@dataclass(slots=True)
class _AddressScan:
    """The state while one address is read: the text before, within and after the angle brackets."""

    words: str = ""
    angle: str | None = None
    after: str = ""
    inside: bool = False

    def add(self, text: str) -> None:
        """Add text to the address proper, or to the name before it."""
        if self.inside:
            self.angle = (self.angle or "") + text
        elif self.angle is None:
            self.words += text
        else:
            self.after += text

    def spec(self) -> str | None:
        """Return the addr-spec, UNREADABLE_ADDRESS for one that is no address, None for no
        entry.
        """
        address = self.words if self.angle is None else self.angle
        address = address.strip().lower()
        if self.angle is None and "@" not in address:
            return None
        if self.inside or "@" in self.after or not address:
            return UNREADABLE_ADDRESS
        return _strip_surroundings(address)


def parse_addresses(values: Iterable[str], *, limit: int) -> tuple[str, ...]:
    """Return the different addr-specs of some headers, in lower case and in order.

    Reading stops once more than `limit` of them are read, so the result may have `limit` + 1
    entries.
    """
    return tuple(spec for spec in _read_addresses(values, limit) if spec)


def parse_authors(values: Iterable[str], *, limit: int) -> tuple[str, ...]:
    """Return the addr-specs of From headers; none at all where one of the entries cannot be read.

    The reply goes to the author, so where one of two entries is unreadable, the other is not simply
    taken. A header longer than MAX_HEADER_CHARACTERS gives no address either, since only its
    beginning would be read.
    """
    whole = list(values)
    if any(len(value) > MAX_HEADER_CHARACTERS for value in whole):
        return ()
    specs = _read_addresses(whole, limit)
    return () if UNREADABLE_ADDRESS in specs else tuple(spec for spec in specs if spec)


def _read_addresses(values: Iterable[str], limit: int) -> list[str]:
    specs: dict[str, None] = {}
    for value in values:
        for spec in _split_entries(value[:MAX_HEADER_CHARACTERS]):
            specs[spec] = None
            if len(specs) > limit:
                return list(specs)
    return list(specs)


def _strip_surroundings(address: str) -> str:
    """Return the address without what may stand around it, or UNREADABLE_ADDRESS."""
    address = address.removeprefix(MAILTO)
    if address.startswith("@"):  # a route, which nobody writes any more
        address = address.rpartition(":")[2]
    if len(address) > 2 and address[0] == address[-1] == "'":
        address = address[1:-1]
    local, _, domain = address.rpartition("@")
    address = f"{local}@{domain.removesuffix('.')}"
    whole = ADDRESS_PATTERN.search(address) and "=?" not in local and not local.startswith("/")
    return address if whole else UNREADABLE_ADDRESS


def _split_entries(value: str) -> list[str]:
    """Return the addr-spec of each entry of one header."""
    specs: list[str | None] = []
    scan, depth, position, end = _AddressScan(), 0, 0, len(value)
    while position < end:
        char = value[position]
        if char == "\\":
            position += 1
            if not depth:
                scan.add("\\" + value[position : position + 1])
        elif char == "(":
            depth += 1
        elif depth:
            depth -= char == ")"
        elif char == '"':
            position = _read_quoted(value, position, scan)
        elif char in ",;" and not scan.inside:
            specs.append(scan.spec())
            scan = _AddressScan()
        else:
            _read_char(char, scan)
        position += 1
    specs.append(scan.spec())
    return [spec for spec in specs if spec is not None]


def _read_char(char: str, scan: _AddressScan) -> None:
    if char == "<":
        # Of two addresses in one entry none is chosen: the comma makes the entry unreadable.
        scan.inside, scan.angle = True, "" if scan.angle is None else scan.angle + ","
    elif char == ">":
        scan.inside = False
    elif char == ":" and not scan.inside:
        scan.words = ""  # the name of a group, or mailto
    else:
        scan.add(char)


def _read_quoted(value: str, position: int, scan: _AddressScan) -> int:
    """Read a quoted string and return where it ends.

    A quoted local part counts, a quoted display name does not. Quotes around a plain local part
    mean nothing; around any other they belong to the address, which then stays quoted and is never
    written to.
    """
    text, position = "", position + 1
    while position < len(value) and value[position] != '"':
        position += value[position] == "\\"
        text += value[position : position + 1]
        position += 1
    if scan.inside or value[position + 1 : position + 2] == "@":
        scan.add(text if PLAIN_LOCAL_PART.search(text) else f'"{text.replace("@", "%")}"')
    return position
