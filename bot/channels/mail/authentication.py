"""What our own receiving server found out about the sender.

Only Authentication-Results that carry its name count: anybody can write the header. A header of
that name that cannot be read counts as a result that is neither pass nor fail.
"""

import authres

from bot.channels.mail.parse import ParsedMail

MAX_HEADER_CHARACTERS = 8000
UNREADABLE = "unreadable"


def dmarc_results(mail: ParsedMail, authserv_id: str) -> set[str]:
    """The results of DMARC in the headers of `authserv_id`."""
    verdicts: set[str] = set()
    for header in _trusted_headers(mail, authserv_id):
        if header is None:
            verdicts.add(UNREADABLE)
            continue
        verdicts |= {str(r.result).lower() for r in header.results if r.method == "dmarc"}
    return verdicts


def is_proven(mail: ParsedMail, authserv_id: str) -> bool:
    """Did our server find that the From address is the sender's own: DMARC, else DKIM or SPF?"""
    verdicts = dmarc_results(mail, authserv_id)
    return verdicts == {"pass"} or (not verdicts and is_aligned(mail, authserv_id))


def is_aligned(mail: ParsedMail, authserv_id: str) -> bool:
    """Did DKIM or SPF pass for the domain of the From address, or for one above it?"""
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
