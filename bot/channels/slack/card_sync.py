"""Journal -> Slack: cards as they shall look, what came later, who must be reminded.

Everything here is derived: losing Slack, or this process, loses nothing that the next pass does not
bring back.
"""

import logging
from collections.abc import Sequence
from typing import Any

from bot.channels.slack.mrkdwn import escaped, hidden_address
from bot.channels.slack.texts import Words
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.cards import PERSON, Cards, Drawn, who
from bot.domain import Priority
from bot.errors import DeliveryError, MissingError
from bot.journal import Case, Journal, Stage
from bot.journal.slack_outbox import REMINDER
from bot.journal.slack_records import FollowUpMessage, SlackCard

log = logging.getLogger(__name__)
LATER = 1_500


class CardError(DeliveryError):
    """A card could not be drawn; the next pass tries it again."""


class Sync:
    """One channel of cards."""

    def __init__(
        self, journal: Journal, cards: Cards, words: Words, *, channel: str, oncall: Sequence[str]
    ) -> None:
        self.journal = journal
        self.book = journal.slack
        self.cards = cards
        self.words = words
        self.channel = channel
        self.oncall = oncall
        self._undrawn: set[int] = set()  # cases whose card broke when it was last drawn

    def sync(self) -> int:
        """Store a post for every card that is not as it should be; how many.

        CardError when one could not be drawn, after all the others were.
        """
        known = self.book.read_cards()
        wanted = self.journal.cases.read_stamps(days=self.words.keep_days)
        changed = [i for i, stamp in wanted.items() if i not in known or known[i].stamp != stamp]
        broken = ""
        for case_id in changed:
            try:
                if case := self.journal.cases.read(case_id):
                    self._draw(case, known.get(case_id), wanted[case_id])
            except MissingError:
                raise
            except Exception as error:
                broken = f"the card of case {case_id} cannot be drawn ({type(error).__name__})"
                if case_id not in self._undrawn:
                    log.exception("a card cannot be drawn", extra={"case_id": case_id})
                self._undrawn.add(case_id)
            else:
                self._undrawn.discard(case_id)
        if broken:
            raise CardError(f"{broken}; `incident-desk queue` shows it")
        return len(changed)

    def _draw(self, case: Case, card: SlackCard | None, stamp: str) -> None:
        drawn = payload(self.cards.card(case))
        if case.parent:
            drawn["thread_of"] = case.parent
        # What the thread tells is stored first: a crash in between repeats it under the same keys.
        if card:
            self._follow(case, card)
            self._remind(case)
        if case.open and case.priority == Priority.PAGE:
            self._page(case)
        self.book.enqueue_card(case.id, channel=self.channel, drawn=drawn, stamp=stamp)

    def _follow(self, case: Case, card: SlackCard) -> None:
        """Later mails of the conversation, once each, in the thread of its first case."""
        later = self.book.list_follow_ups(case.message_id)
        for each in later[card.announced_follow_ups :]:
            self._tell(case, f"later:{case.parent or case.id}:{each.id}", _came(each))
        if len(later) > card.announced_follow_ups:
            self.book.record_follow_ups(case.id, len(later))

    def _remind(self, case: Case) -> None:
        if not case.reminders or not case.open:
            return
        says = _reminder(case)
        where = f"Its card is in <#{self.channel}>; `/incident case {case.id}` shows it here."
        steps = case.version.partition(".")[0]  # after each the count begins anew
        key = f"{REMINDER}{case.id}:{steps}:{case.reminders}"
        self._tell(case, key, self._said(case, says))
        urgent = case.priority == Priority.PAGE
        at = None if urgent else self.words.quiet.over(self.journal.clock())
        for user in self._called(case):
            self.book.withdraw(f"{REMINDER}{case.id}:", user)  # one in the morning is enough
            self.book.enqueue(
                f"{key}:{user}", channel=user, method="chat.postMessage", at=at,
                payload=self._said(case, f"{says} {where}"),
            )  # fmt: skip

    def _page(self, case: Case) -> None:
        """What pages goes to people at once, at every hour."""
        says = f"🔴 *{escaped(self.cards.title(case))}* Look in <#{self.channel}> now."
        for user in self.oncall:
            self.book.enqueue(
                f"page:{case.id}:{user}", channel=user, method="chat.postMessage",
                payload=self._said(case, says),
            )  # fmt: skip

    def _said(self, case: Case, says: str) -> dict[str, Any]:
        return payload(Drawn(blocks=[b.words(says)], text=self.cards.spoken(case)))

    def _called(self, case: Case) -> Sequence[str]:
        """Who has it; the on-call list where nobody has."""
        owner = PERSON.fullmatch(case.owner)
        return [owner.group(1)] if owner else self.oncall

    def _tell(self, case: Case, key: str, told: dict[str, Any]) -> None:
        self.book.enqueue(
            key, channel=self.channel, method="chat.postMessage", case_id=case.id,
            payload=told | {"thread_of": case.parent or case.id},
        )  # fmt: skip


def payload(drawn: Drawn) -> dict[str, Any]:
    """The arguments of a message."""
    return {"text": drawn.text, "blocks": drawn.blocks}


def _came(each: FollowUpMessage) -> dict[str, Any]:
    text = "Somebody else wrote in the same thread" if each.sender else "They wrote again"
    blocks = [b.words(f"✉️ *{text}:*"), b.said(each.text, LATER)]
    if each.sender:
        blocks.insert(1, b.label(f"By e-mail from {hidden_address(each.sender)}"))
    if each.draft:
        blocks += [b.words("*Draft* for this mail:"), b.letter(each.draft, LATER)]
    return payload(Drawn(blocks=b.fits(blocks), text=text))


def _reminder(case: Case) -> str:
    if case.stage is Stage.OPEN:
        return f"⏰ *Case {case.id} still has nobody.* It came {b.ago(case.opened_at)}."
    return (
        f"⏰ {who(case.owner)}, *case {case.id} is yours and past its time.* Answer or release it."
    )
