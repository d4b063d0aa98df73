"""Says in a few words what a case is, for the lists in Slack, the browser and the terminal."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from textwrap import shorten

from bot.corpus import Knowledge
from bot.domain import EscalationReason, Priority
from bot.journal import Case, Stage
from bot.journal.records import QueuedCase
from bot.staff.staff_texts import StaffTexts
from bot.text.language import recognize_language
from bot.text.printable import shorten_line

MAX_WORDS_CHARACTERS = 110  # of what they write, in a list
MAX_TOPIC_CHARACTERS = 70
# Languages that the desk tells apart, as staff call them; another one is shown by its code.
LANGUAGE_NAMES = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew",
    "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese",
    "ko": "Korean", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


STAGE_WORDS = {
    Stage.OPEN: "nobody has it",
    Stage.CLAIMED: "taken",
    Stage.SNOOZED: "put off",
    Stage.WAITING: "waits for details from the user",
    Stage.DECIDED: "answered",
    Stage.CLOSED: "closed without a mail",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """A case in a list, in words.

    `topic` is the heading of the nearest passage. Where none is near, or a person answers in their
    own words after a call, it is the reason, and then `reason` is empty. `words` are the asker's
    first words, masked. `age` and `left` are durations such as `3 h`; `left` is empty where nothing
    is due, and how long ago it was due where the case is `overdue`.
    """

    topic: str
    words: str
    reason: str
    urgency: str
    language: str
    age: str
    left: str
    overdue: bool


def describe_case(case: Case, topics: dict[str, str], texts: StaffTexts, now: datetime) -> CaseRow:
    """Return the row of a case at the moment `now`; `topics` are those of `name_topics`."""
    reason = texts.reasons[EscalationReason(case.reason)].title
    topic = "" if case.needs_call else topics.get(case.topic, "")
    due = datetime.fromisoformat(case.due_at) - now if case.open and case.due_at else None
    return CaseRow(
        topic=topic or _sentence(reason),
        words=shorten_line(first_words(case), MAX_WORDS_CHARACTERS),
        reason=reason if topic else "",
        urgency=texts.priorities[Priority(case.priority)],
        language=name_language(written_language(case)),
        age=format_age(now - datetime.fromisoformat(case.opened_at)),
        left="" if due is None else format_age(abs(due)),
        overdue=due is not None and due < timedelta(),
    )


def first_words(case: Case) -> str:
    """Return the first question that a person decides, or else how the mail begins.

    If somebody is to be called first, it is how the mail begins, which says what has happened.
    """
    if case.needs_call:
        return case.text
    asked = (q.text for q in case.questions if q.kind == "escalation" and q.text.strip())
    return next(asked, case.text)


def name_topics(knowledge: Knowledge) -> dict[str, str]:
    """Return a title for each passage, by id.

    It is the heading that replies give it; where several passages stand under one heading, it is
    followed by how the passage begins.
    """
    headings = {p.id: knowledge.heading_of(p) for p in knowledge.passages.values()}
    times = Counter(headings.values())
    titles = {
        i: heading if times[heading] == 1 else f"{heading}: {knowledge.passages[i].text}"
        for i, heading in headings.items()
    }
    return {i: shorten(t, MAX_TOPIC_CHARACTERS, placeholder=" …") for i, t in titles.items()}


def find_topics(topics: dict[str, str], words: Iterable[str]) -> frozenset[str]:
    """Return the ids of the passages whose title holds all of these words."""
    wanted = [word.casefold() for word in words]
    return frozenset(
        passage for passage, title in topics.items() if all(w in title.casefold() for w in wanted)
    )


def name_language(code: str) -> str:
    """Return a language as staff call it; empty for none."""
    return LANGUAGE_NAMES.get(code, code)


def find_language(word: str) -> str:
    """Return the code of a language that is named by its code or in English; empty for none."""
    wanted = word.strip().casefold()
    return next((c for c, name in LANGUAGE_NAMES.items() if wanted in (c, name.casefold())), "")


def format_age(waited: timedelta) -> str:
    """Return a duration in its largest useful unit: minutes, hours or days."""
    minutes = max(0, int(waited.total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def describe_stage(case: Case) -> str:
    """Return how far a case is, without the name of who has it."""
    return f"part of case {case.joined}" if case.joined else STAGE_WORDS[case.stage]


def written_language(case: Case | QueuedCase) -> str:
    """Return the code of the language in which the sender writes; empty if it is not recognized.

    `case.language` is that of the reply, which is another one where the desk has no texts in the
    sender's language.
    """
    if case.reason == EscalationReason.LANGUAGE:
        return recognize_language(case.text)
    return case.language


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
