"""Writes the marks of postscripts in one way: `PPS`, `P. S.`, `P.D.:` or `N.B.` become `PS:`.

What stands behind such a mark is a sentence of its own. The readers of a message know the mark in
its usual form only; in another one they would take it for the beginning of the sentence.
"""

import re

# At the beginning of a line, perhaps in brackets or behind a mark of a list.
MARK = re.compile(
    r"^(\W{0,4})"
    r"(?:(?:[Pp]\.?[ -]?){1,4}[Ss]\.?|P\. ?D\.|PD:|[Nn]\. ?[Bb]\.|NB|(?i:post ?script(?:um)?)|"
    r"追伸|又及|附言)"
    r"(?:\s?[:：,–—]\s*|\s?-\s+|\s+)(?=[^\s:：,–—-])",
    re.MULTILINE,
)
USUAL = r"\1PS: "


def mark_postscripts(text: str) -> str:
    """Returns `text` with the mark of each postscript in its usual form."""
    return MARK.sub(USUAL, text)
