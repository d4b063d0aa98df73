"""What programs say in free wording: statements put together from parts.

A program's mail can be worded in countless ways, but it says few things: your message has arrived,
a colleague looks at it within two days, nobody reads this mailbox, the office is closed. Each is a
statement that consists of parts ("your message" and "arrived"), and each part is a list of words in
many languages. Both stand in bot/data/mail_statements.yaml.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from bot.channels.mail.phrasing import MailSentence, holds_pattern, pattern_table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    """A weight, and groups of parts of which a sentence must hold one each."""

    weight: int
    parts: tuple[tuple[str, ...], ...]

    def fits(self, sentence_form: str) -> bool:
        """Does a sentence in its `form` say this?"""
        return all(
            any(holds_pattern(part, sentence_form) for part in group) for group in self.parts
        )


def weigh_statements(kind: str, spoken: Iterable[MailSentence]) -> int:
    """The weights of the statements of a kind that some sentence makes; 0 for a kind without any.

    A question states nothing, except in a survey.
    """
    forms = [each.form for each in spoken if kind == "survey" or not each.question]
    return sum(
        each.weight for each in _statements(kind) if any(each.fits(sentence) for sentence in forms)
    )


def speaks_of_oneself(sentence: MailSentence) -> bool:
    """Does the writer of the sentence say I or my?"""
    return holds_pattern("own_voice", sentence.form) and not holds_pattern(
        "not_own_voice", sentence.form
    )


@cache
def _statements(kind: str) -> tuple[_Statement, ...]:
    """The statements of a kind, as the table lists them."""
    rows = pattern_table()["statements"]
    return tuple(_parse_statements(rows[kind])) if isinstance(rows, dict) and kind in rows else ()


def _parse_statements(rows: Iterable[str]) -> Iterator[_Statement]:
    for row in rows:
        weight, *parts = row.split()
        yield _Statement(weight=int(weight), parts=tuple(tuple(p.split("|")) for p in parts))
