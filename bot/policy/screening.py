"""Decides by rules what is refused or handed to a person: what would a reply have to contain?

The rules are tried in the order of the table, each on every view of the text. A text that no rule
hits goes on to retrieval; that is where honest questions about passwords belong.
"""

import re
from collections.abc import Container, Sequence
from enum import Enum, auto

from bot.domain import Priority, RefusalReason
from bot.policy.automata import compiled_anew, count_text
from bot.policy.disguises import clipped, detection_views, fold, visible
from bot.policy.message_rules import (
    asks_if_genuine,
    demands_our_word,
    goes_on,
    is_filter_report,
    shows_material,
    tells_who_they_are,
    wants_person,
)
from bot.policy.quotes import is_passed_on, shown_mail, without_quotes
from bot.policy.rules import Rule, packaged_rules, packaged_samples, packaged_suspect
from bot.policy.sentences import as_lines
from bot.policy.subject import closes_nothing, with_subject
from bot.policy.thanks import only_thanks
from bot.policy.verdict import Escalate, Refuse, Verdict

__all__ = [
    "Escalate",
    "Refuse",
    "SecretMention",
    "Verdict",
    "asks_if_genuine",
    "classify_secret_mention",
    "closes_nothing",
    "demand_of_others",
    "demands_our_word",
    "goes_on",
    "is_filter_report",
    "is_passed_on",
    "link_of_others",
    "material",
    "only_thanks",
    "quoted_phishing_query",
    "screen",
    "screen_signature",
    "shows_suspicious",
    "tells_who_they_are",
    "urgent",
    "wants_person",
    "with_subject",
    "without_quotes",
]

LINK = re.compile(r"https?://|www\.", re.IGNORECASE)
SHORTEST_QUOTE = 32  # characters of a text of others
# The mark of a masked secret must not read like something that is to be removed.
REMOVED, MASKED = "[removed: ", "[masked: "


def screen(text: str, *, history: Sequence[str] = ()) -> Verdict | None:
    """The verdict on `text`, given the user's earlier messages; None goes on to retrieval."""
    return screen_with(packaged_rules(), text, history=history)


class SecretMention(Enum):
    """What a text says of secrets, where no rule refuses it."""

    NOTHING = auto()
    FACTS = auto()  # it names one, and asks for what may be said of it
    SECRET = auto()  # it names one, and nothing shows that it asks for less


def classify_secret_mention(text: str) -> SecretMention:
    """How `text` speaks of secrets; read in its plain view only."""
    lines = as_lines(fold(visible(clipped(text))))
    suspect = packaged_suspect()
    if not suspect.names(lines):
        return SecretMention.NOTHING
    bare = suspect.hits(lines, lines) and not suspect.spares(lines)
    return SecretMention.SECRET if bare else SecretMention.FACTS


def quoted_phishing_query(text: str) -> str:
    """The suspicious mail that `text` shows, in words to look up; empty where it shows none.

    A quote is one where it would be refused as a demand or holds a link; a mail that is passed on
    with its head always is.
    """
    shown = clipped(text)
    theirs = shown_mail(shown)
    if theirs and isinstance(screen(theirs), Refuse):
        return demand_of_others()
    is_one = LINK.search(theirs) or is_passed_on(shown)
    return link_of_others() if is_one else ""


def demand_of_others() -> str:
    """A mail that asks for a secret, in words to look up what the post says of such."""
    return packaged_samples()["demand"]


def link_of_others() -> str:
    """A mail with a link, in words to look up what the post says of such."""
    return packaged_samples()["link"]


def shows_suspicious(own: str, passed_on: str) -> bool:
    """Does what `own` quotes, or passes on beside it, hold a link or ask for what is refused?

    A mere head of a mail is none of that: the reply of ours that somebody answers has one too.
    """
    shown = clipped(passed_on or shown_mail(own))
    return bool(LINK.search(shown)) or isinstance(screen(shown), Refuse)


def material(text: str) -> str:
    """What came along with the question of `text`, in words to look up: a picture, a link, a quote.

    Empty where it does not ask for our word on it, or nothing of the kind is spoken of.
    """
    shown = clipped(text)
    own = without_quotes(shown)
    # A name or a title in quotation marks is no text that they show us.
    quotes = len(shown_mail(shown)) >= SHORTEST_QUOTE
    asked = asks_if_genuine(own) and (quotes or shows_material(own))
    return link_of_others() if asked else ""


def urgent(text: str) -> Escalate | None:
    """What calls somebody at once, in a text of any length; its disguises are not taken off."""
    lines = as_lines(fold(visible(text)))
    return next((v for rule, v in _paging() if rule.hits(lines, lines)), None)


def screen_signature(text: str, reasons: Container[RefusalReason]) -> Verdict | None:
    """The verdict that refuses `text` for one of the reasons, or that calls somebody.

    Rules for formal words are not tried: in a signature they would hide a demand that stands below
    them.
    """
    found = ((rule, rule.verdict) for rule in packaged_rules())
    table = [r for r, v in found if _calls(v) or (isinstance(v, Refuse) and v.reason in reasons)]
    return screen_with(table, text)


def _calls(verdict: Verdict) -> bool:
    return isinstance(verdict, Escalate) and verdict.priority is Priority.PAGE


@compiled_anew
def _paging() -> tuple[tuple[Rule, Escalate], ...]:
    found = ((rule, rule.verdict) for rule in packaged_rules())
    return tuple(
        (r, v) for r, v in found if isinstance(v, Escalate) and v.priority is Priority.PAGE
    )


def screen_with(table: Sequence[Rule], text: str, *, history: Sequence[str] = ()) -> Verdict | None:
    """`screen` under other rules than those of the package."""
    count_text()
    shown = clipped(text).replace(REMOVED, MASKED)
    told = without_quotes(shown)
    everything = [as_lines(v.text) for v in detection_views(shown)]
    unquoted = everything if told == shown else [as_lines(v.text) for v in detection_views(told)]
    thread = as_lines(fold(visible("\n".join([*(clipped(h) for h in history[-20:]), shown]))))
    for rule in table:
        read = everything if rule.reads_quotes else unquoted
        if any(rule.hits(lines, thread) for lines in read):
            return rule.verdict
    return None
