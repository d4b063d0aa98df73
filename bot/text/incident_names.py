"""Holds the names of the incident that this desk answers for, for whatever reads messages.

Code and data of the desk name no company and no product: rules that must tell the publisher, its
products or its vendors from other words ask here. The composition root says which names they are.
"""

import re
from dataclasses import dataclass
from functools import cache

# What `generalized` puts in place of a name; rules may look for these words in every language.
COMPANY, PRODUCT, VENDOR = "ourcompany", "ourproduct", "ourvendor"
POSSESSIVE = re.compile(r"['’]s$")
SHORTEST = 3  # letters of a part of a name that counts by itself, such as Orchard of Orchard & Vine


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentNames:
    """The names that a message about this incident may use: nothing in bot/ knows any of them.

    `company` publishes the post, `vendors` are other companies that the incident involves.
    """

    company: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Return every name once, the longest first, as a pattern of alternatives needs them."""
        every = dict.fromkeys((*self.company, *self.products, *self.vendors))
        return tuple(sorted(every, key=lambda name: (-len(name), name)))


_names = [IncidentNames()]  # one desk, one incident: those of this process


def set_incident_names(names: IncidentNames) -> None:
    """Let everything in this process know the names of its incident, in place of any before."""
    _names[0] = names


def incident_names() -> IncidentNames:
    """The names of the incident; none before they are set."""
    return _names[0]


def is_incident_name(word: str) -> bool:
    """Whether a word in lower case is one of the names, a part of one, or one with 's."""
    return POSSESSIVE.sub("", word) in _words(_names[0])


def generalized(text: str) -> str:
    """`text` with each name replaced by the word for what it is: one rule then fits any incident.

    "Did Acme send this?" becomes "Did ourcompany send this?". Whole words only, in any case.
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
