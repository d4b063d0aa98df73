"""Knows who owns a domain and a mailbox: registrable domains, and addresses that are one mailbox.

The Public Suffix List comes with the library `publicsuffixlist`; nothing is downloaded.
"""

from functools import cache

import idna
from publicsuffixlist import PublicSuffixList

# Providers at which dots in the local part make no other mailbox, and the domain that stands for
# all of theirs.
DOT_BLIND_DOMAINS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}


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

    What follows a plus in the local part is a tag at every usual provider; Google ignores dots.
    """
    local, _, domain = address.strip().lower().rpartition("@")
    domain = normalize_domain(domain)
    local = local.partition("+")[0] or local
    if domain in DOT_BLIND_DOMAINS:
        domain, local = DOT_BLIND_DOMAINS[domain], local.replace(".", "")
    return f"{local}@{domain}"


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
