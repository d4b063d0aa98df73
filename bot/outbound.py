"""The closed-set check that every automatic text passes, last, at the only send function.

A text may leave only if it is a row of whole units, each a reviewed template, a stored passage, a
heading of the post or its source line. So nothing that a user or a model wrote can leave, whatever
went wrong before. A passage that needs a companion must have it beside it. Links are a second line:
even an approved unit may carry only listed ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bot.corpus import Knowledge, Templates
from bot.corpus.checks import domains
from bot.wording import about_line, quoted, source_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """May the text leave, and if not, why."""

    allowed: bool
    why: str = ""


class Outbound:
    """Knows every unit that may leave under one version of the knowledge."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        never = {e.passage for e in knowledge.notes.never_quote}
        self.passages = {
            _fold(text): p.id
            for p in knowledge.post.passages
            if p.id not in never
            for text in (p.text, quoted(p))
        }
        frames = (
            _fold(unit) for t in knowledge.templates.values() for unit in _frames(t, knowledge)
        )
        self.units = sorted({*self.passages, *frames}, key=len, reverse=True)

    def check(self, text: str) -> Check:
        """Allowed only if all of `text` is known units and none lacks its companion."""
        if not text.strip():
            return Check(allowed=False, why="the text is empty")
        units = list(self._parse(text))
        if units[-1] is None:
            return Check(allowed=False, why="a part is no whole template and no whole passage")
        told = [self.passages[unit] for unit in units if unit in self.passages]
        if missing := self.knowledge.companions(told):
            return Check(allowed=False, why=f"it must be quoted together with {missing[0]}")
        if unlisted := sorted(domains(text) - self.knowledge.notes.domains):
            return Check(allowed=False, why=f"an address or link is not listed: {unlisted[0]}")
        return Check(allowed=True)

    def _parse(self, text: str) -> Iterator[str | None]:
        """The units of `text` in order; None where it stops being known."""
        rest = _fold(text)
        while rest:
            unit = next((u for u in self.units if rest.startswith(u) and _ends(rest, len(u))), None)
            yield unit
            if unit is None:
                return
            rest = rest[len(unit) :].lstrip()


def _frames(templates: Templates, knowledge: Knowledge) -> Iterator[str]:
    yield from templates.texts()
    for passage in knowledge.post.passages:
        yield about_line(templates, passage)
        yield source_line(templates, knowledge.post, passage)


def _ends(text: str, place: int) -> bool:
    return place == len(text) or text[place].isspace()


def _fold(text: str) -> str:
    return " ".join(text.split())
