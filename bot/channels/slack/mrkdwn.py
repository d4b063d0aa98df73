"""Makes hostile text harmless in Slack, and turns Slack's markup back into what was typed.

Text of users is shown only in rich_text and plain_text elements, in which Slack neither formats
text nor resolves links and mentions. This module also removes or breaks links, mentions and the
characters that reverse the direction of a line.
"""

import html
import re

import re2

from bot.text.printable import printable

SCHEME = re2.compile(r"(?i)([a-z][a-z0-9+.-]{1,20}):(//+)")
OPENER = re2.compile(r"(?i)(mailto|tel|sms|slack|javascript|data):(\S)")
DOT = re.compile(r"(?<=\w)[.．｡](?=[^\W_])")
DIGITS_ALONE = re.compile(r"(?<!\d)\d+[.．｡]\d+(?!\d|[.．｡]\d)")
TOKEN = re.compile(r"<(?=[!@#a-zA-Z/])")
BLANKS = re.compile(r"\n{3,}")
MENTION = re2.compile(r"<@[A-Z0-9]+(?:\|([^<>]*))?>")
CHANNEL = re2.compile(r"<#[A-Z0-9]+(?:\|([^<>]*))?>")
SPECIAL = re2.compile(r"<!([^<>|]+)(?:\|([^<>]*))?>")
LINK = re2.compile(r"<([a-z][a-z0-9+.-]*:[^<>|]+)(?:\|([^<>]*))?>")
ELLIPSIS = " …"
CUT_NOTE = " … [{count} more characters]"


def neutralize(text: str) -> str:
    """Return `text` with links defanged, mentions broken and invisible characters removed."""
    seen = BLANKS.sub("\n\n", strip_invisible(text))
    return TOKEN.sub("‹", defang(seen))


def strip_invisible(text: str) -> str:
    """Return `text` without invisible characters and those that reverse a line."""
    return printable(text).strip()


def defang(text: str) -> str:
    """Return `text` with links, hosts and addresses written so that nobody can click them."""
    text = OPENER.sub(r"\1[:]\2", SCHEME.sub(r"\1[:]\2", text))
    return _dots(text)


def truncate(text: str, limit: int) -> str:
    """Return at most `limit` characters of our own words."""
    return text if len(text) <= limit else text[: limit - len(ELLIPSIS)].rstrip() + ELLIPSIS


def truncate_counted(text: str, limit: int) -> str:
    """Return at most `limit` characters of a mail or a draft, with the number of those left out."""
    if len(text) <= limit:
        return text
    kept = limit - len(CUT_NOTE) - len(str(len(text)))
    return text[:kept] + CUT_NOTE.format(count=len(text) - kept)


def split_text(text: str, limit: int) -> list[str]:
    """Split `text` into parts of at most `limit` characters, after a paragraph, line or word."""
    parts, rest = [], text
    while len(rest) > limit:
        ends = (rest.rfind(mark, 0, limit) + len(mark) for mark in ("\n\n", "\n", " "))
        end = next((end for end in ends if limit // 2 < end <= limit), limit)
        parts.append(rest[:end])
        rest = rest[end:]
    return [*parts, rest]


def mask_address(address: str) -> str:
    """Return an address masked: enough to tell two senders apart, too little to write to one."""
    shown = truncate(neutralize(address), 200)
    name, at, host = shown.rpartition("@")
    return f"{name[:1]}•••{at}{host}" if at else f"{shown[:1]}•••"


def escape(text: str) -> str:
    """Escape our own words for Slack's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def decode_typed_text(text: str) -> str:
    """Return what somebody typed into Slack: entities decoded, references by their label."""
    text = MENTION.sub("@somebody", text)
    text = CHANNEL.sub(r"#\1", text)
    text = SPECIAL.sub(lambda match: match.group(2) or f"@{match.group(1)}", text)
    text = LINK.sub(_link, text)
    return html.unescape(text).strip()


def _link(match: "re2._Match[str]") -> str:
    """Return a link as its label and address, or as its address alone where they are the same."""
    target, label = match.group(1), match.group(2) or ""
    shown = target.removeprefix("mailto:")
    return shown if label in ("", shown, target) else f"{label} ({shown})"


def _dots(text: str) -> str:
    """Put brackets around each dot inside a word, but not inside a plain number."""
    parts, place = [], 0
    for number in DIGITS_ALONE.finditer(text):
        parts += [DOT.sub("[.]", text[place : number.start()]), number.group()]
        place = number.end()
    return "".join([*parts, DOT.sub("[.]", text[place:])])
