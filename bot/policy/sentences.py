"""Splits a folded text into sentences, so that a rule never reads across two of them."""

import re

# After a mark that ends a sentence, or a full stop and a space that is not that of a short form.
ENDS = re.compile(
    r"(?<=[?!。؟।])(?<!<!)[\"')\]]* *"
    r"|(?<![ .(]art)(?<![ .(]nr)(?<! dr)(?<! mr)(?<! sr)(?<! no)"
    r"(?<=[a-z0-9)\]\"'\u0080-\uffff][.;]) +"
    r"| ?\n ?"
)


def as_lines(text: str) -> bytes:
    """Sentences as lines; where lines were broken, the text is read unbroken as well.

    Mail programs break lines at any word, and so does whoever wants a demand to be missed.
    """
    lines = _lines(text)
    if "\n" in text.strip():
        lines += _lines(" ".join(text.split()))
    return "\n".join(dict.fromkeys(lines)).encode("utf-8", "replace")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in ENDS.split(text) if line and line.strip()]
