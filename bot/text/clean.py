"""What a message says, for whoever decides on it: one paragraph a line, without boilerplate.

The order matters: lines are joined first, so that a disclaimer is read as the paragraph it is, and
links are shortened next, so that their marks end no sentence.
"""

from bot.text.boilerplate import Parted, part_boilerplate
from bot.text.links import shorten_links
from bot.text.unwrap import unwrap


def clean_message(text: str) -> Parted:
    """The person's own words in `text`, and the boilerplate around them.

    A person who reads the message still sees `text` as it came; this is for splitting it into
    questions, finding its language and looking it up.
    """
    return part_boilerplate(shorten_links(unwrap(text)))
