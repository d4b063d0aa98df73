"""Guesses the settings of incident.yaml from a post alone: company, vendors, addresses, links.

Every guess is marked for review. Only links and addresses of the post itself may be sent, and a
wrong name only means that a rule does not recognise the right one.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

from bot.corpus.incident import Incident, is_mail_address
from bot.corpus.links import ADDRESS, LINK, domains, numbers_in
from bot.corpus.post import Post
from bot.corpus.published_page import PublishedPage
from bot.corpus.validation import RESTATES
from bot.resources import read_yaml
from bot.text.language import detect

KEY_LENGTH = 48
LANGUAGE_SAMPLE = 4_000  # characters of a post by which its language is detected
MOST_NAMES = 6  # vendors, and products, that are guessed at most; more would be noise
TARGET = re.compile(r"\]\(<?((?:https?://|mailto:)[^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
CAPITAL = "[A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĘĚĞİŁŃŇŐŘŚŞŠŤŮŰŹŻŽА-ЯЁІЇЄҐ]"
NAME = rf"\b{CAPITAL}[\w’'-]*(?:[ ](?:&[ ])?{CAPITAL}[\w’'-]*){{0,3}}"
LETTERS = re.compile(r"[^\W\d_]+")
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
NEAR = 40  # most characters between the words for "never" and "ask" in a sentence
DOCUMENTATION = "example"  # in example.com and the like, the company's name is one level below


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """One setting that was guessed: its name, its value in words and where it comes from."""

    setting: str
    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentGuess:
    """What was guessed of an incident, and the links, numbers and passages for its notes."""

    incident: Incident
    links: tuple[str, ...]
    numbers: tuple[str, ...]
    unlisted: tuple[str, ...]
    refusals: tuple[str, ...]
    guesses: tuple[Guess, ...]


def guess_incident(page: PublishedPage, post: Post) -> IncidentGuess:
    """Return every setting that the page states or that its text makes likely."""
    text = "\n".join([post.title, *(f"{p.heading}\n{p.text}" for p in post.passages)])
    targets = list(dict.fromkeys([*TARGET.findall(page.markdown), *_bare_links(text)]))
    mailbox, mailbox_from = _mailbox(page, targets, text)
    official = _official(page.url, mailbox, targets)
    company, company_from = _company(page, official, text)
    language = page.language or detect(text[:LANGUAGE_SAMPLE])
    vendors = _vendors(text, company) if company else ()
    products = _products(text, company, vendors) if company else ()
    allowed = [page.url, f"mailto:{mailbox}" if mailbox else "", *targets]
    listed = tuple(dict.fromkeys(each for each in allowed if each and _is_official(each, official)))
    hosts = {h for h in domains(text) if not _is_official(h, official)}
    files = tuple(sorted(h for h in hosts if not _is_domain(h)))
    foreign = [each for each in targets if not _is_official(each, official)]
    foreign += sorted(h for h in hosts if _is_domain(h) and not any(h in link for link in foreign))
    own_hosts = tuple(
        f"https://{h}/" for h in sorted(domains(text) - hosts) if not any(h in x for x in listed)
    )
    incident = Incident(
        key=_key(official, post.title), company=company, products=products, vendors=vendors,
        domains=official, mailbox=mailbox, language=language,
        review=("company", "products", "vendors", "domains", "mailbox", "language"),
    )  # fmt: skip
    return IncidentGuess(
        incident=incident,
        links=(*listed, *own_hosts, *files),
        numbers=numbers_in(text),
        unlisted=tuple(dict.fromkeys(foreign)),
        refusals=_refusals(post),
        guesses=(
            Guess(setting="company", value=company, source=company_from),
            Guess(setting="products", value=", ".join(products), source="names in the text"),
            Guess(setting="vendors", value=", ".join(vendors), source="other firms in the text"),
            Guess(setting="domains", value=", ".join(official), source="the page or the mailbox"),
            Guess(setting="mailbox", value=mailbox, source=mailbox_from),
            Guess(setting="language", value=language, source="its words"),
        ),
    )


def _bare_links(text: str) -> list[str]:
    """Return the links and addresses that are written out in the text."""
    addresses = [address.rstrip(".") for address in ADDRESS.findall(LINK.sub(" ", text))]
    links = [link.rstrip(".,;:!?)") for link in LINK.findall(text)]
    return [*links, *(f"mailto:{address}" for address in addresses)]


def _mailbox(page: PublishedPage, targets: list[str], text: str) -> tuple[str, str]:
    """Return the address for questions, stated by the page or else guessed, and its source."""
    if _is_mailbox(page.contact):
        return page.contact, "the page's contact"
    linked = (each.removeprefix("mailto:") for each in targets if each.startswith("mailto:"))
    addresses = filter(_is_mailbox, (each.partition("?")[0] for each in linked))
    hints = dict(enumerate(_words()["mailboxes"]))

    def rank(address: str) -> tuple[int, int]:
        named = (place for place, hint in hints.items() if hint in address.lower())
        return next(named, len(hints)), -text.count(address)

    ranked = sorted(addresses, key=rank)
    return (ranked[0], "an address in the text") if ranked else ("", "none found")


def _is_mailbox(text: str) -> bool:
    return bool(ADDRESS.fullmatch(text)) and is_mail_address(text)


def _official(url: str, mailbox: str, targets: Iterable[str]) -> tuple[str, ...]:
    """Return the domains of the page and the mailbox; else the domain of most links."""
    own = [_registered(_host(each)) for each in (url, mailbox) if each]
    if not own:
        counted = Counter(_registered(_host(each)) for each in targets)
        own = [name for name, _ in counted.most_common(1)]
    return tuple(dict.fromkeys(name for name in own if name))


def _company(page: PublishedPage, official: tuple[str, ...], text: str) -> tuple[str, str]:
    """Return the name that the text uses for the owner of the official domain, and its source."""
    label = official[0].split(".")[0] if official else ""
    parts = [part for part in label.split("-") if len(part) > 2]
    if page.publisher and _usable(page.publisher):
        return _without_department(page.publisher), "the page's publisher"
    names = Counter(found.strip() for found in re.findall(NAME, text))
    best: tuple[tuple[int, int, int], str] = ((0, 0, 0), "")
    for name, times in names.items():
        for size in range(len(name.split()), 0, -1):
            for begin in range(len(name.split()) - size + 1):
                piece = (
                    " ".join(name.split()[begin : begin + size])
                    .removesuffix("’s")
                    .removesuffix("'s")
                )
                best = max(best, (_fit(piece, label, parts, times), piece))
    if best[0][0]:
        return best[1], f"the domain {official[0]} and the text"
    return (
        (label.replace("-", " ").title(), f"the domain {official[0]}")
        if label
        else ("", "not found")
    )


def _without_department(publisher: str) -> str:
    """Return a publisher without its department: `Acme` for `Acme Help Centre`."""
    said = publisher.casefold()
    ends = [f" {each}" for each in _words()["departments"] if said.endswith(f" {each}")]
    return publisher[: -len(max(ends, key=len))].rstrip(" -–—|:,") if ends else publisher


def _fit(piece: str, label: str, parts: list[str], times: int) -> tuple[int, int, int]:
    """Return how well a name matches a domain's label, as a key for ranking (greater is better).

    The key is the number of matching letters, 0 and the frequency of the name; zeros for no match.
    """
    squashed = "".join(LETTERS.findall(piece.lower().translate(UMLAUTS)))
    whole = label.replace("-", "")
    if squashed == whole:
        return len(whole) + 1, 0, times
    if len(squashed) > 3 and (squashed in whole or squashed in parts):
        return len(squashed), 0, times
    return 0, 0, 0


def _vendors(text: str, company: str) -> tuple[str, ...]:
    """Return names of other firms or beside a word such as provider, the most frequent first."""
    words = [*_words()["vendors"], *_words()["vendor_phrases"]]
    alternatives = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    before = re.compile(rf"({NAME}),\s+(?:[\w’'-]+\s+){{0,5}}(?i:{alternatives})\b")
    behind = re.compile(rf"\b(?i:{alternatives})\b,?\s+(?:(?:called|named|namens)\s+)?({NAME})")
    named = [name for pattern in (before, behind) for name in pattern.findall(text)]
    named += [name for name in re.findall(NAME, text) if _without_form(name) != name]
    found = Counter(_without_role(_without_form(_bare_name(name))) for name in named)
    good = {n: text.count(n) for n in found if _usable(n) and not _same(n, company)}
    return tuple(sorted(good, key=lambda n: (-good[n], n))[:MOST_NAMES])


def _without_role(name: str) -> str:
    """Return `Acme` for `Dienstleister Acme`: German writes each noun with a capital letter."""
    words = name.split()
    return " ".join(words[1:]) if words and words[0].casefold() in _words()["vendors"] else name


def _products(text: str, company: str, vendors: tuple[str, ...]) -> tuple[str, ...]:
    """Return names that begin with the company's and go on, and names before a word such as app.

    A word that is only ever written with a capital letter where a sentence begins is no name.
    """
    own = re.compile(rf"\b{re.escape(company)} ({CAPITAL}[\w-]+(?: {CAPITAL}[\w-]+)?)")
    kinds = "|".join(map(re.escape, _words()["products"]))
    kind = re.compile(rf"(?<=[\w,;] )({CAPITAL}[\w-]{{2,}}) (?:{kinds})\b")
    found = Counter([f"{company} {name}" for name in own.findall(text) if _is_name(name)])
    found += Counter(name for name in kind.findall(text) if _is_name(name))
    good = [n for n, _ in found.most_common() if _is_product(n, company, vendors)]
    return tuple(good[:MOST_NAMES])


def _is_product(name: str, company: str, vendors: tuple[str, ...]) -> bool:
    """Return whether a name may be a product's: no firm, and no part of the company's own name."""
    own = f" {company} ".casefold()
    inside = f" {name} ".casefold() in own
    return _usable(name) and not inside and name not in vendors and _without_form(name) == name


def _is_name(words: str) -> bool:
    return words.split(maxsplit=1)[0].casefold() not in COMMON


def _refusals(post: Post) -> tuple[str, ...]:
    """Return the id of the shortest passage that says the publisher never asks for a secret."""
    words = _words()
    never, ask, secrets = (_pattern(words[name]) for name in ("never", "ask", "secrets"))
    good = []
    whole = [p for p in post.passages if len(p.sentences[0].split()) >= RESTATES]
    for passage in whole:  # a refusal quotes it without its heading, so a bare "No." is no use
        for sentence in passage.sentences:
            said = sentence.lower()
            asks = [m.start() for m in ask.finditer(said)]
            denied = any(abs(m.start() - a) <= NEAR for m in never.finditer(said) for a in asks)
            if denied and secrets.search(said):
                good.append((len(passage.text), passage.id))
    return (min(good)[1],) if good else ()


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    every = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    return re.compile(rf"(?<![a-zà-ÿ])(?:{every})(?![a-zà-ÿ])")


def _bare_name(name: str) -> str:
    return re.sub(r"[’']s?$", "", name.strip())


def _without_form(name: str) -> str:
    """`Acme` for `Acme Ltd`."""
    *words, last = name.split() or [""]
    return " ".join(words) if words and last.casefold() in _words()["legal_forms"] else name


def _usable(name: str) -> bool:
    first = name.lower().split()[0] if name.split() else ""
    return 2 < len(name) <= 80 and first not in COMMON and not set(name) & set("{}<>")


def _same(name: str, company: str) -> bool:
    return bool(set(name.lower().split()) & set(company.lower().split()))


COMMON_WORDS = (
    "the a an this that these those our your we you they it its in on at of for from and or but if "
    "as by to no not all any each every some when while since because what who how why where after "
    "before between until der die das den dem ein eine wir sie ihr ihre unser unsere und oder am "
    "im in bei mit von zu la el los las le les un une una nous vous nuestro su nos it is was has"
)
COMMON = frozenset(COMMON_WORDS.split())


def _key(official: tuple[str, ...], title: str) -> str:
    """Return a key for the journal: the label of the company's domain and words of the title."""
    label = official[0].split(".")[0] if official else ""
    plain = f"{label} {title}".lower().translate(UMLAUTS)
    words = re.findall(r"[a-z0-9]+", plain)
    return "-".join(words)[:KEY_LENGTH].strip("-") or "incident"


def _host(address: str) -> str:
    if "://" in address:
        return (urlsplit(address).hostname or "").lower()
    return address.removeprefix("mailto:").rsplit("@", 1)[-1].lower()


def _registered(host: str) -> str:
    """Return the registrable domain of a host; empty for none."""
    name = str(_suffixes().privatesuffix(host) or "")
    if name.split(".", maxsplit=1)[0] == DOCUMENTATION and host != name:
        return f"{host.removesuffix(f'.{name}').rsplit('.', 1)[-1]}.{name}"
    return name


def _is_official(address: str, official: tuple[str, ...]) -> bool:
    host = _host(address)
    return any(host == name or host.endswith(f".{name}") for name in official)


def _is_domain(host: str) -> bool:
    """Return whether the last part of a host is a known suffix, unlike that of package.json."""
    last = host.rsplit(".", 1)[-1]
    return last in {"example", "test", "invalid", "localhost"} or _known_suffixes().is_public(last)


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@cache
def _known_suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)


@cache
def _words() -> dict[str, Any]:
    words: dict[str, Any] = read_yaml("post_words.yaml")
    return words
