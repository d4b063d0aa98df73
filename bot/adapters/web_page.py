"""Fetches one web page, by http or https only, with bounds on time, size and redirects."""

import urllib.error
import urllib.request
from contextlib import closing
from urllib.parse import urlsplit

from bot.errors import InputError, MissingError

MAX_BYTES = 4_000_000
MAX_SECONDS = 20.0  # without any byte; a page that arrives slowly ends at MAX_BYTES
MAX_REDIRECTS = 5
HEADERS = [("User-Agent", "incident-desk"), ("Accept", "text/html, text/markdown, text/plain")]


class _FewRedirects(urllib.request.HTTPRedirectHandler):
    max_redirections = MAX_REDIRECTS


def fetch_page(address: str) -> bytes:
    """Return the bytes of the page at `address`.

    It raises InputError for a scheme other than http and https and for too large a page, and
    MissingError where the page cannot be fetched.
    """
    if urlsplit(address).scheme not in {"http", "https"}:
        raise InputError(f"{address!r} is no address of a page; it begins with https://")
    opener = urllib.request.OpenerDirector()  # without handlers for files and other schemes
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(), _FewRedirects(), urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    opener.addheaders = HEADERS
    try:
        with closing(opener.open(address, timeout=MAX_SECONDS)) as page:
            content = bytes(page.read(MAX_BYTES + 1))
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise MissingError(
            f"{address} cannot be had ({reason}); save the page in a browser, and give its file "
            "with --post"
        ) from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{address} has over {MAX_BYTES:,} bytes; save the text of the post alone")
    return content
