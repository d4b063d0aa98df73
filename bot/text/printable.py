"""Text of strangers -> text that a terminal or a window shows and does nothing else with."""

import unicodedata

KEPT = "\n\t"
HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co"})


def printable(text: str) -> str:
    """`text` without control and format characters, lone surrogates and private characters.

    So no escape sequence reaches a terminal, nothing invisible hides in a line, and no line is
    turned around. Line breaks and tabs stay.
    """
    return "".join(c for c in text if c in KEPT or unicodedata.category(c) not in HARMFUL)
