"""Normalizes the marks of postscripts: `PPS`, `P. S.`, `P.D.:` or `N.B.` become `PS:`.

The text behind such a mark is a sentence of its own. The rest of the code recognises only `PS:`,
and would take another mark for the beginning of the sentence.
"""

import re

# Matches at the beginning of a line, also in brackets or behind a list mark.
MARK = re.compile(
    r"^(\W{0,4})"
    r"(?:(?:[Pp]\.?[ -]?){1,4}[Ss]\.?|P\. ?D\.|PD:|[Nn]\. ?[Bb]\.|NB|(?i:post ?script(?:um)?)|"
    r"追伸|又及|附言)"
    r"(?:\s?[:：,–—]\s*|\s?-\s+|\s+)(?=[^\s:：,–—-])",
    re.MULTILINE,
)
USUAL = r"\1PS: "


def mark_postscripts(text: str) -> str:
    """Return `text` with the mark of each postscript as `PS:`."""
    return MARK.sub(USUAL, text)
