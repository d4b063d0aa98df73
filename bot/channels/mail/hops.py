"""Reads the trace of a mail: which Received headers tell of hops within our own receiving system.

Each server adds its Received header above the headers that it was given. The border is the first
one, from the top, that names a client outside: our own servers wrote every header above it, and
whatever the sender wrote stands below it.
"""

import ipaddress
from contextlib import suppress
from typing import TypeAlias

import re2

from bot.text.domains import registrable_domain

# The protocols by which a server hands a mail to a mailbox on its own side (RFC 3848, RFC 2033).
DELIVERY_PROTOCOLS = ("lmtp",)
QUOTED = re2.compile(r'"(?:[^"\\]|\\.)*"')
COMMENT = re2.compile(r"\([^()]*\)")
LAST_BY = re2.compile(r"(?is)^(.*)\bby\b")
BRACKETED_ADDRESS = re2.compile(r"(?i)\[(?:ipv6:)?([0-9a-f.:]+)\]")
# Matches a word of the header; an address without brackets counts only as a whole word.
BARE_WORD = re2.compile(r"[\pL\pN.:_-]+")
# The name that the server itself looked up for its client, before the address of the client.
RESOLVED_NAME = re2.compile(r"\(\s*([\pL\pN._-]+?)\.?\s+\[")
MAX_COMMENT_DEPTH = 5
# Networks that nobody outside can send from (RFC 1122, 1918, 3927, 4193, 4291).
INNER_NETWORKS = tuple(
    ipaddress.ip_network(each)
    for each in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"


def is_internal_hop(received: str, authserv_id: str) -> bool:
    """Does this Received header tell of a hop within our own receiving system?

    It has no client at all, or its client is this machine, or one on a private network that hands
    over by LMTP or whose resolved name belongs to the owner of `authserv_id`. The name in HELO and
    the addresses of the envelope, which the client chooses, prove nothing.
    """
    if not received.lstrip().lower().startswith("from "):
        return True
    try:
        clients = [ipaddress.ip_address(each) for each in BRACKETED_ADDRESS.findall(received)]
    except ValueError:
        return False
    bare = _bare_addresses(received)
    if not all(map(_is_inner, [*clients, *bare])):
        return False
    if _protocol(received).startswith(DELIVERY_PROTOCOLS):
        return True
    # An address without brackets may be what the client calls itself, so it proves nothing alone.
    if clients and all(each.is_loopback for each in [*clients, *bare]):
        return True
    names, owner = RESOLVED_NAME.findall(received), registrable_domain(authserv_id)
    return bool(names) and all(registrable_domain(name) == owner for name in names)


def _is_inner(address: Address) -> bool:
    return any(address in network for network in INNER_NETWORKS)


def _bare_addresses(received: str) -> list[Address]:
    """Return the addresses without brackets before the last `by`, as qmail and Exchange write."""
    before = LAST_BY.match(_blank_free_text(received))
    addresses: list[Address] = []
    for word in BARE_WORD.findall(received[: len(before.group(1))] if before else received):
        with suppress(ValueError):
            addresses.append(ipaddress.ip_address(word.strip(".").lower().removeprefix("ipv6:")))
    return addresses


def _protocol(received: str) -> str:
    """Return the protocol after the last `by`, in lower case; empty where none is named."""
    text = _blank_free_text(received)
    words = text.rpartition(";")[0].lower().split() or text.lower().split()
    places = [index for index, word in enumerate(words) if word == "by"]
    after = words[places[-1] :] if places else []
    return after[after.index("with") + 1] if "with" in after[:-1] else ""


def _blank_free_text(received: str) -> str:
    """Return the header with spaces in the place of quoted strings and comments.

    The client chooses what stands in both. Quoted strings are replaced first, as they may hold
    parentheses.
    """
    text = str(QUOTED.sub(_blank, received))
    for _ in range(MAX_COMMENT_DEPTH):
        text = str(COMMENT.sub(_blank, text))
    return text


def _blank(found: "re2._Match[str]") -> str:
    return " " * len(found.group())
