"""Reads which list of cases a person asks for in Slack, and reads the page of it."""

from dataclasses import dataclass, replace

from bot.channels.slack.views.home import CASES_PER_PAGE, CasePage, HomeList
from bot.journal.case_lists import CaseFilter
from bot.journal.cases import Cases
from bot.staff.case_rows import find_language, find_topics, name_language

MAX_WORDS = 8  # of a search; further words are ignored, as they could find no further case
WAITING, MINE = "What waits for a person", "Your cases"
UNCLAIMED, NOTHING = "Nobody has these", "Nothing waits. 🎉"
UNKNOWN = (
    "I do not know “{word}” there. You can write `mine`, `unclaimed`, `urgent`, `topic WORDS`, "
    "`language German` and the number of a page."
)
NO_TOPIC = "No topic of the post is called “{words}”. App Home lists the topics that wait."
NO_LANGUAGE = "I know no language called “{word}”. Write its name in English, or its code."
NO_WORDS = "Write what to look for: `/incident find invoice`. It looks in mails and addresses."


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseList:
    """A list of cases that somebody asked for: its filter, its title and the page to show.

    `command` is the slash command for the list, empty where there is none; followed by a number it
    shows that page.
    """

    wanted: CaseFilter
    title: str
    command: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenList:
    """A list that somebody chose in App Home, and the name of the button that shows it."""

    name: str
    asked: CaseList


def parse_queue(rest: str, me: str, topics: dict[str, str]) -> CaseList | str:
    """Return the list that the words behind `/incident queue` ask for, or what is wrong with them.

    `me` is the person in the journal, and `topics` are the titles of passages by id.
    """
    words, page = _split_page(rest)
    command = " ".join(["/incident queue", *words])
    wanted, titles = CaseFilter(), [WAITING]
    while words:
        word = words.pop(0)
        match word.casefold():
            case "language" | "topic" if words:
                try:
                    wanted, word = _narrowed(wanted, word.casefold(), words, topics)
                except LookupError as error:
                    return str(error.args[0])
            case "mine" | "unclaimed":
                wanted = replace(wanted, owner=me if word.casefold() == "mine" else "")
            case "urgent":
                wanted = replace(wanted, urgent=True)
            case _:
                return UNKNOWN.format(word=word)
        titles.append(word)
    return CaseList(wanted=wanted, title=", ".join(titles), command=command, page=page)


def _narrowed(
    wanted: CaseFilter, by: str, words: list[str], topics: dict[str, str]
) -> tuple[CaseFilter, str]:
    """Narrow a filter by a language or a topic, whose words are taken from `words`.

    Returns the filter and what it is narrowed by; LookupError says that there is no such thing.
    """
    if by == "language":
        code = find_language(word := words.pop(0))
        if not code:
            raise LookupError(NO_LANGUAGE.format(word=word))
        return replace(wanted, language=code), name_language(code)
    shown, found = " ".join(words), find_topics(topics, words)
    words.clear()
    if not found:
        raise LookupError(NO_TOPIC.format(words=shown))
    return replace(wanted, topics=found), shown


def parse_search(rest: str) -> CaseList | str:
    """Return the list of cases with all of these words, decided ones too, or what is wrong."""
    words, page = _split_page(rest)
    if not words:
        return NO_WORDS
    kept = words[:MAX_WORDS]
    shown = " ".join(kept)
    return CaseList(
        wanted=CaseFilter(words=tuple(kept), closed=True), title=f"Cases with “{shown}”",
        command=f"/incident find {shown}", page=page,
    )  # fmt: skip


def list_own_cases(me: str, rest: str) -> CaseList:
    """Return the list of the cases that one person has; `rest` may be the number of a page."""
    _, page = _split_page(rest)
    return CaseList(wanted=CaseFilter(owner=me), title=MINE, command="/incident mine", page=page)


def read_page(cases: Cases, asked: CaseList) -> CasePage:
    """Return the page of a list; one beyond the last is the last."""
    found = cases.find(asked.wanted, limit=CASES_PER_PAGE, page=asked.page)
    shown = cases.read_all(found.ids)
    pages = max(1, -(-found.total // CASES_PER_PAGE))
    return CasePage(cases=shown, total=found.total, number=max(1, min(asked.page, pages)))


def choose_list(
    action: str, value: str, before: ChosenList | None, me: str, topics: dict[str, str]
) -> ChosenList | None:
    """Return what a click on the lists of App Home asks for; None for the two usual lists.

    `action` and `value` are those of the button, and `before` is what was shown.
    """
    match action.removeprefix("list_"):
        case "back" | "on":
            page = int(value) if value.isdecimal() else 1
            return before and replace(before, asked=replace(before.asked, page=max(1, page)))
        case "topic":
            wanted, title = CaseFilter(topics=frozenset({value})), topics.get(value, value)
        case "language":
            wanted, title = CaseFilter(language=value), f"{WAITING}, {name_language(value)}"
        case "mine":
            wanted, title = CaseFilter(owner=me), MINE
        case "unclaimed":
            wanted, title = CaseFilter(owner=""), UNCLAIMED
        case "urgent":
            wanted, title = CaseFilter(urgent=True), f"{WAITING}, urgent"
        case "all":
            wanted, title = CaseFilter(), WAITING
        case _:
            return None
    asked = CaseList(wanted=wanted, title=title)
    return ChosenList(name=action.removeprefix("list_"), asked=asked)


def read_home_list(cases: Cases, chosen: ChosenList | None, me: str) -> HomeList:
    """Return what App Home lists for a person: what they chose, or their cases and nobody's."""
    usual = (
        (list_own_cases(me, ""), "You have none."),
        (CaseList(wanted=CaseFilter(owner=""), title=UNCLAIMED), NOTHING),
    )
    asked = ((chosen.asked, NOTHING),) if chosen else usual
    return HomeList(
        lists=[(each.title, read_page(cases, each), none) for each, none in asked],
        chosen=chosen.name if chosen else "",
        topics=cases.count_topics(),
        languages=cases.count_languages(),
    )


def _split_page(rest: str) -> tuple[list[str], int]:
    """Return the words and the number of the page behind them, 1 where none stands there."""
    words = rest.split()
    if words and words[-1].isdecimal() and len(words[-1]) < 6:
        return words[:-1], max(1, int(words[-1]))
    return words, 1
