"""Reads whether our own receiving server authenticated the sender of a mail.

Anybody can write an Authentication-Results header, also one that carries the name of our server.
Only its position tells ours from a forged one, since a server adds its headers above those that it
was given. So only two places are read:

- Above the border, which is the first Received header that names a client outside
  (`channels/mail/hops.py`). Everything there is ours. Milters that each write a header with one
  method (Postfix with OpenDKIM, OpenDMARC and an SPF policy server) are read together.
- Between the border and the next Received header, where some servers insert their results
  (Sendmail, Gmail, older Postfix). What the sender wrote begins there too, so only the topmost
  header of our server can prove anything; those below it can only speak against the sender.

A header that cannot be parsed proves nothing, and neither does a mail without any result of ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import authres
import re2

from bot.channels.mail.hops import is_internal_hop
from bot.channels.mail.parse import ParsedMail
from bot.domain import SenderProof
from bot.text.domains import normalize_domain, registrable_domain

# A longer header is not parsed and counts as unreadable.
MAX_HEADER_CHARACTERS = 8000
# A mail has one or two such headers of ours; further ones are not parsed.
MAX_HEADERS = 20
COMMENT = re2.compile(r"\([^()]*\)")
OWNER = re2.compile(r'\s*(?:"([^"\s]+)"|([^"\s]+))(?:\s+[0-9]+)?\s*')
# The property in which the result of a method names the domain that it speaks of (RFC 8601).
DOMAIN_PROPERTIES = {
    "dmarc": ("header", "from"),
    "dkim": ("header", "d"),
    "spf": ("smtp", "mailfrom"),
}
PASS, FAIL, NONE = "pass", "fail", "none"
ParsedHeader: TypeAlias = "authres.AuthenticationResultsHeader | None"
"""A parsed header; None stands for one that cannot be parsed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Results:
    """The headers of our server: those that may prove a sender, and all that are read."""

    proving: Sequence[ParsedHeader]
    all: Sequence[ParsedHeader]


def prove_sender(mail: ParsedMail, authserv_id: str) -> SenderProof:
    """Return what the server `authserv_id` found out about the address in From.

    DMARC decides; where the domain publishes no policy, DKIM or SPF must have passed. Each counts
    for the domain in From or for another one of the same owner only. A DMARC result for a domain of
    somebody else says that the server read another From than we do, and then nothing is proven.
    """
    results = _read_results(mail, authserv_id)
    stated = _results_of("dmarc", results.all)
    if FAIL in stated:
        return SenderProof.FAILED
    if len(mail.senders) != 1 or not results.proving or None in results.proving:
        return SenderProof.UNPROVEN
    if _judges_another_sender(mail, results.proving):
        return SenderProof.UNPROVEN
    # `all` may hold forged headers; their contradiction harms only the sender who forged them.
    if _is_aligned("dmarc", mail, results.proving):
        proven = stated == {PASS}
    else:
        without = any(_is_aligned(each, mail, results.proving) for each in ("dkim", "spf"))
        proven = stated <= {NONE, PASS} and without
    return SenderProof.PROVEN if proven else SenderProof.UNPROVEN


def comes_from_own_server(mail: ParsedMail, authserv_id: str) -> bool:
    """Did our own server write this mail itself, such as a delivery report?

    Then none of its Received headers names a client outside.
    """
    hops = mail.values("received")
    return bool(authserv_id and hops) and all(is_internal_hop(each, authserv_id) for each in hops)


def are_aligned(domain: str, other: str) -> bool:
    """Do two domains have one owner, by the Public Suffix List (RFC 7489, section 3.1)?"""
    return "." in other and registrable_domain(domain) == registrable_domain(other)


def _is_aligned(method: str, mail: ParsedMail, headers: Sequence[ParsedHeader]) -> bool:
    """Did a method pass for the domain in From, or for another one of its owner?"""
    return any(
        str(result.result).lower() == PASS and are_aligned(_sender_domain(mail), _domain_of(result))
        for result in _list_results(method, headers)
    )


def _judges_another_sender(mail: ParsedMail, headers: Sequence[ParsedHeader]) -> bool:
    """Does a DMARC result name a domain of another owner than that of the domain in From?"""
    named = filter(None, map(_domain_of, _list_results("dmarc", headers)))
    return not all(are_aligned(_sender_domain(mail), domain) for domain in named)


def _sender_domain(mail: ParsedMail) -> str:
    return mail.sender.rpartition("@")[2]


def _domain_of(result: authres.AuthenticationResult) -> str:
    """Return the domain that a result speaks of; empty where it names none.

    OpenDMARC, Exim, rspamd, Gmail and Microsoft 365 name the domain in From with each DMARC result;
    rspamd names the domain of its owner where that one publishes the policy.
    """
    kind, name = DOMAIN_PROPERTIES.get(result.method, ("", ""))
    values = (
        str(each.value) for each in result.properties if (each.type, each.name) == (kind, name)
    )
    return normalize_domain(next(values, "").rpartition("@")[2])


def _list_results(
    method: str, headers: Sequence[ParsedHeader]
) -> list[authres.AuthenticationResult]:
    return [r for header in headers if header for r in header.results if r.method == method]


def _results_of(method: str, headers: Sequence[ParsedHeader]) -> set[str]:
    """Return the results of one method in lower case."""
    return {str(result.result).lower() for result in _list_results(method, headers)}


def _read_results(mail: ParsedMail, authserv_id: str) -> _Results:
    above: list[ParsedHeader] = []
    below: list[ParsedHeader] = []
    border = False
    for name, value in mail.headers:
        if name == "received":
            if border:
                break
            border = not is_internal_hop(value, authserv_id)
        elif name == "authentication-results" and _is_of(value, authserv_id):
            (below if border else above).append(_parse_header(value))
    above, below = above[:MAX_HEADERS], below[:MAX_HEADERS]
    # Without a border the sender may have written any header but the topmost, which is ours.
    proving = _chain(above) if border and above else (above or below)[:1]
    return _Results(proving=proving, all=(*above, *below))


def _chain(headers: Sequence[ParsedHeader]) -> list[ParsedHeader]:
    """Return the topmost header and those of further milters that follow it.

    Where each milter writes its own header, each has one method that none above it has.
    """
    chain: list[ParsedHeader] = []
    seen_methods: set[str] = set()
    for header in headers:
        methods = {r.method for r in header.results} if header else set()
        if chain and (
            len(methods) != 1 or methods & seen_methods or len(seen_methods) != len(chain)
        ):
            break
        chain.append(header)
        seen_methods |= methods
    return chain


def _is_of(value: str, authserv_id: str) -> bool:
    """Is this a header of our server?

    Its name may stand in quotes, beside a comment, and before a version (RFC 8601, section 2.2).
    What is written otherwise the server may not have known as its own, and so not have removed.
    """
    named = OWNER.fullmatch(COMMENT.sub(" ", value.partition(";")[0]))
    name = (named.group(1) or named.group(2)) if named else ""
    return name.isascii() and name.lower() == authserv_id.strip().lower()


def _parse_header(value: str) -> ParsedHeader:
    if len(value) > MAX_HEADER_CHARACTERS:
        return None
    # The library cannot parse quotes and comments around the server's name, which is known here,
    # nor a semicolon after the last result, which Yahoo writes.
    results = value.partition(";")[2].rstrip("; \t\r\n")
    try:
        return authres.AuthenticationResultsHeader.parse(f"Authentication-Results: ours;{results}")
    except (
        authres.AuthResError,
        AttributeError,
        LookupError,
        RecursionError,
        SyntaxError,
        ValueError,
    ):
        return None
