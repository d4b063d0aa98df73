"""Knows who owns a domain and a mailbox: registrable domains, and addresses that are one mailbox.

The Public Suffix List comes with the library `publicsuffixlist`; nothing is downloaded.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache

import idna
from publicsuffixlist import PublicSuffixList


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One that gives a mailbox several addresses: at all its domains, and with other marks.

    `same_marks` are characters of the local part that stand for each other; where `mark` is empty,
    they mean nothing.
    """

    domain: str  # stands for all of them
    same_marks: str = ""
    mark: str = ""


GOOGLE = Provider(domain="gmail.com", same_marks=".")
APPLE = Provider(domain="icloud.com")
PROTON = Provider(domain="proton.me", same_marks=".-_")
YANDEX = Provider(domain="yandex.ru", same_marks=".-", mark="-")
# Large providers, and what each documents for its users.
PROVIDERS = {
    "gmail.com": GOOGLE, "googlemail.com": GOOGLE,
    "icloud.com": APPLE, "me.com": APPLE, "mac.com": APPLE,
    "proton.me": PROTON, "protonmail.com": PROTON, "pm.me": PROTON, "protonmail.ch": PROTON,
    "yandex.ru": YANDEX, "yandex.com": YANDEX, "ya.ru": YANDEX,
    "yandex.by": YANDEX, "yandex.kz": YANDEX,
}  # fmt: skip
# Providers at which the name of a mailbox may stand before the domain: any@ana.fastmail.com.
SUBDOMAIN_PROVIDERS = ("fastmail.com", "fastmail.fm")


def normalize_domain(domain: str) -> str:
    """Returns a domain in lower case and ASCII (IDNA), without a dot at its end."""
    plain = domain.strip().rstrip(".").lower()
    if plain.isascii():
        return plain
    try:
        return idna.encode(plain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return plain


def registrable_domain(domain: str) -> str:
    """Returns the domain that one owner has registered, such as `example.co.uk`.

    A public suffix itself, under which others register, such as `github.io`, is returned as it is:
    it is nobody's but its operator's, and equal to no domain below it.
    """
    plain = normalize_domain(domain)
    return _suffixes().privatesuffix(plain) or plain


def fold_address(address: str) -> str:
    """Returns one address for all those that lead to the same mailbox.

    What follows a plus in the local part is a tag at every usual provider; some ignore dots, or
    have several domains (`PROVIDERS`). Quotes around a local part are none of it.
    """
    local, _, domain = unicodedata.normalize("NFKC", address).strip().lower().rpartition("@")
    domain = normalize_domain(domain)
    local = local.strip('"')
    local = local.partition("+")[0] or local
    for provider in SUBDOMAIN_PROVIDERS:
        if domain.endswith(f".{provider}"):
            local, domain = domain.removesuffix(f".{provider}").rpartition(".")[2], provider
    if known := PROVIDERS.get(domain):
        local = local.translate(dict.fromkeys(map(ord, known.same_marks), known.mark))
        domain = known.domain
    return f"{local}@{domain}"


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
