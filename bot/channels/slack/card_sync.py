"""Brings Slack in line with the journal: cards, later mails of a case, reminders and pages.

Everything here is derived from the journal, so that the next pass makes up for whatever an outage
of Slack or of this process has lost.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.channels.slack.mrkdwn import escape, mask_address
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.buttons import claim_button
from bot.channels.slack.views.cards import PERSON, Cards, RenderedMessage, mention, proof_lines
from bot.domain import Priority
from bot.errors import DeliveryError, MissingError
from bot.journal import Case, Journal, Stage
from bot.journal.clock import stamp
from bot.journal.on_call import HeldPages, wakes
from bot.journal.slack_outbox import PAGE, REMINDER
from bot.journal.slack_records import FollowUpMessage, SlackCard
from bot.staff.staff_texts import StaffTexts

log = logging.getLogger(__name__)
MAX_DRAWN_AT_ONCE = 100  # so that of a thousand new cases the urgent ones are posted first
MAX_FOLLOW_UP_CHARACTERS = 1_500  # of a later mail in the thread; *Show all* has the rest


class CardError(DeliveryError):
    """A card could not be drawn; the next pass tries again."""


class CardSync:
    """Synchronizes the cards in one channel."""

    def __init__(
        self,
        journal: Journal,
        cards: Cards,
        texts: StaffTexts,
        *,
        channel: str,
        oncall: Sequence[str],
    ) -> None:
        self.journal = journal
        self.store = journal.slack
        self.cards = cards
        self.texts = texts
        self.channel = channel
        self.oncall = oncall
        # The start of the interval and the counts of the last summary of held pages.
        self._summarized: tuple[datetime, HeldPages] | None = None
        self._undrawn: set[int] = set()  # cases whose card could not be drawn at the last attempt

    def sync(self) -> int:
        """Store posts for cards that differ from their cases, and return how many differ.

        At most MAX_DRAWN_AT_ONCE are drawn, the most urgent first; the others follow in later
        passes. CardError when a card could not be drawn, after all the others were.
        """
        began = self.journal.clock()
        wanted = self.journal.cases.read_stamps(days=self.texts.keep_days)
        known = self.store.read_cards(since=min(wanted, default=0))
        changed = [i for i, stamp in wanted.items() if i not in known or known[i].stamp != stamp]
        broken = ""
        for case_id in changed[:MAX_DRAWN_AT_ONCE]:
            try:
                if case := self.journal.cases.read(case_id):
                    self._draw_card(case, known.get(case_id), wanted[case_id])
            except MissingError:
                raise
            except Exception as error:
                broken = f"the card of case {case_id} cannot be drawn ({type(error).__name__})"
                if case_id not in self._undrawn:
                    log.exception("a card cannot be drawn", extra={"case_id": case_id})
                self._undrawn.add(case_id)
            else:
                self._undrawn.discard(case_id)
        self._summarize_held_pages(began)
        if broken:
            raise CardError(f"{broken}; `incident-desk queue` shows it")
        return len(changed)

    def _draw_card(self, case: Case, card: SlackCard | None, stamp: str) -> None:
        drawn = message_arguments(self.cards.render(case))
        if case.parent:
            drawn["thread_of"] = case.parent
        # Posts for the thread are stored first: after a crash they are stored again by their keys.
        if card:
            self._post_follow_ups(case)
            self._post_reminders(case)
        if case.open and case.priority == Priority.PAGE:
            self._page_oncall(case)
        self.store.enqueue_card(
            case.id, channel=self.channel, drawn=drawn, stamp=stamp, rank=case.rank
        )

    def _post_follow_ups(self, case: Case) -> None:
        """Post each later mail of the conversation once, in the thread of its first case.

        They are told apart by their keys: one that was decided earlier than another may be stored
        later, or come with a case that was merged.
        """
        begin = f"later:{case.parent or case.id}:"
        posted = self.store.list_keys(begin)
        for each in self.store.list_follow_ups(case.message_id):
            if f"{begin}{each.id}" not in posted:
                self._post_in_thread(
                    case, f"{begin}{each.id}", _follow_up_message(each), about=each.id
                )

    def _post_reminders(self, case: Case) -> None:
        if not case.reminders or not case.open:
            return
        says = _reminder(case)
        where = f"Its card is in <#{self.channel}>; `/incident case {case.id}` shows it here."
        steps = case.version.partition(".")[0]  # the count of reminders begins anew with each step
        key = f"{REMINDER}{case.id}:{steps}:{case.reminders}"
        self._post_in_thread(case, key, self._message(case, says))
        at = self._when(case)
        for user in self._people_to_remind(case):
            # After quiet hours one reminder is enough.
            self.store.withdraw(f"{REMINDER}{case.id}:", user)
            self.store.enqueue(
                f"{key}:{user}", channel=user, method="chat.postMessage", at=at,
                payload=self._message(case, f"{says} {where}"),
            )  # fmt: skip

    def _page_oncall(self, case: Case) -> None:
        """Send a page to each on-call person, once, unless there are too many."""
        may_page = self.journal.pages.may_page(case.id)
        if may_page is None:
            return
        for user in self.oncall if may_page else ():
            self.store.enqueue(
                f"{PAGE}{case.id}:{user}", channel=user, method="chat.postMessage",
                payload=self._page(case), at=self._when(case),
            )  # fmt: skip
        # Recorded last: after a crash the pages are stored again, by their keys once.
        self.journal.pages.record(case.id, paged=may_page)

    def _page(self, case: Case) -> dict[str, Any]:
        """Return a page: one line, and the button that acknowledges it."""
        says = f"🔴 *{escape(self.cards.title(case))}* Look in <#{self.channel}> now."
        line = b.markdown(says) | {"accessory": claim_button(case)}
        return message_arguments(RenderedMessage(blocks=[line], text=self.cards.summary(case)))

    def _summarize_held_pages(self, now: datetime) -> None:
        """Tell the on-call people how many urgent cases did not page them, again when more come.

        `now` is when this pass began. A summary that is not posted yet is replaced by one with the
        newest count. Once it is posted, a further one goes out in the next interval of
        `summary_again_seconds`. In quiet hours there is one summary for each hour.
        """
        pages = self.journal.pages
        pages.hold_folded()
        if pages.limits is None:
            return
        stretch = timedelta(seconds=pages.limits.summary_again_seconds)
        hour, began = _begin(now, pages.limits.page_seconds), _begin(now, stretch.seconds)
        # The first pass also counts the interval before: a process that died may not have told it.
        held = pages.count_held(stamp(hour), stamp(began if self._summarized else began - stretch))
        if not held.lately or self._summarized == (began, held):
            return
        soon = now + timedelta(seconds=pages.limits.summary_seconds)
        quiet = None if held.wakes else self.texts.quiet.ends_at(now)
        places = [(f"{stamp(hour)}:quiet", quiet)] if quiet else [
            (stamp(began - stretch), None), (stamp(began), soon),
            (stamp(began + stretch), max(soon, began + stretch)),
        ]  # fmt: skip
        for user in self.oncall:
            self._store_summary(user, places, _summary(held, hour))
        self._summarized = began, held

    def _store_summary(
        self, user: str, places: Sequence[tuple[str, datetime | None]], message: dict[str, Any]
    ) -> None:
        """Replace a summary that waits at one of the places, else store a new one.

        A place is a part of the key, with the time at which a new summary is posted under it; None
        where no new one may be stored. A new one is stored at the first place whose key is unused.
        """
        keys = [(f"{PAGE}summary:{place}:{user}", at) for place, at in places]
        if any(self.store.replace_waiting(key, message) for key, _ in keys):
            return
        for key, at in keys:
            if at and self.store.enqueue(
                key, channel=user, method="chat.postMessage", payload=message, at=at
            ):
                return

    def _when(self, case: Case) -> datetime | None:
        """Return when messages about a case may be posted: None for now, else the end of the quiet
        hours.
        """
        if case.priority == Priority.PAGE and wakes(case.proof, case.reason):
            return None
        return self.texts.quiet.ends_at(self.journal.clock())

    def _message(self, case: Case, says: str) -> dict[str, Any]:
        return message_arguments(
            RenderedMessage(blocks=[b.markdown(says)], text=self.cards.summary(case))
        )

    def _people_to_remind(self, case: Case) -> Sequence[str]:
        """Return the owner of the case, or the on-call people where nobody has it."""
        owner = PERSON.fullmatch(case.owner)
        return [owner.group(1)] if owner else self.oncall

    def _post_in_thread(
        self, case: Case, key: str, message: dict[str, Any], *, about: int | None = None
    ) -> None:
        self.store.enqueue(
            key, channel=self.channel, method="chat.postMessage", case_id=case.id, about=about,
            payload=message | {"thread_of": case.parent or case.id}, rank=case.rank,
        )  # fmt: skip


def message_arguments(message: RenderedMessage) -> dict[str, Any]:
    """Return the arguments of `chat.postMessage` for a rendered message."""
    return {"text": message.text, "blocks": message.blocks}


def _begin(now: datetime, seconds: int) -> datetime:
    """Return when the current interval of `seconds` began; it is the same for all desks."""
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)


def _summary(held: HeldPages, since: datetime) -> dict[str, Any]:
    """Return the message about urgent cases that paged nobody since a moment."""
    cases = "case" if held.since == 1 else "cases"
    danger = ""
    if held.dangers:
        danger = f" In {held.dangers} of them somebody may be in danger."
    says = (
        f"🔴 *{held.since} more urgent {cases}* came since {b.absolute_time(stamp(since))}, too "
        f"many to call somebody for each.{danger} `/incident queue` lists them, the most urgent "
        "first."
    )
    return {"text": f"{held.since} more urgent {cases}", "blocks": [b.markdown(says)]}


def _follow_up_message(mail: FollowUpMessage) -> dict[str, Any]:
    text = "Somebody else wrote in the same thread" if mail.sender else "They wrote again"
    blocks = [b.markdown(f"✉️ *{text}:*")]
    if mail.sender:
        blocks.append(b.plain_small_print(f"By e-mail from {mask_address(mail.sender)}"))
    blocks += [*proof_lines(mail.proof), b.quote(mail.text, MAX_FOLLOW_UP_CHARACTERS)]
    if mail.draft:
        blocks += [
            b.markdown("*Draft* for this mail:"),
            b.preformatted(mail.draft, MAX_FOLLOW_UP_CHARACTERS),
        ]
    return message_arguments(RenderedMessage(blocks=b.fit_message(blocks), text=text))


def _reminder(case: Case) -> str:
    if case.stage is Stage.OPEN:
        return f"⏰ *Case {case.id} still has nobody.* It came {b.relative_time(case.opened_at)}."
    whose = f"⏰ {mention(case.owner)}, *case {case.id} is yours and past its time.*"
    return f"{whose} Answer or release it."
