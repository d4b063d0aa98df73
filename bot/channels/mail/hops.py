"""Reads the trace of a mail: which Received headers tell of hops within our own receiving system.

Each server writes its Received header on top of what it was given. The border is the first one,
from the top, that tells of a client outside: whatever stands above it our own servers have written,
and whatever the sender wrote stands below it.
"""

import ipaddress

import re2

from bot.text.domains import registrable_domain

# The protocols by which a server hands a mail to a mailbox on its own side (RFC 3848, RFC 2033).
DELIVERY_PROTOCOLS = ("lmtp",)
COMMENT = re2.compile(r"\([^()]*\)")
BRACKETED_ADDRESS = re2.compile(r"(?i)\[(?:ipv6:)?([0-9a-f.:]+)\]")
# The name that the server itself looked up for its client, before the address of the client.
RESOLVED_NAME = re2.compile(r"\(\s*([\pL\pN._-]+?)\.?\s+\[")
MAX_COMMENT_DEPTH = 5


def is_internal_hop(received: str, authserv_id: str) -> bool:
    """Does this Received header tell of a hop within our own receiving system?

    It has no client at all, hands over by LMTP, or its client is this machine, or one on a private
    network whose resolved name belongs to the owner of `authserv_id`. The name in HELO, which the
    client chooses, proves nothing.
    """
    if not received.lstrip().lower().startswith("from "):
        return True
    if _protocol(received).startswith(DELIVERY_PROTOCOLS):
        return True
    try:
        clients = [ipaddress.ip_address(each) for each in BRACKETED_ADDRESS.findall(received)]
    except ValueError:
        return False
    if not clients:
        return False
    if all(each.is_loopback for each in clients):
        return True
    names = RESOLVED_NAME.findall(received)
    owner = registrable_domain(authserv_id)
    ours = bool(names) and all(registrable_domain(name) == owner for name in names)
    return ours and all(each.is_private for each in clients)


def _protocol(received: str) -> str:
    """Returns the protocol after the last `by`, in lower case; empty where none is named."""
    text = received
    for _ in range(MAX_COMMENT_DEPTH):
        text = COMMENT.sub(" ", text)
    words = text.rpartition(";")[0].lower().split() or text.lower().split()
    places = [place for place, word in enumerate(words) if word == "by"]
    after = words[places[-1] :] if places else []
    return after[after.index("with") + 1] if "with" in after[:-1] else ""
