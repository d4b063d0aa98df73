"""Hostile text -> text that Slack shows and does nothing with; Slack's text -> what was typed.

What users wrote stands only in rich_text and plain_text elements, which Slack neither formats nor
resolves; here it also loses what could be clicked, mention somebody or turn the line around.
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
MORE = " …"
CUT = " … [{count} more characters]"


def neutralize(text: str) -> str:
    """`text` with links defanged, mentions broken, invisible characters gone; all of it."""
    seen = BLANKS.sub("\n\n", strip_invisible(text))
    return TOKEN.sub("‹", defang(seen))


def strip_invisible(text: str) -> str:
    """`text` without what nobody sees or what turns a line around."""
    return printable(text).strip()


def defang(text: str) -> str:
    """Links, hosts and addresses that nobody can click."""
    text = OPENER.sub(r"\1[:]\2", SCHEME.sub(r"\1[:]\2", text))
    return _dots(text)


def truncate(text: str, limit: int) -> str:
    """At most `limit` characters of our own words."""
    return text if len(text) <= limit else text[: limit - len(MORE)].rstrip() + MORE


def truncate_counted(text: str, limit: int) -> str:
    """At most `limit` characters of a mail or a draft; says how many more there are."""
    if len(text) <= limit:
        return text
    kept = limit - len(CUT) - len(str(len(text)))
    return text[:kept] + CUT.format(count=len(text) - kept)


def split_text(text: str, limit: int) -> list[str]:
    """`text` in pieces, cut after a paragraph, a line or a word where there is one."""
    found, rest = [], text
    while len(rest) > limit:
        ends = (rest.rfind(mark, 0, limit) + len(mark) for mark in ("\n\n", "\n", " "))
        end = next((end for end in ends if limit // 2 < end <= limit), limit)
        found.append(rest[:end])
        rest = rest[end:]
    return [*found, rest]


def mask_address(address: str) -> str:
    """Enough to tell two senders apart, too little to write to one."""
    shown = truncate(neutralize(address), 200)
    name, at, host = shown.rpartition("@")
    return f"{name[:1]}•••{at}{host}" if at else f"{shown[:1]}•••"


def escape(text: str) -> str:
    """For our own words in mrkdwn."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def decode_typed_text(text: str) -> str:
    """What somebody typed into Slack: entities decoded, references by their label."""
    text = MENTION.sub("@somebody", text)
    text = CHANNEL.sub(r"#\1", text)
    text = SPECIAL.sub(lambda found: found.group(2) or f"@{found.group(1)}", text)
    text = LINK.sub(_link, text)
    return html.unescape(text).strip()


def _link(found: "re2._Match[str]") -> str:
    target, label = found.group(1), found.group(2) or ""
    shown = target.removeprefix("mailto:")
    return shown if label in ("", shown, target) else f"{label} ({shown})"


def _dots(text: str) -> str:
    """A dot inside a word gets brackets; one inside a plain number stays."""
    parts, place = [], 0
    for number in DIGITS_ALONE.finditer(text):
        parts += [DOT.sub("[.]", text[place : number.start()]), number.group()]
        place = number.end()
    return "".join([*parts, DOT.sub("[.]", text[place:])])
