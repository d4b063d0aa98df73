"""Detects the desk's own secrets in a text, plainly or in a simple disguise.

A second line: no text of approved units alone can hold one. Each secret is put into every disguise
once; a text is then searched for any eight characters in a row of any of them.
"""

import codecs
import re
import secrets
from base64 import b64encode
from collections.abc import Iterable, Iterator

import re2

# RE2 falls back to a slow path when its states do not fit.
MAX_REGEX_BYTES = 64 << 20
# Letters and digits in a row; fewer would stand in innocent words.
SHINGLE_LENGTH = 8
NON_LETTERS = re.compile(r"[\W_]+")
# Another one in every process. It stands in each prompt to a model and nowhere else: a text that
# holds it repeats the prompt.
CANARY = secrets.token_hex(16)


class LeakDetector:
    """Knows the secrets, and the canary, only in pieces."""

    def __init__(self, own_secrets: Iterable[str] = (), *, approved: Iterable[str] = ()) -> None:
        pieces = {
            piece
            for secret in (CANARY, *own_secrets)
            for disguise in _disguises(secret)
            for piece in _shingles(_letters_only(disguise))
        }
        # A password that is a word of the post must not silence the desk.
        pieces.difference_update(*(_shingles(_letters_only(text)) for text in approved))
        self._any = _compile_any(pieces)

    def contains_secret(self, text: str) -> bool:
        """Does the text hold a piece of a secret?"""
        return bool(self._any.search(_letters_only(text).encode("utf-8", "replace")))


def _compile_any(pieces: Iterable[str]) -> "re2._Regexp[bytes]":
    """Returns one expression for all pieces: one pass over a text, however many secrets there
    are.
    """
    options = re2.Options()
    options.max_mem = MAX_REGEX_BYTES
    return re2.compile("|".join(sorted(pieces)).encode(), options)


def _disguises(secret: str) -> Iterator[str]:
    """Yields the secret as it is, reversed, rotated by 13 letters, in hexadecimal and in Base64."""
    raw = secret.encode("utf-8", "replace")  # the environment may hold any bytes
    yield secret
    yield secret[::-1]
    yield codecs.encode(secret, "rot13")
    yield raw.hex()
    for before in range(3):  # where a group of three bytes may begin
        encoded = b64encode(bytes(before) + raw).decode().rstrip("=")
        # The outermost characters depend on what stands beside the secret.
        yield encoded[before + 1 if before else 0 : -1]


def _letters_only(text: str) -> str:
    """Returns letters and digits alone, in lower case: spaces and dots hide nothing."""
    return NON_LETTERS.sub("", text.casefold())


def _shingles(flat: str) -> Iterator[str]:
    return (flat[i : i + SHINGLE_LENGTH] for i in range(len(flat) - SHINGLE_LENGTH + 1))
