"""A tree of parts -> the text that a mail program would show."""

from dataclasses import dataclass

from bot.channels.mail.decode import decoded
from bot.channels.mail.html import MAX_SOURCE, MAX_STEPS, html_text
from bot.channels.mail.limits import LimitError
from bot.channels.mail.parts import Part

MAX_TEXT = 200_000
PLAIN = ("text/plain", "text/markdown", "text/enriched")

Piece = tuple[str, bool]


def body_text(tree: Part) -> tuple[str, bool]:
    """All inline text, plain before HTML where both say the same; and whether some was hidden."""
    found = _Reader().shown(tree)
    text = "\n".join(text for text, _ in found if text.strip())
    return text[:MAX_TEXT], any(hidden for _, hidden in found)


@dataclass(slots=True)
class _Reader:
    """Reads the parts of one mail, with one allowance of HTML for all of them."""

    steps: int = MAX_STEPS
    characters: int = MAX_SOURCE

    def shown(self, part: Part) -> list[Piece]:
        """The pieces of text under a part, in order."""
        if part.content_type == "multipart/alternative" and part.children:
            return self._chosen(part)
        if part.children:
            return [piece for child in part.children for piece in self.shown(child)]
        if part.disposition == "attachment":
            return []
        if part.content_type == "text/html":
            return [self._page(decoded(part.content(), part.charset))]
        # A multipart without its delimiters is read as the plain text that it looks like.
        if part.content_type in PLAIN or part.content_type.startswith("multipart/"):
            return [(_clean(decoded(part.content(), part.charset)), False)]
        return []

    def _chosen(self, part: Part) -> list[Piece]:
        """The first way to say it that says anything."""
        for child in part.children:
            way = self.shown(child)
            if any(text.strip() for text, _ in way):
                return way
        return []

    def _page(self, source: str) -> Piece:
        self.characters -= len(source)
        if self.characters < 0:
            raise LimitError("more than a million characters of HTML")
        page = html_text(source, steps=self.steps)
        self.steps -= page.steps
        return page.text, page.hidden


def _clean(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
