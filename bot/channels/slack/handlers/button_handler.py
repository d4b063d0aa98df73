"""Handles clicks, commands and App Home.

Slack may deliver each of them twice; the journal recognizes the second one.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bot.channels.slack.context import HandlerContext, Payload, actor
from bot.channels.slack.events import ACCESS_LOST, CHANNEL_CHANGED
from bot.channels.slack.handlers.case_list_requests import (
    CaseList,
    ChosenList,
    choose_list,
    list_own_cases,
    parse_queue,
    parse_search,
    read_home_list,
    read_page,
)
from bot.channels.slack.handlers.label_handler import LabelHandler
from bot.channels.slack.handlers.more_menu_handler import MoreMenuHandler
from bot.channels.slack.handlers.team_answer_handler import NOT_HERE, TeamAnswerHandler
from bot.channels.slack.rated_answers import record_right_answer
from bot.channels.slack.views import case_reader, home, modals, team_answer_views
from bot.channels.slack.views import recall_views as views
from bot.channels.slack.views.cards import mention
from bot.channels.slack.views.responses import HELP
from bot.domain import HealthLine
from bot.errors import BlockedError, InputError, RefusedError
from bot.journal import Case, CaseAction, Reopened, Stage
from bot.journal.slack_records import SlackEvent
from bot.journal.statistics import read_statistics
from bot.journal.transcript import read_transcript
from bot.staff.case_actions import DETAILS, TAKEN_BACK, may_act

TOO_LATE = "That took too long for Slack. Please press the button again."
OPTED_OUT = "Noted: they get no correction. What they ask is still answered."
OPTED_OUT_BEFORE = "That was noted before: they get no correction."
NO_DRAFT = "There is no draft to approve. Use *Write a reply*."
TOO_LATE_TO_UNDO = "The mail of case {case} has left: it cannot be taken back any more."
NO_CASE = "There is no such case."
STALE = (
    "Case {case} has changed since this card was drawn: they may have written again. "
    "Nothing was {done}. Look at the card again."
)


class ButtonHandler:
    """Handles the lane of clicks, quickly because a modal must open within three seconds.

    `health` returns the lines for App Home, `mail_is_taken` whether mail can be received now.
    """

    def __init__(self, context: HandlerContext, health: Callable[[], list[HealthLine]]) -> None:
        self.context = context
        self.desk = context.desk
        self.cases = context.desk.journal.cases
        self.store = context.desk.journal.slack
        self.more_menu_handler = MoreMenuHandler(context)
        self.label_handler = LabelHandler(context.label_review, context.cards.topics)
        posts = context.team_answer_posts
        self.team_answer_handler = TeamAnswerHandler(posts.answers if posts else None)
        self.steps: dict[str, Callable[[Case, str, Payload], None]] = {
            "claim": self._claim, "approve": self._approve, "reopen": self._reopen,
            "undo": self._undo, "opt_out": self._opt_out, "take": self._take,
        }  # fmt: skip
        self.health = health
        self.mail_is_taken: Callable[[], bool] = lambda: True
        self.shown_homes: dict[str, str] = {}  # App Home as each person who has it open sees it
        self.chosen_lists: dict[str, ChosenList] = {}  # what each person lists in App Home
        self.lost_access = ""  # what Slack said when the app or its tokens were removed

    def handle(self, event: SlackEvent) -> None:
        """Do what an event asks for, or tell the person why not, in the place where they asked."""
        payload = event.payload
        if payload["kind"] in ACCESS_LOST:
            if self.context.staff_permissions.team in ("", payload["team"]):
                self.lost_access = payload["kind"]
            return
        if payload["kind"] in CHANNEL_CHANGED:
            self.context.channel_permissions.forget()
            return
        if why := self.context.object_to_event(payload):
            if payload["kind"] != "app_home_opened":
                self.context.refuse(payload, why)
            return
        match payload["kind"]:
            case "app_home_opened":
                self.publish_home(str(payload["user"]), again=True)
            case "command":
                self._command(payload)
            case _:
                self._click(payload)

    def publish_home(self, user: str, *, again: bool = False) -> None:
        """Publish App Home for a person when it differs from what they see, or `again`."""
        view = self._home(user)
        drawn_blocks = repr(view["blocks"])
        if not again and self.shown_homes.get(user) == drawn_blocks:
            return
        self.shown_homes.pop(user, None)
        with suppress(RefusedError):  # they left or closed the app
            self.context.client.call("views.publish", {"user_id": user, "view": view})
            self.shown_homes[user] = drawn_blocks

    def _home(self, user: str) -> dict[str, Any]:
        return home.build_home(
            self.context.cards,
            read_home_list(self.cases, self.chosen_lists.get(user), f"slack:{user}"),
            now=self.desk.journal.clock(),
            numbers=read_statistics(self.desk.journal.engine, self.desk.journal.clock),
            knowledge=self.desk.knowledge.version,
            health=self.health(),
            taking=self.mail_is_taken(),
        )

    def _choose_list(self, payload: Payload) -> None:
        """Change what App Home lists for a person, and draw it again."""
        user = str(payload["user"])
        chosen = choose_list(
            payload["action"], payload["value"], self.chosen_lists.pop(user, None),
            actor(payload), self.context.cards.topics,
        )  # fmt: skip
        if chosen:
            self.chosen_lists[user] = chosen
        self.publish_home(user, again=True)

    def _command(self, payload: Payload) -> None:
        verb, rest = payload["verb"], payload["text"].strip()
        if verb == "case":
            self._show_case(payload, _number(rest.removeprefix("#")))
            return
        me, topics = actor(payload), self.context.cards.topics
        asked: CaseList | str = HELP
        if verb == "queue":
            asked = parse_queue(rest, me, topics)
        elif verb == "mine":
            asked = list_own_cases(me, rest)
        elif verb == "find":
            asked = parse_search(rest)
        if isinstance(asked, str):
            self.context.reply_privately(payload, asked)
            return
        page = read_page(self.cases, asked)
        none = "You have none." if verb == "mine" else "There is none."
        blocks = home.list_cases(
            self.context.cards, page, asked.title, none, asked.command,
            now=self.desk.journal.clock(),
        )  # fmt: skip
        self.context.reply_privately(payload, asked.title, blocks)

    def _show_case(self, payload: Payload, number: int) -> None:
        case = self._find_case(number)
        if case is None:
            self.context.reply_privately(payload, f"{NO_CASE} `/incident queue` lists them.")
            return
        drawn = self.context.cards.render(case)
        self.context.reply_privately(payload, drawn.text, drawn.blocks)

    def _find_case(self, number: int) -> Case | None:
        """Return the case of this number, or the case that it was joined to."""
        case = self.cases.read(number)
        if case and case.parent and not case.open and not case.decision:
            return self.cases.read(case.parent)
        return case

    def _click(self, payload: Payload) -> None:
        action, (first, _, rest) = payload["action"], payload["value"].partition(":")
        if self._click_without_case(action, payload):
            return
        if action == "more":
            action, (first, _, rest) = first, rest.partition(":")
        case = self.cases.read(_number(first))
        if case is None:
            self.context.reply_privately(payload, NO_CASE)
            return
        try:
            # Every other button carries a version; "?" for a missing one matches no case.
            self._on_case(action, case, rest if action == "claim" else rest or "?", payload)
        except (InputError, BlockedError) as error:
            self.context.reply_privately(payload, f"Nothing was sent: {error}")
        self.context.wake()

    def _click_without_case(self, action: str, payload: Payload) -> bool:
        """Handle a click on a button that is about no case; return False for any other."""
        first, _, rest = payload["value"].partition(":")
        if action == "feedback":
            self._feedback(payload, first, rest)
        elif action == "share":
            self._share(payload, first)
        elif action == "labels":
            self._open_or_say(payload, self.label_handler.draw_modal(actor(payload)))
        elif action.startswith("list_"):
            self._choose_list(payload)
        elif action.startswith(views.PREFIXES):
            self._recall(action, payload)
        elif action.startswith(team_answer_views.PREFIX):
            self._decide_team_answer(action, payload)
        else:
            return False
        return True

    def _on_case(self, action: str, case: Case, rest: str, payload: Payload) -> None:
        if step := self.steps.get(action):
            step(case, rest, payload)
            return
        match action:
            case "resolve":
                self._decide(case, rest, payload, action=CaseAction.RESOLVED, text="")
            case "not_ours":
                self._decide(case, rest, payload, action=CaseAction.NOT_OURS, text="")
            case "assign" | "passage" | "snippet" | "several" | "merge":
                self._open_more_menu(action, case, payload)
            case "edit" | "all" | "details" | "snooze" | "review":
                self._open_modal_for(action, case, payload)
            case "show":
                self.store.append_audit(actor(payload), f"viewed:{case.id}", case.message_id)
                later = self.store.list_follow_ups(case.message_id)
                said = read_transcript(self.desk.journal.engine, case.id)
                self._open_modal(payload, case_reader.show_full_case(case, later, transcript=said))
            case _:
                self.context.reply_privately(payload, "This button does nothing any more.")

    def _claim(self, case: Case, owner: str, payload: Payload) -> None:
        me = actor(payload)
        if case.owner and owner and case.open:
            self._open_modal(payload, modals.change_owner(case, mine=case.owner == me))
            return
        if self.context.actions.claim(case, actor=me):
            return
        self._say_who_was_first(case.id, payload)

    def _say_who_was_first(self, case_id: int, payload: Payload) -> None:
        """Tell a person who has taken or decided the case before.

        Nothing is said if that is the person, as at a second click.
        """
        case = self.cases.read(case_id)
        if case is None or (case.open and case.owner == actor(payload)):
            return
        if case.decision:
            self.context.reply_privately(
                payload, f"{mention(case.decision.actor)} has already decided case {case.id}."
            )
        elif case.owner:
            self.context.reply_privately(
                payload, f"Case {case.id} is already taken by {mention(case.owner)}."
            )

    def _approve(self, case: Case, version: str, payload: Payload) -> None:
        if not case.can_approve:
            self.context.reply_privately(payload, NO_DRAFT)
            return
        self._decide(case, version, payload, action=CaseAction.APPROVED, text=case.draft)

    def _decide(
        self, case: Case, version: str, payload: Payload, *, action: CaseAction, text: str
    ) -> None:
        me = actor(payload)
        if not may_act(case, me):
            self._say_who_was_first(case.id, payload)
            return
        if not self.context.actions.decide(case, action, actor=me, text=text, version=version):
            self.context.reply_privately(payload, STALE.format(case=case.id, done="sent or closed"))

    def _undo(self, case: Case, version: str, payload: Payload) -> None:
        """Take back a mail that has not left yet; the case is open again."""
        me = actor(payload)
        if case.owner not in ("", me) or (case.decision and case.decision.actor != me):
            self._say_who_was_first(case.id, payload)
            return
        if self.context.actions.undo(case, actor=me, version=version):
            return
        now = self.cases.read(case.id) or case
        if not (now.open and now.owner == me and now.stage is not Stage.WAITING):
            self.context.reply_privately(payload, TOO_LATE_TO_UNDO.format(case=case.id))

    def _opt_out(self, case: Case, _version: str, payload: Payload) -> None:
        """Note that the sender wants no mail that they did not ask for."""
        noted = self.context.actions.opt_out(case, actor=actor(payload))
        self.context.reply_privately(payload, OPTED_OUT if noted else OPTED_OUT_BEFORE)

    def _open_more_menu(self, action: str, case: Case, payload: Payload) -> None:
        """Open the window for an entry of the menu (`more`)."""
        me = actor(payload)
        if not case.open or (action != "assign" and case.owner not in ("", me)):
            self._say_who_was_first(case.id, payload)
            return
        self._open_or_say(payload, self.more_menu_handler.draw_modal(action, case, me))

    def _take(self, case: Case, _version: str, payload: Payload) -> None:
        self._open_or_say(payload, self.team_answer_handler.draw_modal(case))

    def _open_or_say(self, payload: Payload, window: modals.View | str) -> None:
        """Open a window, or say privately why there is none."""
        if isinstance(window, str):
            self.context.reply_privately(payload, window)
            return
        self._open_modal(payload, window)

    def _reopen(self, case: Case, version: str, payload: Payload) -> None:
        me = actor(payload)
        if reopened := self.context.actions.reopen(case, actor=me, version=version):
            if reopened is Reopened.WITHOUT_ITS_MAIL:
                self.context.reply_privately(
                    payload, f"Case {case.id} is yours again. {TAKEN_BACK}"
                )
            return
        now = self.cases.read(case.id) or case
        if now.open and now.owner == me:
            return
        if now.open:
            self.context.reply_privately(
                payload, f"Case {case.id} is already open again. {mention(now.owner)} has it."
            )
            return
        self.context.reply_privately(payload, STALE.format(case=case.id, done="reopened"))

    def _open_modal_for(self, action: str, case: Case, payload: Payload) -> None:
        if not may_act(case, actor(payload)):
            self._say_who_was_first(case.id, payload)
            return
        if action == "snooze":
            self._open_modal(payload, modals.choose_snooze(case, self.context.texts.snooze_minutes))
            return
        if action == "review" and not case.can_approve:
            self.context.reply_privately(payload, NO_DRAFT)
            return
        if action == "review":
            text_id = self.store.store_text(case.draft)
            window = modals.confirm_sending(case, kind="approve", text=case.draft, text_id=text_id)
            self._open_modal(payload, window)
            return
        draft = case.draft if case.can_approve else ""
        text = DETAILS if action == "details" else draft
        later = self.store.list_follow_ups(case.message_id)
        news = self.context.others_asking(case) if action == "all" else []
        self._open_modal(
            payload, modals.edit_reply(case, kind=action, text=text, later=later, news=news)
        )

    def _open_modal(self, payload: Payload, view: modals.View) -> None:
        try:
            self.context.client.call("views.open", {"trigger_id": payload["trigger"], "view": view})
        except RefusedError as error:
            if "trigger" not in str(error):
                raise
            self.context.reply_privately(payload, TOO_LATE)

    def _recall(self, action: str, payload: Payload) -> None:
        """Do what a click on a change of the post or on a batch of corrections asks for."""
        recall_posts, value, me = self.context.recall_posts, payload["value"], actor(payload)
        if recall_posts is None:
            self.context.reply_privately(payload, "This button does nothing any more.")
            return
        says = ""
        match action:
            case views.SEND:
                says = recall_posts.approve(value, actor=me)
            case views.SHOW:
                batch = recall_posts.read_batch()
                if batch:
                    self._open_modal(payload, views.show_list(batch))
                else:
                    says = recall_posts.look_again()
            case views.LOOK:
                says = recall_posts.look_again()
            case _:
                says = recall_posts.decide(action.removeprefix(views.CHANGE), value, actor=me)
        if says:
            self.context.reply_privately(payload, says)
        self.context.wake()

    def _decide_team_answer(self, action: str, payload: Payload) -> None:
        """Do what a click on an answer for the knowledge asks for."""
        posts = self.context.team_answer_posts
        says = posts.act(action, payload["value"], actor=actor(payload)) if posts else NOT_HERE
        if action == team_answer_views.WITHDRAW and self.context.recall_posts:
            self.context.recall_posts.look_again()  # whoever was told it is on the list now
        if says:
            self.context.reply_privately(payload, says)
        self.context.wake()

    def _feedback(self, payload: Payload, verdict: str, event_id: str) -> None:
        if verdict == "wrong":
            self._open_modal(payload, modals.report_wrong_answer(_number(event_id)))
            return
        if asked := self.store.read_event(_number(event_id)):
            record_right_answer(
                self.context.rated_answers_path, asked, verdict="right", by=actor(payload)
            )
        self.context.reply_privately(payload, "Thank you, noted.")

    def _share(self, payload: Payload, event_id: str) -> None:
        channel = str(payload.get("channel") or "")
        asked = self.store.read_event(_number(event_id))
        if asked is None or not asked.result:
            self.context.reply_privately(payload, "That answer is too old to share. Ask again.")
            return
        if why := self.context.channel_permissions.objection(channel):
            self.context.refuse(payload, f"I do not speak in this channel: {why}")
            return
        self.store.enqueue(
            f"share:{event_id}:{channel}", channel=channel, method="chat.postMessage",
            payload=answer_without_buttons(asked),
        )  # fmt: skip
        self.context.wake()


def _number(text: str) -> int:
    """Return the id in a text; 0, which is no id of anything, where there is none."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def answer_without_buttons(asked: SlackEvent) -> dict[str, Any]:
    """Return the stored answer to a question, without the buttons to rate and share it."""
    answer = json.loads(asked.result)
    kept = [
        block for block in answer["blocks"] if block.get("block_id") not in ("share", "feedback")
    ]
    return {"text": answer["text"], "blocks": kept}
