"""Turns a tree of MIME parts into the text that a mail program would show."""

from dataclasses import dataclass

import re2

from bot.channels.mail.charsets import charset_in_source
from bot.channels.mail.decode import charsets_in_header, decode_text, repair_double_encoding
from bot.channels.mail.html import MAX_SOURCE_CHARACTERS, MAX_STEPS, html_text
from bot.channels.mail.mime import Flow, LimitError, MimePart, first_value

# Characters of a mail's text that are kept; a longer text is cut.
MAX_TEXT_CHARACTERS = 200_000
# Bytes of one plain part that are decoded: four a character, the most that UTF-8 takes.
MAX_PLAIN_BYTES = 4 * MAX_TEXT_CHARACTERS
PLAIN_TYPES = ("text/plain", "text/markdown", "text/enriched")
# A text of more different words than this is not taken for a mere note to read another part.
MAX_PLACEHOLDER_WORDS = 80
# The least share of words that a plain text shares with its HTML twin when both say the same.
SAME_MESSAGE_SHARE = 0.5
# A part with at least so many times the words of another says more than it.
SAYS_MORE_RATIO = 3
WORD = re2.compile(r"[\pL\pM\pN]+")
# Placeholders of pictures, links, and invisible characters.
WORDLESS = re2.compile(
    r"(?i)\[(?:cid:|image|inline|img|bild|logo)[^\]\n]{0,200}\]|<?(?:https?://|cid:|mailto:)[^\s>\]]+>?|"
    r"[\p{Cf}\x{034f}\x{115f}\x{1160}\x{3164}\x{ffa0}\x{fffc}\x{2800}]"
)
# A note that the mail can be read only as HTML names HTML or a browser, in whatever language.
POINTS_ELSEWHERE = re2.compile(
    r"(?i)html|browser|navigat|webseite|web version|mime|ブラウザ|浏览器|瀏覽器|브라우저"
)
ASKING = re2.compile(r"[?？؟]\s*(?:$|[\s\"')”»])")
QUOTES = re2.compile(r"^>+")
SIGNATURE_MARK = "-- "

# A piece of text, and whether something was hidden in its source.
ShownText = tuple[str, bool]


def extract_body_text(tree: MimePart) -> tuple[str, bool]:
    """Return all inline text of a mail, and whether some of it was hidden.

    Where two parts say the same, the plain one is taken before HTML. The text is cut at
    MAX_TEXT_CHARACTERS. LimitError is raised when there is too much HTML.
    """
    reader = _BodyReader(hints=charsets_in_header(first_value(tree.headers, "subject")))
    pieces = reader.shown(tree)
    text = "\n".join(text for text, _ in pieces if text.strip())
    return text[:MAX_TEXT_CHARACTERS], any(hidden for _, hidden in pieces)


@dataclass(slots=True)
class _BodyReader:
    """Reads the parts of one mail, within one limit on HTML for all of them together."""

    hints: tuple[str, ...] = ()  # character sets that the subject names
    steps: int = MAX_STEPS
    characters: int = MAX_SOURCE_CHARACTERS

    def shown(self, part: MimePart) -> list[ShownText]:
        """Return the pieces of text under a part, in order."""
        if part.content_type == "multipart/alternative" and part.children:
            return self._chosen(part)
        if part.children:
            return [piece for child in part.children for piece in self.shown(child)]
        if part.disposition == "attachment":
            return []
        if part.content_type == "text/html":
            content = part.content()
            return [self._page(self._text(content, part.charset, charset_in_source(content)))]
        # A multipart without its delimiters is read as the plain text that it looks like.
        if part.content_type in PLAIN_TYPES or part.content_type.startswith("multipart/"):
            text = _with_plain_line_ends(
                self._text(part.content()[:MAX_PLAIN_BYTES], part.charset, "")
            )
            return [(_join_flowed_lines(text, part.flow), False)]
        return []

    def _text(self, content: bytes, charset: str, named: str) -> str:
        return decode_text(content, charset, hints=(named, *self.hints))

    def _chosen(self, part: MimePart) -> list[ShownText]:
        """Return the first alternative with any words; a later one where that is a placeholder."""
        ways = [way for child in part.children if _spoken_text(way := self.shown(child))]
        if not ways:
            return []
        chosen = ways[0]
        for way in ways[1:]:
            if _is_placeholder(_spoken_text(chosen), _spoken_text(way)):
                chosen = way
        return chosen

    def _page(self, source: str) -> ShownText:
        """Return the text of an HTML part and subtract its size from the limits."""
        self.characters -= len(source)
        if self.characters < 0:
            raise LimitError("more than a million characters of HTML")
        page = html_text(source, steps=self.steps)
        self.steps -= page.steps
        return repair_double_encoding(page.text), page.hidden


def _spoken_text(way: list[ShownText]) -> str:
    """Return the text of the pieces without placeholders of pictures, links and invisible
    characters; empty where no word is left.
    """
    text = WORDLESS.sub(" ", "\n".join(text for text, _ in way))
    return text if WORD.search(text) else ""


def _is_placeholder(text: str, other: str) -> bool:
    """Does `text` only say that `other` should be read, or say much less than it?"""
    words, others = _distinct_words(text), _distinct_words(other)
    if len(words) > MAX_PLACEHOLDER_WORDS or not others:
        return False
    if sum(word in others for word in words) >= SAME_MESSAGE_SHARE * len(words):
        return False
    if POINTS_ELSEWHERE.search(text) and not POINTS_ELSEWHERE.search(other):
        return True
    asked, asks = bool(ASKING.search(text)), bool(ASKING.search(other))
    return asks > asked or (asks == asked and len(others) >= SAYS_MORE_RATIO * len(words))


def _distinct_words(text: str) -> frozenset[str]:
    """Return the different words in small letters; of a text without spaces, its characters."""
    words = WORD.findall(text.casefold())
    wide = any(char > "\u3040" for char in text)
    return frozenset("".join(words)) if wide else frozenset(words)


def _with_plain_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _join_flowed_lines(text: str, flow: Flow) -> str:
    """Return `text` with the lines joined that a program broke as format=flowed (RFC 3676).

    Lines of quotes are joined as well. A text that is not flowed is returned unchanged.
    """
    if flow is Flow.FIXED:
        return text
    joined_lines: list[list[str]] = []  # the pieces of each line
    # The quote marks of a line that is to be continued, "-" if it has none; empty for no such line.
    goes_on = ""
    for line in text.split("\n"):
        marks = _quote_marks(line)
        content = line[len(marks) :].removeprefix(" ")  # space-stuffing, no part of the text
        flows = content.endswith(" ") and content != SIGNATURE_MARK
        piece = content[:-1] if flows and flow is Flow.DELETED else content
        if goes_on == (marks or "-") and content != SIGNATURE_MARK:
            joined_lines[-1].append(piece)
        else:
            joined_lines.append([f"{marks} " if marks else "", piece])
        goes_on = (marks or "-") if flows else ""
    return "\n".join("".join(pieces) for pieces in joined_lines)


def _quote_marks(line: str) -> str:
    marks = QUOTES.match(line)
    return marks.group() if marks else ""
