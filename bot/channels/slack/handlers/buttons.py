"""What a click or a command does. Each is safe to do twice: the journal says who was first."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bot.channels.slack.candidates import rated
from bot.channels.slack.context import HandlerContext, Payload, actor
from bot.channels.slack.events import CHANGED, LOST
from bot.channels.slack.views import case_reader, home, modals
from bot.channels.slack.views.answers import HELP
from bot.channels.slack.views.cards import who
from bot.channels.slack.views.home import EACH, Page
from bot.errors import BlockedError, InputError, RefusedError
from bot.journal import Case, CaseAction, CaseChange, Stage
from bot.journal.slack_records import SlackEvent
from bot.journal.statistics import read_statistics

LATE = "That took too long for Slack. Please press the button again."
GONE = "There is no such case."
STALE = (
    "Case {case} has changed since this card was drawn: they may have written again. "
    "Nothing was {done}. Look at the card again."
)


class ButtonHandler:
    """The lane of clicks: quick, because a window must open within three seconds."""

    def __init__(self, room: HandlerContext, health: Callable[[], list[home.Health]]) -> None:
        self.room = room
        self.desk = room.desk
        self.cases = room.desk.journal.cases
        self.book = room.desk.journal.slack
        self.health = health
        self.taking: Callable[[], bool] = lambda: True  # can mail be taken?
        self.watching: dict[str, str] = {}  # who has App Home open, and what they see
        self.lost = ""  # Slack said that the app was removed, or its tokens

    def act(self, event: SlackEvent) -> None:
        """Do what one event asks for; what it may not is refused where it was asked."""
        payload = event.payload
        if payload["kind"] in LOST:
            if self.room.staff.team in ("", payload["team"]):
                self.lost = payload["kind"]
            return
        if payload["kind"] in CHANGED:
            self.room.places.forget()
            return
        if why := self.room.objection(payload):
            if payload["kind"] != "app_home_opened":
                self.room.refuse(payload, why)
            return
        match payload["kind"]:
            case "app_home_opened":
                self.home(str(payload["user"]), again=True)
            case "command":
                self._command(payload)
            case _:
                self._click(payload)

    def home(self, user: str, *, again: bool = False) -> None:
        """Publish App Home when it is not what they see."""
        view = self._home(user)
        seen = repr(view["blocks"])
        if not again and self.watching.get(user) == seen:
            return
        self.watching.pop(user, None)
        with suppress(RefusedError):  # they left, or closed the app: nobody to show it to
            self.room.client.call("views.publish", {"user_id": user, "view": view})
            self.watching[user] = seen

    def _home(self, user: str) -> dict[str, Any]:
        return home.home(
            self.room.cards,
            mine=self._page(f"slack:{user}"),
            unclaimed=self._page(""),
            numbers=read_statistics(self.desk.journal.engine, self.desk.journal.clock),
            knowledge=self.desk.knowledge.version,
            health=self.health(),
            taking=self.taking(),
        )

    def _page(self, owner: str | None, asked: str = "") -> Page:
        """Open cases, of all or of one owner; a page that there is not is the last."""
        ids = self.cases.list_open_ids(owner)
        pages = max(1, -(-len(ids) // EACH))
        number = max(1, min(_number(asked) or 1, pages))
        shown = ids[(number - 1) * EACH : number * EACH]
        found = [case for case in map(self.cases.read, shown) if case]
        return Page(cases=found, total=len(ids), number=number)

    def _command(self, payload: Payload) -> None:
        verb, rest = payload["verb"], payload["text"].strip()
        cards = self.room.cards
        if verb == "queue":
            page = self._page(None, rest)
            title, none = "What waits for a person", "Nothing. 🎉"
            blocks = home.listed(cards, page, title, none, "/incident queue")
            self.room.tell(payload, "The queue", blocks)
        elif verb == "mine":
            page = self._page(actor(payload), rest)
            blocks = home.listed(cards, page, "Your cases", "You have none.", "/incident mine")
            self.room.tell(payload, "Your cases", blocks)
        elif verb == "case":
            case = self._asked(_number(rest.removeprefix("#")))
            drawn = cards.card(case) if case else None
            if drawn is None:
                self.room.tell(payload, f"{GONE} `/incident queue` lists them.")
                return
            self.room.tell(payload, drawn.text, drawn.blocks)
        else:
            self.room.tell(payload, HELP)

    def _asked(self, number: int) -> Case | None:
        """The case of this number; what joined a case that somebody has is shown there."""
        case = self.cases.read(number)
        if case and case.parent and not case.open and not case.decision:
            return self.cases.read(case.parent)
        return case

    def _click(self, payload: Payload) -> None:
        action, (first, _, rest) = payload["action"], payload["value"].partition(":")
        if action == "feedback":
            self._feedback(payload, first, rest)
            return
        if action == "share":
            self._share(payload, first)
            return
        case = self.cases.read(_number(first))
        if case is None:
            self.room.tell(payload, GONE)
            return
        try:
            # A value without a version is none that the desk made: it fits no case.
            self._on_case(action, case, rest if action == "claim" else rest or "?", payload)
        except (InputError, BlockedError) as error:
            self.room.tell(payload, f"Nothing was sent: {error}")
        self.room.wake()

    def _on_case(self, action: str, case: Case, rest: str, payload: Payload) -> None:
        match action:
            case "claim":
                self._claim(case, rest, payload)
            case "approve":
                self._approve(case, rest, payload)
            case "resolve":
                self._decide(case, rest, payload, action=CaseAction.RESOLVED, text="")
            case "not_ours":
                self._decide(case, rest, payload, action=CaseAction.NOT_OURS, text="")
            case "reopen":
                self._reopen(case, rest, payload)
            case "edit" | "details" | "snooze" | "review":
                self._write(action, case, payload)
            case "show":
                self.book.note(actor(payload), f"viewed:{case.id}", case.message_id)
                later = self.book.list_follow_ups(case.message_id)
                self._window(payload, case_reader.full(case, later))
            case _:
                self.room.tell(payload, "This button does nothing any more.")

    def _claim(self, case: Case, owner: str, payload: Payload) -> None:
        me = actor(payload)
        if case.owner and owner and case.open:
            self._window(payload, modals.claimed(case, mine=case.owner == me))
            return
        change = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner=me)
        if self.cases.change(case.id, actor=me, change=change, owner=""):
            return
        self._not_first(case.id, payload)

    def _not_first(self, case_id: int, payload: Payload) -> None:
        """Somebody was: who, in words; nothing for the second click of the same person."""
        case = self.cases.read(case_id)
        if case is None or (case.open and case.owner == actor(payload)):
            return
        if case.decision:
            self.room.tell(
                payload, f"{who(case.decision.actor)} has already decided case {case.id}."
            )
        elif case.owner:
            self.room.tell(payload, f"Case {case.id} is already taken by {who(case.owner)}.")

    def _approve(self, case: Case, version: str, payload: Payload) -> None:
        if not self.room.cards.can_approve(case):
            self.room.tell(payload, "There is no draft to approve. Use Edit & send.")
            return
        self._decide(case, version, payload, action=CaseAction.APPROVED, text=case.draft)

    def _decide(
        self, case: Case, version: str, payload: Payload, *, action: CaseAction, text: str
    ) -> None:
        if not case.open or (case.owner and case.owner != actor(payload)):
            self._not_first(case.id, payload)
            return
        done = self.desk.resolve(
            case.id, actor=actor(payload), action=action, text=text, version=version,
            work=self.room.work,
        )  # fmt: skip
        if not done:
            self.room.tell(payload, STALE.format(case=case.id, done="sent or closed"))

    def _reopen(self, case: Case, version: str, payload: Payload) -> None:
        me = actor(payload)
        if self.cases.reopen(case.id, actor=me, version=version):
            return
        now = self.cases.read(case.id) or case
        if now.open and now.owner == me:
            return
        if now.open:
            self.room.tell(
                payload, f"Case {case.id} is already open again. {who(now.owner)} has it."
            )
            return
        self.room.tell(payload, STALE.format(case=case.id, done="reopened"))

    def _write(self, action: str, case: Case, payload: Payload) -> None:
        if not case.open or (case.owner and case.owner != actor(payload)):
            self._not_first(case.id, payload)
            return
        if action == "snooze":
            self._window(payload, modals.snooze(case, self.room.words.snooze_minutes))
            return
        if action == "review":
            text_id = self.book.store_text(case.draft)
            window = modals.check(case, kind="approve", text=case.draft, text_id=text_id)
            self._window(payload, window)
            return
        draft = case.draft if self.room.cards.can_approve(case) else ""
        text = modals.DETAILS if action == "details" else draft
        later = self.book.list_follow_ups(case.message_id)
        self._window(payload, modals.edit(case, kind=action, text=text, later=later))

    def _window(self, payload: Payload, view: modals.View) -> None:
        try:
            self.room.client.call("views.open", {"trigger_id": payload["trigger"], "view": view})
        except RefusedError as error:
            if "trigger" not in str(error):
                raise
            self.room.tell(payload, LATE)

    def _feedback(self, payload: Payload, verdict: str, event_id: str) -> None:
        if verdict == "wrong":
            self._window(payload, modals.wrong(_number(event_id)))
            return
        if asked := self.book.read_event(_number(event_id)):
            rated(self.room.candidates, asked, verdict="right", by=actor(payload))
        self.room.tell(payload, "Thank you, noted.")

    def _share(self, payload: Payload, event_id: str) -> None:
        channel = str(payload.get("channel") or "")
        asked = self.book.read_event(_number(event_id))
        if asked is None or not asked.result:
            self.room.tell(payload, "That answer is too old to share. Ask again.")
            return
        if why := self.room.places.objection(channel):
            self.room.refuse(payload, f"I do not speak in this channel: {why}")
            return
        self.book.enqueue(
            f"share:{event_id}:{channel}", channel=channel, method="chat.postMessage",
            payload=shared(asked),
        )  # fmt: skip
        self.room.wake()


def _number(text: str) -> int:
    """A number that a case or an event can have; nothing has 0."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def shared(asked: SlackEvent) -> dict[str, Any]:
    """The answer as it was given, without the buttons that were for one person."""
    told = json.loads(asked.result)
    kept = [block for block in told["blocks"] if block.get("block_id") not in ("share", "feedback")]
    return {"text": told["text"], "blocks": kept}
