"""Shortens the links of a text to host and path, for deciding what a message asks.

A `?`, `;` or `.` within a link must not end a sentence, and the numbers and words in its query
string were not written by the asker.
"""

import re

import re2

# A mask such as "[removed: token]" may stand within a link.
LINK = re2.compile(
    r"(?i:https?://|hxxps?://|www\.)"
    r"(?:\[(?:removed|masked): [^\]\n]*\]|[^\s<>\"\[\]\x{80}-\x{10ffff}])+"
)
MARKDOWN_LINK = re2.compile(r"\[([^\]\[\n]{1,300})\]\((?:https?://|mailto:|www\.)[^\s()]*\)")
SLACK_LINK = re2.compile(r"<(?:https?://|mailto:)[^\s<>|]*\|([^<>\n]{1,300})>")
LINK_BESIDE_WORDS = re2.compile(r"(?i)([^\s<>])[ \t]?<(?:https?://|mailto:|www\.)[^<>\s]*>")
BRACKETED_LINK = re2.compile(r"(?i)<((?:https?://|mailto:|www\.)[^<>\s]*)>")
TRAILING_MARKS = ".,;:!?)]}'’”»、。？！"
QUERY = re.compile(r"[?#;&%].*", re.DOTALL)
# The most characters of a shortened link.
MAX_LINK_CHARACTERS = 120


def shorten_links(text: str) -> str:
    """Return `text` with each link cut to host and path; a link with a label becomes its label.

    `Our notice <https://…>`, `[our notice](https://…)` and Slack's `<https://…|our notice>` become
    `our notice`. A mark behind a link that ends the sentence stays.
    """
    if not any(sign in text for sign in ("://", "www.", "WWW.", "mailto:")):
        return text
    shown = MARKDOWN_LINK.sub(r"\1", text)
    shown = SLACK_LINK.sub(r"\1", shown)
    shown = LINK_BESIDE_WORDS.sub(r"\1", shown)
    shown = BRACKETED_LINK.sub(r"\1", shown)
    return str(LINK.sub(lambda match: _shorten_link(match.group()), shown))


def _shorten_link(link: str) -> str:
    body = link.rstrip(TRAILING_MARKS)
    return QUERY.sub("", body)[:MAX_LINK_CHARACTERS].rstrip(TRAILING_MARKS) + link[len(body) :]
