"""Draws App Home and the lists of cases that commands answer with."""

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

CASES_PER_PAGE = 15  # App Home holds two lists, and a view at most a hundred blocks
MODEL_OFF = "off: the desk decides by its own evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """One page of a list of cases: its cases, the total of the list, the number of the page."""

    cases: Sequence[Case]
    total: int
    number: int = 1

    @property
    def last_position(self) -> int:
        """Return the position of its last case in the whole list, counted from 1."""
        return (self.number - 1) * CASES_PER_PAGE + len(self.cases)


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
    """Return App Home for one person.

    `mine` are the cases of that person, `unclaimed` those of nobody, `knowledge` its version, and
    `taking` says whether mail can be received now.
    """
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
    """Return a page of cases as blocks; where it is not the last, with the command for the next."""
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
    """Say whether mail comes in and goes out."""
    says = "mail is taken" if taking else "no mail can be taken; the desk tries again and again"
    yield HealthLine(name="mail in", good=taking, says=says)
    wrong = [f"{numbers.waiting} wait for the mail server"] * bool(numbers.waiting)
    wrong += [f"{numbers.failed} of today did not go out"] * bool(numbers.failed)
    says = ", ".join(wrong) or "every mail was taken by the mail server"
    yield HealthLine(name="mail out", good=not wrong, says=says)


def _model(health: Sequence[HealthLine]) -> Iterator[HealthLine]:
    """Say that no model is used, where the health says nothing of one."""
    if all(each.name != "model" for each in health):
        yield HealthLine(name="model", good=True, says=MODEL_OFF)


def _line(health: HealthLine) -> str:
    return f"{'🟢' if health.good else '🔴'} *{health.name}*: {escape(health.says)}"
