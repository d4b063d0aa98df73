"""Reads whether our own receiving server authenticated the sender of a mail.

Only Authentication-Results headers that carry the name of our server count, because anybody can
write such a header. One of ours that cannot be parsed counts as a result that is neither pass nor
fail.
"""

import authres

from bot.channels.mail.parse import ParsedMail

# A longer header is not parsed and counts as unreadable.
MAX_HEADER_CHARACTERS = 8000
# The result of a header that cannot be parsed.
UNREADABLE = "unreadable"


def dmarc_results(mail: ParsedMail, authserv_id: str) -> set[str]:
    """Returns the DMARC results, in lower case, of the headers that `authserv_id` wrote."""
    verdicts: set[str] = set()
    for header in _trusted_headers(mail, authserv_id):
        if header is None:
            verdicts.add(UNREADABLE)
            continue
        verdicts |= {str(r.result).lower() for r in header.results if r.method == "dmarc"}
    return verdicts


def is_proven(mail: ParsedMail, authserv_id: str) -> bool:
    """Did our server find that the From address is the sender's own: by DMARC, else by DKIM or
    SPF?
    """
    verdicts = dmarc_results(mail, authserv_id)
    return verdicts == {"pass"} or (not verdicts and is_aligned(mail, authserv_id))


def is_aligned(mail: ParsedMail, authserv_id: str) -> bool:
    """Did DKIM or SPF pass for the domain of the From address, or for a domain above it?"""
    proven: set[str] = set()
    for header in _trusted_headers(mail, authserv_id):
        for result in header.results if header else ():
            if str(result.result).lower() != "pass":
                continue
            if result.method == "dkim":
                proven.add(str(result.header_d or "").lower())
            elif result.method == "spf":
                proven.add(str(result.smtp_mailfrom or "").lower().rpartition("@")[2])
    domain = mail.sender.rpartition("@")[2]
    return any("." in d and (domain == d or domain.endswith(f".{d}")) for d in proven)


def _trusted_headers(
    mail: ParsedMail, authserv_id: str
) -> list[authres.AuthenticationResultsHeader | None]:
    """Returns the parsed headers of our server; None stands for one that cannot be parsed."""
    headers: list[authres.AuthenticationResultsHeader | None] = []
    for value in mail.values("authentication-results"):
        server = value.partition(";")[0].split()
        if not server or server[0].lower() != authserv_id.lower():
            continue
        headers.append(_parse_header(value))
    return headers


def _parse_header(value: str) -> authres.AuthenticationResultsHeader | None:
    if len(value) > MAX_HEADER_CHARACTERS:
        return None
    try:
        return authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}")
    except (
        authres.AuthResError,
        AttributeError,
        LookupError,
        RecursionError,
        SyntaxError,
        ValueError,
    ):
        return None
