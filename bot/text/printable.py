"""Makes the text of strangers safe to print: a terminal or window shows it and does nothing
else.
"""

import unicodedata

KEPT_CHARACTERS = "\n\t"
HARMFUL_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co"})


def printable(text: str) -> str:
    """Returns `text` without control and format characters, lone surrogates and private characters.

    So no escape sequence reaches a terminal, nothing invisible hides in a line, and no line is
    turned around. Line breaks and tabs stay.
    """
    return "".join(
        c for c in text if c in KEPT_CHARACTERS or unicodedata.category(c) not in HARMFUL_CATEGORIES
    )
