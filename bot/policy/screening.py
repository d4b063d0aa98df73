"""Applies the rules that refuse or escalate a text, by what a reply to it would have to contain.

The rules are tried in the order of the table, each on every detection view of the text. A text that
no rule hits goes on to retrieval, as honest questions about passwords should.
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
SHORTEST_QUOTE = 32  # characters from which on a quote is a text of others and no name or title
# The mark of a masked secret is renamed for the rules, as "removed" reads like a request.
REMOVED, MASKED = "[removed: ", "[masked: "


def screen(text: str, *, history: Sequence[str] = ()) -> Verdict | None:
    """Return the verdict on `text` by the rules that ship; None when no rule hits.

    `history` are the asker's earlier messages, the newest last.
    """
    return screen_with(packaged_rules(), text, history=history)


class SecretMention(Enum):
    """How a text that no rule refuses mentions secrets."""

    NOTHING = auto()
    FACTS = auto()  # it names a secret, and asks for facts about it
    SECRET = auto()  # it names a secret, and nothing shows that it only asks for facts


def classify_secret_mention(text: str) -> SecretMention:
    """Return how `text` mentions secrets; only its plain view is read."""
    lines = as_lines(fold(visible(clipped(text))))
    suspect = packaged_suspect()
    if not suspect.names(lines):
        return SecretMention.NOTHING
    bare = suspect.hits(lines, lines) and not suspect.spares(lines)
    return SecretMention.SECRET if bare else SecretMention.FACTS


def quoted_phishing_query(text: str) -> str:
    """Return a text to look up for the suspicious mail that `text` shows; empty for none.

    A quoted or forwarded text is suspicious where it would be refused as a demand, or holds a link;
    a mail that is forwarded with its headers always is.
    """
    shown = clipped(text)
    theirs = shown_mail(shown)
    if theirs and isinstance(screen(theirs), Refuse):
        return demand_of_others()
    is_one = LINK.search(theirs) or is_passed_on(shown)
    return link_of_others() if is_one else ""


def demand_of_others() -> str:
    """Return the text by which the post's advice on mails that demand a secret is looked up."""
    return packaged_samples()["demand"]


def link_of_others() -> str:
    """Return the text by which the post's advice on mails with a link is looked up."""
    return packaged_samples()["link"]


def shows_suspicious(own: str, passed_on: str) -> bool:
    """Return whether a shown mail holds a link, or demands what is refused.

    The mail is `passed_on` if there is one, else what `own` quotes. Mere mail headers do not count:
    a reply of ours that somebody answers has them too.
    """
    shown = clipped(passed_on or shown_mail(own))
    return bool(LINK.search(shown)) or isinstance(screen(shown), Refuse)


def material(text: str) -> str:
    """Return a text to look up for material that `text` asks us to judge: a picture, link or quote.

    The result is empty where `text` does not ask if something is genuine, or mentions no material.
    """
    shown = clipped(text)
    own = without_quotes(shown)
    # A name or a title in quotation marks is no text that they show us.
    quotes = len(shown_mail(shown)) >= SHORTEST_QUOTE
    asked = asks_if_genuine(own) and (quotes or shows_material(own))
    return link_of_others() if asked else ""


def urgent(text: str) -> Escalate | None:
    """Return the verdict of the first rule that pages a person; None for none.

    The text may have any length; only its plain view is read.
    """
    lines = as_lines(fold(visible(text)))
    return next((v for rule, v in _paging() if rule.hits(lines, lines)), None)


def screen_signature(text: str, reasons: Container[RefusalReason]) -> Verdict | None:
    """Return the verdict on a signature: a refusal for one of `reasons`, a page, or None.

    Other rules, such as those for legal matters, are not tried: they may hit the formal words of a
    signature and so hide a demand below them.
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
    """Return the verdict of the first rule of `table` that hits `text`, in any view; else None."""
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
