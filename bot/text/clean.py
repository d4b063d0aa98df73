"""Prepares a message for whoever decides on it: one paragraph a line, without boilerplate.

The order matters: lines are joined first, so that a disclaimer is read as the paragraph it is, and
marks of postscripts are written in one way; links are shortened next, so that their marks end no
sentence.
"""

from dataclasses import dataclass

from bot.text.banner_lines import separate_asking_edges
from bot.text.boilerplate import separate_boilerplate
from bot.text.link_shortening import shorten_links
from bot.text.postscripts import mark_postscripts
from bot.text.unicode import without_surrogates
from bot.text.unwrap import unwrap

# A longer text is only unwrapped: a person reads it anyway.
MAX_CHARACTERS = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanText:
    """A text in which each paragraph is one line.

    `whole` is all of it; the policy reads that. `own` is what the person wrote, with links cut to
    host and path; questions and language are found in that. `removed` is the boilerplate that
    `own` lacks.
    """

    whole: str
    own: str
    removed: str


def clean_message(text: str) -> CleanText:
    """Returns the text of a message as it is decided on; a person who reads it sees it as it came.

    Of a text of more than MAX_CHARACTERS only lines are joined and postscripts marked: `own` is
    then all of it.
    """
    whole = mark_postscripts(unwrap(without_surrogates(text)))
    if len(whole) > MAX_CHARACTERS:
        return CleanText(whole=whole, own=whole, removed="")
    edges = separate_asking_edges(shorten_links(whole))
    parted = separate_boilerplate(edges.own)
    removed = "\n".join(filter(None, (edges.removed, parted.removed)))
    return CleanText(whole=whole, own=parted.own, removed=removed)
