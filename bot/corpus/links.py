"""Finds links, addresses, numbers and markup in a text, and those that are on no list."""

import re2

from bot.corpus.notes import Notes

LINK = re2.compile(
    r"(?i)\b(?:[a-z][a-z0-9+.\-]{0,20}://|(?:mailto|tel|sms|data|javascript):)[!#-;=?-~]+"
)
ADDRESS = re2.compile(r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*")
HOST = re2.compile(r"(?i)\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}\b")
NUMBER = re2.compile(r"[+(]{0,2}\p{Nd}(?:[ ().\-/]{0,3}\p{Nd}){6,}")
DATE = re2.compile(r"\b\d{4}-\d{2}-\d{2}\b")
MARKUP = re2.compile(r"<[ ]?[/!A-Za-z@#][^<>]*>?|\]\(|\]\[|&#?[A-Za-z0-9]{2,8};|\x60")
# The address that `post.clean` puts behind the text of a listed link.
LINK_ADDRESS = re2.compile(r" \((?:https?://[^\s()]+|[^\s()@]+@[^\s()]+)\)")
ENDS = ".,;:!?)"


def domains(text: str) -> frozenset[str]:
    """Return the host names in a text, in lower case, without short ones such as 'e.g.'."""
    return frozenset(
        m.lower() for m in HOST.findall(text) if len(m.rsplit(".", 1)[1]) > 1 and len(m) > 4
    )


def unlisted(text: str, notes: Notes) -> tuple[str, ...]:
    """Return the unlisted links, addresses, hosts and numbers in `text`, and all markup."""
    marks = MARKUP.findall(_without_links(text))
    listed = {_digits(number) for number in notes.numbers}
    numbers = [number for number in numbers_in(text) if _digits(number) not in listed]
    return tuple(dict.fromkeys([*unlisted_links(text, notes), *numbers, *marks]))


def numbers_in(text: str) -> tuple[str, ...]:
    """Return the long numbers of a text, such as telephone numbers, without dates and links."""
    return tuple(dict.fromkeys(NUMBER.findall(DATE.sub(" ", _without_links(text)))))


def unlisted_links(text: str, notes: Notes) -> tuple[str, ...]:
    """Return the links, addresses and hosts in `text` that are not exactly on the list."""
    listed = {*notes.links, *(link.removeprefix("mailto:") for link in notes.links)}
    addresses = ADDRESS.findall(LINK.sub(" ", text))
    found = (each.rstrip(ENDS) for each in [*LINK.findall(text), *addresses])
    hosts = sorted(domains(_without_links(text)) - notes.domains)
    return tuple(dict.fromkeys([*(each for each in found if each not in listed), *hosts]))


def without_link_addresses(text: str) -> str:
    """Return `text` without the addresses behind links, which would distort its embedding."""
    return str(LINK_ADDRESS.sub("", text))


def _digits(number: str) -> str:
    return "".join(char for char in number if char.isdigit())


def _without_links(text: str) -> str:
    return str(ADDRESS.sub(" ", LINK.sub(" ", text)))
