"""App Home: my cases, what nobody has, today's numbers, knowledge and health."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.channels.slack import blocks as b
from bot.channels.slack.blocks import Block
from bot.channels.slack.cards import Cards
from bot.channels.slack.text import escaped
from bot.journal import Case
from bot.journal.today import Numbers

EACH = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One line of what is fine and what is not."""

    name: str
    good: bool
    says: str


def home(
    cards: Cards,
    *,
    mine: Sequence[Case],
    unclaimed: Sequence[Case],
    numbers: Numbers,
    knowledge: str,
    health: Sequence[Health],
) -> dict[str, Any]:
    """The view for one person."""
    blocks: list[Block] = [b.header("Incident Desk")]
    blocks += _section(cards, "Your cases", mine, "You have none.")
    blocks += _section(cards, "Nobody has these", unclaimed, "Nothing waits. 🎉")
    blocks += [
        b.header("Today"),
        b.words(
            f"{numbers.messages} mails came · {numbers.answered} answered by the desk · "
            f"{numbers.decided} decided by people · {numbers.open} open"
        ),
        b.header("Health"),
        b.words(
            "\n".join(f"{'🟢' if h.good else '🔴'} *{h.name}*: {escaped(h.says)}" for h in health)
        ),
        b.remarks(f"Knowledge {escaped(knowledge)} · `/incident help` says what you can do"),
    ]
    return {"type": "home", "blocks": b.fits(blocks, b.MOST_IN_VIEW)}


def listed(cards: Cards, cases: Sequence[Case], title: str, none: str) -> list[Block]:
    """A list of cases as a command answers it."""
    return b.fits(_section(cards, title, cases, none))


def _section(cards: Cards, title: str, cases: Sequence[Case], none: str) -> list[Block]:
    made = [b.header(f"{title} ({len(cases)})")]
    if not cases:
        return [*made, b.words(none)]
    for case in cases[:EACH]:
        value = f"{case.id}:{case.version}"
        made.append(b.words(cards.line(case)) | {"accessory": b.button("Show all", "show", value)})
    if len(cases) > EACH:
        made.append(b.remarks(f"… and {len(cases) - EACH} more: `/incident queue`"))
    return made
