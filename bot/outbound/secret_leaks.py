"""Detects the desk's own secrets in a text, as they are or in a simple encoding.

This is a second line of defence, as a text of approved units cannot contain one. Each secret is
encoded in every known way once; a text is then searched for any eight consecutive characters of any
of these forms.
"""

import codecs
import re
import secrets
from base64 import b64encode
from collections.abc import Iterable, Iterator

import re2

# RE2 falls back to a slow path when its states do not fit.
MAX_REGEX_BYTES = 64 << 20
# Consecutive letters and digits that are a leak; fewer would occur in innocent words.
SHINGLE_LENGTH = 8
NON_LETTERS = re.compile(r"[\W_]+")
# A random value of this process that is put into each prompt to a model and nowhere else: a text
# that contains it repeats the prompt.
CANARY = secrets.token_hex(16)


class LeakDetector:
    """A search for the secrets and the canary, of which it holds only pieces."""

    def __init__(self, own_secrets: Iterable[str] = (), *, approved: Iterable[str] = ()) -> None:
        pieces = {
            piece
            for secret in (CANARY, *own_secrets)
            for disguise in _disguises(secret)
            for piece in _shingles(_letters_only(disguise))
        }
        # A password that is a word of the post must not block every reply with that word.
        pieces.difference_update(*(_shingles(_letters_only(text)) for text in approved))
        self._any = _compile_any(pieces)

    def contains_secret(self, text: str) -> bool:
        """Return whether the text contains a piece of a secret."""
        return bool(self._any.search(_letters_only(text).encode("utf-8", "replace")))


def _compile_any(pieces: Iterable[str]) -> "re2._Regexp[bytes]":
    """Return one expression for all pieces, so that a text is searched in one pass."""
    options = re2.Options()
    options.max_mem = MAX_REGEX_BYTES
    return re2.compile("|".join(sorted(pieces)).encode(), options)


def _disguises(secret: str) -> Iterator[str]:
    """Yield the secret as it is, reversed, rotated by 13 letters, in hexadecimal and in Base64."""
    raw = secret.encode("utf-8", "replace")  # the environment may hold any bytes
    yield secret
    yield secret[::-1]
    yield codecs.encode(secret, "rot13")
    yield raw.hex()
    for before in range(3):  # offsets of the secret in a group of three bytes
        encoded = b64encode(bytes(before) + raw).decode().rstrip("=")
        # The outermost characters also depend on the bytes beside the secret.
        yield encoded[before + 1 if before else 0 : -1]


def _letters_only(text: str) -> str:
    """Return the letters and digits of `text` in lower case, so that separators hide nothing."""
    return NON_LETTERS.sub("", text.casefold())


def _shingles(flat: str) -> Iterator[str]:
    return (flat[i : i + SHINGLE_LENGTH] for i in range(len(flat) - SHINGLE_LENGTH + 1))
