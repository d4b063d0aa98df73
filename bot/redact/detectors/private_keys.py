"""Finds private keys, mostly between BEGIN and END lines; public keys and certificates are kept."""

from bisect import bisect_left
from collections.abc import Iterator

import re2

from bot.domain import SecretKind
from bot.redact.patterns import SecretMatch
from bot.redact.word_lists import word_list

# Text between two lines of a key: line breaks, quote marks of mails and of strings, also as
# escapes, and line numbers, as editors show them. Strings are also joined by a plus.
LINE_NUMBER = rb"(?:[0-9]{1,5}[:.)|]?[ \t]+)?"
JOINT = rb"(?:\\r|\\n|[\s>|\"'])+" + LINE_NUMBER
STRING_JOINT = rb"(?:\\r|\\n|[\s>|\"'+])+" + LINE_NUMBER
KIND = rb"(?:PRIVATE|SECRET)[ \t]KEY(?:[ \t]BLOCK)?"
NAME = rb"[ \t]{1,2}(?:[A-Z0-9]{1,12}[ \t]){0,4}" + KIND + rb"[ \t]{0,2}-{2,}"
BEGIN = re2.compile(rb"-{2,}[ \t]{0,2}BEGIN" + NAME + rb"|PuTTY-User-Key-File-[0-9]")
END = re2.compile(rb"-{2,}[ \t]{0,2}END" + NAME + rb"|Private-MAC:[ \t]?[0-9a-f]{1,128}")
BODY = re2.compile(
    rb"(?:(?:" + STRING_JOINT + rb")?(?:[A-Za-z0-9+/=]{24,}|[A-Za-z0-9+/]{1,80}={1,2}|"
    rb"(?:Proc-Type|DEK-Info|Version|Comment|Hash|Encryption|Public-Lines|Private-Lines|Key-Derivation):[^\n]{0,200}))*"
)

# Whole lines before an END line whose BEGIN was cut off; a short last line may precede it.
BLOCK_WITHOUT_BEGIN = re2.compile(
    rb"(?:[A-Za-z0-9+/]{24,}={0,2}"
    + STRING_JOINT
    + rb")+(?:[A-Za-z0-9+/]{1,80}={0,2}"
    + STRING_JOINT
    + rb")?"
    rb"-{2,}[ \t]{0,2}END" + NAME
)
# The first characters of a private key without its BEGIN line: PKCS #1 and #8, SEC 1, Ed25519,
# OpenSSH, and an encrypted one.
HEADLESS = re2.compile(
    rb"(?:MII[A-Za-z0-9+/]{3}IBA[AD]|MI[GH][A-Za-z0-9+/]{1,2}A?gE[AB]|M[HI][A-Za-z0-9+/]{1,2}AgE[AB]|MH[A-Za-z]CAQEE|MC4CAQAwBQYDK2V|"
    rb"b3BlbnNzaC1rZXktdjE|MII[A-Za-z0-9+/]{4,10}BgkqhkiG9w0BBQ)[A-Za-z0-9+/=]{16,}"
    rb"(?:"
    + STRING_JOINT
    + rb"[A-Za-z0-9+/]{40,}={0,2})*(?:"
    + STRING_JOINT
    + rb"[A-Za-z0-9+/]{1,80}={1,2})?"
)
# Lines of equal length, as programs wrap keys; masked where a private key is mentioned nearby.
WRAPPED = re2.compile(rb"(?:[A-Za-z0-9+/]{60,76}" + JOINT + rb")+[A-Za-z0-9+/]{1,76}={0,2}")
LINE_JOINT = re2.compile(JOINT)
# Characters around such lines in which a private key must be mentioned.
MAX_MENTION_DISTANCE = 400
OTHER_BLOCK = re2.compile(rb"-{2,}[ \t]{0,2}(BEGIN|END)[ \t][^\n-]{1,60}-{2,}")
LAST_LINE = re2.compile(rb"(?:\\r|\\n|[\s>|\"'+])*([A-Za-z0-9+/]{6,23})\b")


def find_private_keys(raw: bytes, lowered_text: str) -> Iterator[SecretMatch]:
    """Yield each key up to its END line or, without one, to its last line that looks like a key.

    `raw` is the text as Latin-1 bytes, `lowered_text` the same lowered.
    """
    for match in BLOCK_WITHOUT_BEGIN.finditer(raw):
        yield SecretMatch(SecretKind.PRIVATE_KEY, *match.span())
    yield from _find_headless(raw, lowered_text)
    ends = [match.end() for match in END.finditer(raw)]
    begins = [match.span() for match in BEGIN.finditer(raw)]
    for index, (start, head) in enumerate(begins):
        following = begins[index + 1][0] if index + 1 < len(begins) else len(raw)
        nearest = bisect_left(ends, head)
        if nearest < len(ends) and ends[nearest] <= following:
            yield SecretMatch(SecretKind.PRIVATE_KEY, start, ends[nearest])
            continue
        body = BODY.match(raw, head, following)
        if body and body.end() > head:
            yield SecretMatch(
                SecretKind.PRIVATE_KEY, start, _end_of_last_line(raw, body.end(), following)
            )


def _find_headless(raw: bytes, lowered_text: str) -> Iterator[SecretMatch]:
    """Yield keys without their BEGIN line, or also without their first line."""
    for match in HEADLESS.finditer(raw):
        start, end = match.span()
        yield SecretMatch(SecretKind.PRIVATE_KEY, start, _end_of_last_line(raw, end, len(raw)))
    for match in WRAPPED.finditer(raw):
        start, end = match.span()
        widths = [len(line) for line in LINE_JOINT.split(raw[start:end])]
        even = len(widths) > 1 and len(set(widths[:-1])) == 1 and widths[-1] <= widths[0]
        if even and _is_about_keys(lowered_text, start, end) and not _is_in_other_block(raw, start):
            yield SecretMatch(SecretKind.PRIVATE_KEY, start, end)


def _is_about_keys(text: str, start: int, end: int) -> bool:
    around = text[max(0, start - MAX_MENTION_DISTANCE) : start], text[end:][:MAX_MENTION_DISTANCE]
    return any(word in part for part in around for word in word_list("private_key_words"))


def _is_in_other_block(raw: bytes, start: int) -> bool:
    """Return whether `start` is in a certificate, public key or signature, by its BEGIN line."""
    marks = OTHER_BLOCK.findall(raw[max(0, start - 20_000) : start])
    return bool(marks) and marks[-1] == b"BEGIN"


def _end_of_last_line(raw: bytes, end: int, following: int) -> int:
    """Return `end`, moved behind a shorter last line of the key if that looks random."""
    rest = LAST_LINE.match(raw, end, following)
    text = rest.group(1) if rest else b""
    cased = text not in (text.lower(), text.upper())
    return rest.end() if rest and cased and any(byte in b"0123456789" for byte in text) else end
