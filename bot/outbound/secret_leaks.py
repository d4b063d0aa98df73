"""Do the desk's own secrets stand in a text, plainly or in a simple disguise?

A second line: no text that is made of approved units can hold one. Each secret is put into every
disguise once; a text is then searched for any eight characters in a row of any of them.
"""

import codecs
import re
import secrets
from base64 import b64encode
from collections.abc import Iterable, Iterator

import re2

MEMORY = 64 << 20  # RE2 falls back to a slow path when its states do not fit
SHINGLE = 8  # letters and digits in a row; fewer would be found in innocent words
BESIDE = re.compile(r"[\W_]+")
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
            for piece in _shingles(_flat(disguise))
        }
        # A password that is a word of the post must not silence the desk.
        pieces.difference_update(*(_shingles(_flat(text)) for text in approved))
        self._any = _one_of(pieces)

    def contains_secret(self, text: str) -> bool:
        """Is there a piece of a secret in it?"""
        return bool(self._any.search(_flat(text).encode("utf-8", "replace")))


def _one_of(pieces: Iterable[str]) -> "re2._Regexp[bytes]":
    """One pass over a text, however many secrets there are."""
    options = re2.Options()
    options.max_mem = MEMORY
    return re2.compile("|".join(sorted(pieces)).encode(), options)


def _disguises(secret: str) -> Iterator[str]:
    raw = secret.encode("utf-8", "replace")  # the environment may hold any bytes
    yield secret
    yield secret[::-1]
    yield codecs.encode(secret, "rot13")
    yield raw.hex()
    for before in range(3):  # where a group of three bytes may begin
        encoded = b64encode(bytes(before) + raw).decode().rstrip("=")
        # The outermost characters depend on what stands beside the secret.
        yield encoded[before + 1 if before else 0 : -1]


def _flat(text: str) -> str:
    """Letters and digits alone, in lower case: spaces and dots hide nothing."""
    return BESIDE.sub("", text.casefold())


def _shingles(flat: str) -> Iterator[str]:
    return (flat[i : i + SHINGLE] for i in range(len(flat) - SHINGLE + 1))
