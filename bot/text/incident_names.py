"""Holds the names of the incident of this process: its company, products and vendors.

Code and data of the desk name no company and no product. Rules that must tell the publisher, its
products or its vendors from other words use this module; the composition root sets the names.
"""

import re
from dataclasses import dataclass
from functools import cache

# The words that `generalized` puts in place of a name; rules of every language may use them.
COMPANY, PRODUCT, VENDOR = "ourcompany", "ourproduct", "ourvendor"
POSSESSIVE = re.compile(r"['’]s$")
SHORTEST = 3  # letters from which on a part of a name counts too: Orchard of Orchard & Vine


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentNames:
    """The names of an incident that a message may use; none of them stands in code or data of bot/.

    `company` publishes the post, `vendors` are other companies that the incident involves.
    """

    company: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Return every name once, the longest first: a pattern takes its first alternative."""
        every = dict.fromkeys((*self.company, *self.products, *self.vendors))
        return tuple(sorted(every, key=lambda name: (-len(name), name)))


_names = [IncidentNames()]  # a process serves one incident


def set_incident_names(names: IncidentNames) -> None:
    """Set the names of the incident for this process; they replace any set before."""
    _names[0] = names


def incident_names() -> IncidentNames:
    """Return the names of the incident; they are empty before `set_incident_names`."""
    return _names[0]


def is_incident_name(word: str) -> bool:
    """Return whether a word in lower case is a name or a part of one, also with 's."""
    return POSSESSIVE.sub("", word) in _words(_names[0])


def generalized(text: str) -> str:
    """Return `text` with each name replaced by COMPANY, PRODUCT or VENDOR.

    "Did Acme send this?" becomes "Did ourcompany send this?", so that one rule fits any incident.
    Names are replaced as whole words, in upper or lower case.
    """
    names = _names[0]
    kinds = {COMPANY: names.company, PRODUCT: names.products, VENDOR: names.vendors}
    for word, known in kinds.items():
        if known:
            text = _pattern(known).sub(word, text)
    return text


@cache
def _words(names: IncidentNames) -> frozenset[str]:
    parts = (part for name in names.all for part in re.findall(r"[\w-]+", name.lower()))
    return frozenset(part for part in parts if len(part) >= SHORTEST)


@cache
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(rf"(?i)(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
