"""Writes the HTML part of a mail from its plain text, and checks one against the other.

It is plain: paragraphs, headings, quotes, lists and listed links. Nothing is loaded, no colour is
set but that of a rule beside quotes, and every style is defined in this module. The check shares no
code with the writer: it reads the finished HTML tag by tag.
"""

import html
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import re2

from bot.corpus.links import ADDRESS, ENDS, LINK
from bot.text.language import recognize_language

if TYPE_CHECKING:
    from collections.abc import Collection

INDENT = "    "  # of a quoted passage in a plain text
BULLET = "- "
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})
PARAGRAPH = re2.compile(r"\n[ \t]*\n\s*?")
HEAD = (
    '<head>\n<meta charset="utf-8">\n<meta name="color-scheme" content="light dark">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n</head>'
)
BODY_STYLE = (
    "margin:0 auto;padding:16px;max-width:40em;color-scheme:light dark;overflow-wrap:break-word;"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
)
PARAGRAPH_STYLE = "margin:0 0 16px"
HEADING_STYLE = "margin:24px 0 8px;font-size:1em;font-weight:bold"
QUOTE_STYLES = {
    "ltr": "margin:0 0 16px;padding:0 0 0 12px;border-left:3px solid #888888",
    "rtl": "margin:0 0 16px;padding:0 12px 0 0;border-right:3px solid #888888",
}
QUOTED_STYLE = "margin:0"
QUOTED_LIST_STYLE = "margin:8px 0 0;padding:0 20px"
LIST_STYLE = "margin:0 0 16px;padding:0 20px"
FOOTNOTE_STYLE = "margin:24px 0 0;font-size:14px"
STYLES = {
    "p": {PARAGRAPH_STYLE, QUOTED_STYLE, FOOTNOTE_STYLE},
    "h2": {HEADING_STYLE},
    "blockquote": set(QUOTE_STYLES.values()),
    "ul": {LIST_STYLE, QUOTED_LIST_STYLE},
}
DOCUMENT = re2.compile(
    r'(?s)<!doctype html>\n<html lang="[a-z]{2}" dir="(?:ltr|rtl)">\n'
    + re2.escape(HEAD)
    + r'\n<body style="'
    + re2.escape(BODY_STYLE)
    + r'">\n(.*)\n</body>\n</html>\n'
)
TOKEN = re2.compile(r'<(/?)([a-z0-9]+)((?: [a-z]+="[^"<>]*")*)>|((?:[^<>&]|&amp;|&lt;|&gt;)+)')
ATTRIBUTE = re2.compile(r' ([a-z]+)="([^"<>]*)"')
CHILDREN = {
    "": {"p", "h2", "blockquote", "ul"},
    "blockquote": {"p", "ul"},
    "ul": {"li"},
    "p": {"a", "br"},
    "h2": {"a"},
    "li": {"a"},
    "a": set[str](),
}
HOLDS_TEXT = frozenset({"p", "h2", "li", "a"})


def html_of(text: str, *, language: str, links: "Collection[str]", footnote: bool = False) -> str:
    """Return the plain text of a mail as HTML with the same words.

    An indented paragraph is a quote, and the paragraph right above it is its heading. Those of
    `links` that occur in the text can be clicked. `footnote` sets the last paragraph small.
    """
    blocks = [block for block in PARAGRAPH.split(text.replace("\r", "").strip("\n")) if block]
    last = len(blocks) - 1
    body = "\n".join(
        piece
        for index, block in enumerate(blocks)
        for piece in _Writer(language, links).write(block, small=footnote and index == last)
    )
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    return (
        f'<!doctype html>\n<html lang="{language}" dir="{direction}">\n{HEAD}\n'
        f'<body style="{BODY_STYLE}">\n{body}\n</body>\n</html>\n'
    )


