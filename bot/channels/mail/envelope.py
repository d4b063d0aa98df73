"""Converts addresses to the form that an SMTP envelope and a header can carry.

The domain of an internationalised address travels in its ASCII form (IDNA, RFC 5891); what stands
before the @ has no such form and needs a server that offers SMTPUTF8 (RFC 6531).
"""

from email.utils import parseaddr

import idna

from bot.errors import InputError


def recipient_address(sender: str) -> str:
    """Return the address that a reply to `sender` goes to; InputError when there is none."""
    address = parseaddr(sender)[1]
    if "@" not in address or any(c.isspace() or not c.isprintable() for c in address):
        raise InputError(f"{sender!r} is no address that a reply can go to")
    return envelope_address(address)


def envelope_address(address: str) -> str:
    """Return the address with its domain in ASCII; InputError when the domain has no such form."""
    local, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return f"{local}{at}{idna.encode(domain, uts46=True).decode('ascii')}"
    except (idna.IDNAError, UnicodeError):
        raise InputError(f"{domain!r} is no domain that a mail can be sent to") from None


def needs_utf8(address: str) -> bool:
    """Does this address, its domain being in ASCII, need a server that offers SMTPUTF8?"""
    return not address.isascii()
