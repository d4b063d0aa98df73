"""App Home: my cases, what nobody has, today's numbers, knowledge, health; and lists of cases."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bot.channels.slack.mrkdwn import escape
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.channels.slack.views.cards import Cards
from bot.domain import HealthLine
from bot.journal import Case
from bot.journal.statistics import DailyStatistics

EACH = 15
MODEL_OFF = "off: the desk decides by its own evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """Some of a list of cases, of a page's length, and how many there are in all."""

    cases: Sequence[Case]
    total: int
    number: int = 1

    @property
    def last_position(self) -> int:
        """Where it ends in the whole list."""
        return (self.number - 1) * EACH + len(self.cases)


def build_home(
    cards: Cards,
    *,
    mine: CasePage,
    unclaimed: CasePage,
    numbers: DailyStatistics,
    knowledge: str,
    health: Sequence[HealthLine],
    taking: bool,
) -> dict[str, Any]:
    """The view for one person."""
    rest = "`/incident queue` shows every open case"
    blocks: list[Block] = [b.header("Incident Desk")]
    blocks += _section(cards, "Your cases", mine, "You have none.", "`/incident mine 2`")
    blocks += _section(cards, "Nobody has these", unclaimed, "Nothing waits. 🎉", rest)
    blocks += [
        b.header("Today"),
        b.markdown("\n".join(_today(numbers))),
        b.header("Health"),
        b.markdown(
            "\n".join(map(_line, [*_mail(numbers, taking=taking), *health, *_model(health)]))
        ),
        b.small_print(
            f"Knowledge {escape(knowledge)} · a case is decided on its card in the channel; "
            "`/incident case 12` shows case 12 with its buttons · `/incident help` says more"
        ),
    ]
    return {"type": "home", "blocks": b.fit_view(blocks)}


def list_cases(cards: Cards, page: CasePage, title: str, none: str, command: str) -> list[Block]:
    """A list of cases as a command answers it, and the command for the rest."""
    return b.fit_message([*_section(cards, title, page, none, f"`{command} {page.number + 1}`")])


def _section(cards: Cards, title: str, page: CasePage, none: str, rest: str) -> Iterator[Block]:
    yield b.header(f"{title} ({page.total})")
    if not page.cases:
        yield b.markdown(none)
    for case in page.cases:
        value = f"{case.id}:{case.version}"
        yield b.markdown(cards.list_line(case)) | {"accessory": b.button("Show all", "show", value)}
    if page.last_position < page.total:
        yield b.small_print(f"… and {page.total - page.last_position} more: {rest}")


def _today(numbers: DailyStatistics) -> Iterator[str]:
    yield (
        f"{numbers.messages} mails came · {numbers.answered} answered by the desk · "
        f"{numbers.decided} decided by people · {numbers.open} open"
    )
    if numbers.last_in:
        sent = f" · last one sent {b.relative_time(numbers.last_out)}" if numbers.last_out else ""
        yield f"Last mail came {b.relative_time(numbers.last_in)}{sent}"


def _mail(numbers: DailyStatistics, *, taking: bool) -> Iterator[HealthLine]:
    """Does it come in, and does it go out?"""
    says = "mail is taken" if taking else "no mail can be taken; the desk tries again and again"
    yield HealthLine(name="mail in", good=taking, says=says)
    wrong = [f"{numbers.waiting} wait for the mail server"] * bool(numbers.waiting)
    wrong += [f"{numbers.failed} of today did not go out"] * bool(numbers.failed)
    says = ", ".join(wrong) or "every mail was taken by the mail server"
    yield HealthLine(name="mail out", good=not wrong, says=says)


def _model(health: Sequence[HealthLine]) -> Iterator[HealthLine]:
    """Where there is one, the health tells of it."""
    if all(each.name != "model" for each in health):
        yield HealthLine(name="model", good=True, says=MODEL_OFF)


def _line(health: HealthLine) -> str:
    return f"{'🟢' if health.good else '🔴'} *{health.name}*: {escape(health.says)}"
