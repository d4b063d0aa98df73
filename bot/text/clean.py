"""Prepares the text of a message for the decision: one paragraph a line, without boilerplate.

The order of the steps matters. Wrapped lines are joined first, so that a disclaimer is read as one
paragraph, and marks of postscripts are normalized; then links are shortened, so that a `?` or `.`
in them ends no sentence.
"""

from dataclasses import dataclass

from bot.text.banner_lines import separate_asking_edges
from bot.text.boilerplate import separate_boilerplate
from bot.text.link_shortening import shorten_links
from bot.text.postscripts import mark_postscripts
from bot.text.unicode import without_surrogates
from bot.text.unwrap import unwrap

# A longer text is only unwrapped: it is escalated unread anyway.
MAX_CHARACTERS = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanText:
    """A message as text in which each paragraph is one line.

    `whole` is all of it, which the policy screens. `own` is what the person wrote, with links cut
    to host and path; questions and language are found in it. `removed` is the boilerplate that was
    taken out of `own`.
    """

    whole: str
    own: str
    removed: str


def clean_message(text: str) -> CleanText:
    """Return the text of a message in the form that decisions are made on, not shown to people.

    In a text of more than MAX_CHARACTERS only lines are joined and marks of postscripts normalized;
    `own` is then all of it.
    """
    whole = mark_postscripts(unwrap(without_surrogates(text)))
    if len(whole) > MAX_CHARACTERS:
        return CleanText(whole=whole, own=whole, removed="")
    edges = separate_asking_edges(shorten_links(whole))
    parted = separate_boilerplate(edges.own)
    removed = "\n".join(filter(None, (edges.removed, parted.removed)))
    return CleanText(whole=whole, own=parted.own, removed=removed)
