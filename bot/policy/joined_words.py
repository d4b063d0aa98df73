"""Undoes two disguises: words that are joined by marks or capitals, and doubled letters."""

import re

JOINTS = re.compile(r"(?<![\w.])[^\W\d_]+(?:[._-][^\W\d_]+){3,}(?![\w@])")
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
HUMPS = re.compile(r"\b(?:[A-Z][a-z]+|[A-Z]){4,}\b")
PAIRED = re.compile(r"(\w)\1", re.UNICODE)
DOUBLED = 0.9  # least share of letters in pairs of a text with doubled letters
FEWEST = 6  # a text with doubled letters must have more letters


def parted(text: str) -> str:
    """Return `text` with joined words separated: `send_me_my_key` and `SendMeMyKey`."""
    apart = JOINTS.sub(lambda m: re.sub(r"[._-]", " ", m.group()), text)
    return HUMPS.sub(lambda m: CAMEL.sub(" ", m.group()), apart)


def undoubled(text: str) -> str:
    """Return `text` with doubled letters written once; empty where not nearly all are doubled."""
    letters = sum(c.isalpha() for c in text)
    twice = 2 * len(PAIRED.findall(text))
    return PAIRED.sub(r"\1", text) if twice >= DOUBLED * letters > FEWEST else ""
