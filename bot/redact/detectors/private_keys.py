"""Finds private keys between BEGIN and END lines; a public key or a certificate is no secret."""

from bisect import bisect_left
from collections.abc import Iterator

import re2

from bot.domain import SecretKind
from bot.redact.patterns import SecretMatch

KIND = rb"(?:PRIVATE|SECRET)[ \t]KEY(?:[ \t]BLOCK)?"
NAME = rb"[ \t]{1,2}(?:[A-Z0-9]{1,12}[ \t]){0,4}" + KIND + rb"[ \t]{0,2}-{2,}"
BEGIN = re2.compile(rb"-{2,}[ \t]{0,2}BEGIN" + NAME + rb"|PuTTY-User-Key-File-[0-9]")
END = re2.compile(rb"-{2,}[ \t]{0,2}END" + NAME + rb"|Private-MAC:[ \t]?[0-9a-f]{1,128}")
BODY = re2.compile(
    rb"(?:(?:\\r|\\n|[\s>|\"'+])*(?:[A-Za-z0-9+/=]{24,}|[A-Za-z0-9+/]{1,80}={1,2}|"
    rb"(?:Proc-Type|DEK-Info|Version|Comment|Hash|Encryption|Public-Lines|Private-Lines|Key-Derivation):[^\n]{0,200}))*"
)

# Whole lines before an END line whose BEGIN was cut off; a short last line may precede it.
BLOCK_WITHOUT_BEGIN = re2.compile(
    rb"(?:[A-Za-z0-9+/]{24,}={0,2}(?:\\r|\\n|[\s>|\"'+])+)+(?:[A-Za-z0-9+/]{1,80}={0,2}(?:\\r|\\n|[\s>|\"'+])+)?"
    rb"-{2,}[ \t]{0,2}END" + NAME
)
LAST_LINE = re2.compile(rb"(?:\\r|\\n|[\s>|\"'+])*([A-Za-z0-9+/]{6,23})\b")


def find_private_keys(raw: bytes) -> Iterator[SecretMatch]:
    """Yields each key to its END line; without one, to the last line that still looks like a
    key.
    """
    for match in BLOCK_WITHOUT_BEGIN.finditer(raw):
        yield SecretMatch(SecretKind.PRIVATE_KEY, *match.span())
    ends = [match.end() for match in END.finditer(raw)]
    begins = [match.span() for match in BEGIN.finditer(raw)]
    for place, (start, head) in enumerate(begins):
        following = begins[place + 1][0] if place + 1 < len(begins) else len(raw)
        nearest = bisect_left(ends, head)
        if nearest < len(ends) and ends[nearest] <= following:
            yield SecretMatch(SecretKind.PRIVATE_KEY, start, ends[nearest])
            continue
        body = BODY.match(raw, head, following)
        if body and body.end() > head:
            yield SecretMatch(
                SecretKind.PRIVATE_KEY, start, _end_of_last_line(raw, body.end(), following)
            )


def _end_of_last_line(raw: bytes, end: int, following: int) -> int:
    """Returns the end with the rest of a line that was cut short, where that looks random."""
    rest = LAST_LINE.match(raw, end, following)
    text = rest.group(1) if rest else b""
    cased = text not in (text.lower(), text.upper())
    return rest.end() if rest and cased and any(byte in b"0123456789" for byte in text) else end
