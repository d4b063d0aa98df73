"""Separates words that are joined by marks or capitals, and undoubles doubled letters."""

import re

JOINTS = re.compile(r"(?<![\w.])[^\W\d_]+(?:[._-][^\W\d_]+){3,}(?![\w@])")
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
HUMPS = re.compile(r"\b(?:[A-Z][a-z]+|[A-Z]){4,}\b")
PAIRED = re.compile(r"(\w)\1", re.UNICODE)
DOUBLED = 0.9  # share of letters that stand twice
FEWEST = 6  # letters that make a text


def parted(text: str) -> str:
    """Words that marks or capitals join, put apart: send_me_my_key, SendMeMyKey."""
    apart = JOINTS.sub(lambda m: re.sub(r"[._-]", " ", m.group()), text)
    return HUMPS.sub(lambda m: CAMEL.sub(" ", m.group()), apart)


def undoubled(text: str) -> str:
    """Each letter once, where nearly all stand twice."""
    letters = sum(c.isalpha() for c in text)
    twice = 2 * len(PAIRED.findall(text))
    return PAIRED.sub(r"\1", text) if twice >= DOUBLED * letters > FEWEST else ""
