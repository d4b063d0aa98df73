"""Normalizes domains and addresses: the registrable domain, and one address for each mailbox.

The Public Suffix List comes with the library `publicsuffixlist`; nothing is downloaded.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache

import idna
from publicsuffixlist import PublicSuffixList


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A mail provider that gives one mailbox several addresses.

    `same_marks` are characters of the local part that are interchangeable: each is replaced by
    `mark`, and removed where `mark` is empty.
    """

    domain: str  # put in place of each of the provider's domains
    same_marks: str = ""
    mark: str = ""


GOOGLE = Provider(domain="gmail.com", same_marks=".")
APPLE = Provider(domain="icloud.com")
PROTON = Provider(domain="proton.me", same_marks=".-_")
YANDEX = Provider(domain="yandex.ru", same_marks=".-", mark="-")
# Large providers by domain, with the aliases that each documents for its users.
PROVIDERS = {
    "gmail.com": GOOGLE, "googlemail.com": GOOGLE,
    "icloud.com": APPLE, "me.com": APPLE, "mac.com": APPLE,
    "proton.me": PROTON, "protonmail.com": PROTON, "pm.me": PROTON, "protonmail.ch": PROTON,
    "yandex.ru": YANDEX, "yandex.com": YANDEX, "ya.ru": YANDEX,
    "yandex.by": YANDEX, "yandex.kz": YANDEX,
}  # fmt: skip
# Providers where a mailbox name can be a subdomain: any@ana.fastmail.com is the mailbox `ana`.
SUBDOMAIN_PROVIDERS = ("fastmail.com", "fastmail.fm")


def normalize_domain(domain: str) -> str:
    """Return a domain in lower case and ASCII (IDNA), without a dot at its end."""
    plain = domain.strip().rstrip(".").lower()
    if plain.isascii():
        return plain
    try:
        return idna.encode(plain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return plain


def registrable_domain(domain: str) -> str:
    """Return the domain that one owner has registered, such as `example.co.uk`.

    A public suffix such as `github.io`, under which others register, is returned as it is: it
    belongs to its operator and is equal to no domain below it.
    """
    plain = normalize_domain(domain)
    return _suffixes().privatesuffix(plain) or plain


def fold_address(address: str) -> str:
    """Return the same address for all those that lead to one mailbox.

    The tag after a plus in the local part is removed, and quotes around it; dots and domains are
    replaced as in `PROVIDERS`.
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
