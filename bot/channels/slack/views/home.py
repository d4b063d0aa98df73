"""Draws App Home and the lists of cases that commands answer with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.channels.slack.mrkdwn import escape, truncate
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.blocks import Block
from bot.channels.slack.views.cards import Cards
from bot.domain import HealthLine
from bot.journal import Case
from bot.journal.statistics import DailyStatistics
from bot.staff.case_rows import name_language

CASES_PER_PAGE = 15  # a case takes two blocks; App Home holds two lists, a view a hundred blocks
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeList:
    """The lists in App Home of one person: the one that they chose, or else the two usual ones.

    `chosen` is the name of the chosen list, empty for the usual lists. `topics` and `languages` are
    the topics and languages to choose from, each with its number of open cases.
    """

    lists: Sequence[tuple[str, CasePage, str]]  # title, page, what is said of an empty list
    chosen: str = ""
    topics: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)


def build_home(
    cards: Cards,
    home_list: HomeList,
    *,
    now: datetime,
    numbers: DailyStatistics,
    knowledge: str,
    health: Sequence[HealthLine],
    taking: bool,
) -> dict[str, Any]:
    """Return App Home for one person at the moment `now`.

    `knowledge` is its version, and `taking` says whether mail can be received now.
    """
    blocks: list[Block] = [b.header("Incident Desk"), _choices(cards, home_list)]
    for title, page, none in home_list.lists:
        rest = "" if home_list.chosen else "choose a list above to see them"
        blocks += [b.header(f"{title} ({page.total})"), *_rows(cards, page, none, rest, now)]
        if home_list.chosen:
            blocks += _turning(page)
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


def list_cases(
    cards: Cards, page: CasePage, title: str, none: str, command: str, *, now: datetime
) -> list[Block]:
    """Return a page of cases as blocks, with the command for the next page, if there is one."""
    rest = f"`{escape(command)} {page.number + 1}`"
    heading = b.header(f"{title} ({page.total})")
    return b.fit_message([heading, *_rows(cards, page, none, rest, now)])


def _choices(cards: Cards, home_list: HomeList) -> Block:
    """Return the row by which a person chooses what App Home lists."""
    buttons = [
        b.button(text, f"list_{name}", name, style="primary" if home_list.chosen == name else "")
        for name, text in (
            ("usual", "Overview"), ("mine", "Mine"), ("unclaimed", "Unclaimed"),
            ("urgent", "Urgent"), ("all", "All"),
        )
    ]  # fmt: skip
    topics = [
        (i, f"{truncate(cards.topics.get(i, i), 60)} ({n})") for i, n in home_list.topics.items()
    ]
    languages = [(c, f"{name_language(c)} ({n})") for c, n in home_list.languages.items()]
    if topics:
        buttons.append(b.select("list_topic", "By topic", topics))
    if languages:
        buttons.append(b.select("list_language", "By language", languages))
    return b.button_row("lists", buttons)


def _turning(page: CasePage) -> Iterator[Block]:
    """Yield the buttons to turn the page of a list in App Home, where it has several."""
    turns = [("◀ Page {0}", "list_back", page.number - 1)] * (page.number > 1)
    turns += [("Page {0} ▶", "list_on", page.number + 1)] * (page.last_position < page.total)
    if turns:
        yield b.button_row(
            "turn", [b.button(says.format(n), action, str(n)) for says, action, n in turns]
        )


def _rows(cards: Cards, page: CasePage, none: str, rest: str, now: datetime) -> Iterator[Block]:
    if not page.cases:
        yield b.markdown(none)
    for case in page.cases:
        yield from cards.list_row(case, now)
    if page.last_position < page.total:
        more = f"… and {page.total - page.last_position} more"
        yield b.small_print(f"{more}: {rest}" if rest else more)


def _today(numbers: DailyStatistics) -> Iterator[str]:
    yield (
        f"{numbers.messages} mails came · {numbers.answered} answered by the desk · "
        f"{numbers.decided} decided by people · {numbers.open} open"
    )
    if numbers.last_in:
        sent = f" · last one sent {b.relative_time(numbers.last_out)}" if numbers.last_out else ""
        yield f"Last mail came {b.relative_time(numbers.last_in)}{sent}"


def _mail(numbers: DailyStatistics, *, taking: bool) -> Iterator[HealthLine]:
    """Yield a line on whether mail comes in, and one on whether it goes out."""
    says = "mail is taken" if taking else "no mail can be taken; the desk tries again and again"
    yield HealthLine(name="mail in", good=taking, says=says)
    wrong = [f"{numbers.waiting} wait for the mail server"] * bool(numbers.waiting)
    wrong += [f"{numbers.failed} of today did not go out"] * bool(numbers.failed)
    says = ", ".join(wrong) or "every mail was taken by the mail server"
    yield HealthLine(name="mail out", good=not wrong, says=says)


def _model(health: Sequence[HealthLine]) -> Iterator[HealthLine]:
    """Yield the line that no model is used, if `health` has no line on a model."""
    if all(each.name != "model" for each in health):
        yield HealthLine(name="model", good=True, says=MODEL_OFF)


def _line(health: HealthLine) -> str:
    return f"{'🟢' if health.good else '🔴'} *{health.name}*: {escape(health.says)}"