def object_to_html(source: str, text: str, links: "Collection[str]") -> str:
    """Return why the HTML part `source` of a mail may not be sent; empty when it may.

    It may have only the tags, attributes and links of `html_of`, and must have exactly the words of
    the plain `text`.
    """
    document = DOCUMENT.fullmatch(source.replace("\r\n", "\n"))
    if document is None:
        return "its HTML is not framed as the desk does it"
    checker = _BodyChecker(frozenset(links))
    if why := checker.check(document.group(1)):
        return why
    return "" if " ".join("".join(checker.said).split()) == " ".join(text.split()) else (
        "its HTML does not say what its plain text says"
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes paragraphs of one mail."""

    language: str
    links: "Collection[str]"

    def write(self, block: str, *, small: bool) -> Iterator[str]:
        """Yield the elements of one paragraph of the plain text."""
        lines = block.split("\n")
        above = [line for line in lines if not line.startswith(INDENT)]
        quoted = [line.removeprefix(INDENT) for line in lines if line.startswith(INDENT)]
        if lines != [*above, *(INDENT + line for line in quoted)]:
            above, quoted = lines, []  # mixed, so it is written as a plain paragraph
        if above and quoted and len(above) == 1:
            yield self._element("h2", self._inline(above[0]), above[0], HEADING_STYLE)
        elif above:
            style = FOOTNOTE_STYLE if small else PARAGRAPH_STYLE
            inner = "<br>\n".join(map(self._inline, above))
            yield self._element("p", inner, " ".join(above), style)
        if quoted:
            yield self._quote(quoted)

    def _quote(self, lines: list[str]) -> str:
        quoted_text = " ".join(lines)
        items = [line.removeprefix(BULLET) for line in lines if line.startswith(BULLET)]
        first = [line for line in lines if not line.startswith(BULLET)]
        if lines != [*first, *(BULLET + item for item in items)]:
            first, items = lines, []
        points = "\n".join(f"<li>{self._inline(item)}</li>" for item in items)
        if not first:
            return self._element("ul", f"\n{points}\n", quoted_text, LIST_STYLE)
        inner = f'<p style="{QUOTED_STYLE}">' + "<br>\n".join(map(self._inline, first)) + "</p>"
        if items:
            inner += f'\n<ul style="{QUOTED_LIST_STYLE}">\n{points}\n</ul>'
        return self._element(
            "blockquote",
            f"\n{inner}\n",
            quoted_text,
            QUOTE_STYLES[direction_of(quoted_text, self.language)],
        )

    def _element(self, tag: str, inner: str, content: str, style: str) -> str:
        direction = direction_of(content, self.language)
        marks = f' dir="{direction}"' if direction != direction_of("", self.language) else ""
        # The only other language in a reply is the English of the post.
        if self.language != "en" and recognize_language(content) == "en":
            marks = f' lang="en"{marks}'
        return f'<{tag}{marks} style="{style}">{inner}</{tag}>'

    def _inline(self, line: str) -> str:
        """Return a line as escaped HTML with its listed links as anchors."""
        pieces: list[str] = []
        position = 0
        for start, end in _spans_of_links(line):
            shown = line[start:end]
            target = next((t for t in (shown, f"mailto:{shown}") if t in self.links), "")
            if target and start >= position:
                pieces.append(html.escape(line[position:start], quote=False))
                escaped = html.escape(shown, quote=False)
                pieces.append(f'<a href="{html.escape(target)}">{escaped}</a>')
                position = end
        return "".join([*pieces, html.escape(line[position:], quote=False)])


def direction_of(text: str, language: str) -> str:
    """Return `ltr` or `rtl` by the first letter of a text, or without one by its language."""
    for char in text:
        match unicodedata.bidirectional(char):
            case "L":
                return "ltr"
            case "R" | "AL":
                return "rtl"
            case _:
                pass
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"


def _spans_of_links(line: str) -> Iterable[tuple[int, int]]:
    """Return where links and addresses stand, without the punctuation behind them, in order."""
    spans = {
        (match.start(), match.start() + len(match.group().rstrip(ENDS)))
        for pattern in (LINK, ADDRESS)
        for match in pattern.finditer(line)
    }
    return sorted(spans)


@dataclass(slots=True)
class _BodyChecker:
    """Reads the body of an HTML part and collects what it says."""

    links: frozenset[str]
    said: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=lambda: [""])
    _target: str = ""  # of the link that is open

    def check(self, body: str) -> str:
        """Return what is not allowed in the body; empty for nothing."""
        position = 0
        while position < len(body):
            token = TOKEN.match(body, position)
            if token is None:
                return "its HTML has something else than plain elements and text"
            ends, tag, attributes, text = token.groups()
            if text is not None:
                why = self._text(html.unescape(text))
            elif ends:
                why = self._end(tag)
            else:
                why = self._begin(tag, attributes)
            if why:
                return why
            position = token.end()
        return "" if self._open == [""] else "an element of its HTML does not end"

    def _text(self, text: str) -> str:
        if text.strip() and self._open[-1] not in HOLDS_TEXT:
            return "its HTML has text where none belongs"
        if self._target and text != self._target.removeprefix("mailto:"):
            return "a link of its HTML shows another address than it leads to"
        self.said.append(text)
        return ""

    def _begin(self, tag: str, attributes: str) -> str:
        values = dict(ATTRIBUTE.findall(attributes))
        if tag not in CHILDREN[self._open[-1]] or not self._may_have(tag, values, attributes):
            return f"its HTML has an element that no reply has: {tag}"
        self.said.append(f" {BULLET}" if tag == "li" else " " if tag != "a" else "")
        if tag != "br":
            self._open.append(tag)
        if tag == "a":
            self._target = values["href"]
        return ""

    def _may_have(self, tag: str, values: dict[str, str], attributes: str) -> bool:
        """Return whether the element may have these attributes and values, each once."""
        if len(values) != len(ATTRIBUTE.findall(attributes)):
            return False
        if tag == "a":
            return values.keys() == {"href"} and values["href"] in self.links
        allowed = {"dir": {"ltr", "rtl"}, "lang": {"en"}, "style": STYLES.get(tag, set())}
        if tag in ("br", "li"):
            return not values
        return "style" in values and all(
            name in allowed and value in allowed[name] for name, value in values.items()
        )

    def _end(self, tag: str) -> str:
        if self._open[-1] != tag or not tag:
            return "an element of its HTML ends where it does not belong"
        if tag == "a":
            self._target = ""
        else:
            self.said.append(" ")
        self._open.pop()
        return ""
