"""Handles submitted modals: each is checked, and its result committed, before it is acknowledged.

The answer to Slack is the next modal, so that a person sees at once whether their mail was stored,
or why not. The mail itself is sent by a job.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from bot.channels.slack.context import HandlerContext, actor
from bot.channels.slack.events import decode_metadata, team_of
from bot.channels.slack.handlers.label_handler import LabelHandler
from bot.channels.slack.handlers.more_menu_handler import MoreMenuHandler
from bot.channels.slack.handlers.team_answer_handler import TeamAnswerHandler
from bot.channels.slack.rated_answers import answered_passages, record_wrong_answer
from bot.channels.slack.views import case_reader, modals, recall_views
from bot.channels.slack.views.blocks import markdown
from bot.channels.slack.views.cards import mention
from bot.channels.slack.views.responses import refusal_text
from bot.channels.slack.views.team_answer_views import WINDOW
from bot.errors import BlockedError, InputError
from bot.journal import Case, CaseChange, Stage
from bot.journal.clock import stamp
from bot.journal.slack_records import FollowUpMessage
from bot.journal.statistics import MARKED_WRONG
from bot.journal.transcript import read_transcript
from bot.redact import redact
from bot.staff.case_actions import ReplyKind, digest_remarks, has_sent, may_act, object_to_text

Ack = dict[str, Any]
THANKS = "Thank you. It is kept for the next round of tests."
MASKED = " What looked like a secret in it was removed first."


class ModalHandler:
    """Handles submitted modals; each modal has one method that returns the body of the answer."""

    def __init__(self, context: HandlerContext) -> None:
        self.context = context
        self.desk = context.desk
        self.cases = context.desk.journal.cases
        self.store = context.desk.journal.slack
        self.submissions: Mapping[str, Callable[[Mapping[str, Any], dict[str, Any], str], Ack]] = {
            "edit": self._edit,
            "send": self._send,
            "snooze": self._snooze,
            "owner": self._owner,
            "wrong": self._wrong,
            "page": self._page,
            "recall_page": self._recall_page,
            "labels": LabelHandler(context.label_review, context.cards.topics).submit,
            WINDOW: TeamAnswerHandler(
                context.team_answer_posts.answers if context.team_answer_posts else None
            ).submit,
            **MoreMenuHandler(context).submissions,
        }

    def handle(self, body: Mapping[str, Any]) -> Ack:
        """Handle a submitted modal and return the body of the acknowledgement."""
        view, user = body.get("view") or {}, body.get("user") or {}
        remembered, submit = (
            decode_metadata(view),
            self.submissions.get(view.get("callback_id", "")),
        )
        if submit is None:
            return {}
        if why := self.context.staff_permissions.objection(
            user.get("id"), team_of(body), user.get("team_id")
        ):
            return _next(modals.show_message(_case_id(remembered), refusal_text(why)))
        answer = submit(view, remembered, actor({"user": user["id"]}))
        self.context.wake()
        return answer

    def _edit(self, view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        case, text = self._read_case(remembered), modals.read_reply(dict(view))
        if wrong := object_to_text(text):
            return {"response_action": "errors", "errors": {"text_0": wrong}}
        if case is None or not _is_unchanged(case, remembered, me):
            return self._conflict(case, remembered, me, text)
        remarks = self.context.actions.list_remarks(text)
        kind = str(remembered.get("kind"))
        read = modals.is_ticked(dict(view)) and remembered.get("warned") == digest_remarks(remarks)
        if remarks and not read:
            later = self.store.list_follow_ups(case.message_id)
            news = self.context.others_asking(case) if kind == ReplyKind.ALL else []
            return _next(
                modals.edit_reply(
                    case, kind=kind, text=text, later=later, warnings=remarks, news=news
                )
            )
        text_id = self.store.store_text(text)
        alike = modals.read_choices(dict(view), "alike")
        return _next(
            modals.confirm_sending(
                case,
                kind=kind,
                text=text,
                text_id=text_id,
                alike=alike,
                any_language=modals.is_ticked(dict(view), modals.ANY_LANGUAGE),
            )
        )

    def _send(self, _view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        case, stored_text = (
            self._read_case(remembered),
            self.store.read_event(int(remembered.get("text") or 0)),
        )
        if case is None or stored_text is None:
            return _next(_gone(remembered))
        text = str(stored_text.payload["text"])
        version = str(remembered.get("v"))
        try:
            kind = ReplyKind(str(remembered.get("kind")))
            done = self.context.actions.send(
                case, kind, actor=me, text=text, version=version,
                clusters=[int(each) for each in remembered.get("alike") or ()],
                any_language=remembered.get("any_language") is True,
            )  # fmt: skip
        except (InputError, BlockedError):
            done = False
        if done:
            return _next(
                modals.show_message(case.id, "✅ *It is on its way.* The card shows when it went.")
            )
        now = self.cases.read(case.id) or case
        if has_sent(now, me):
            return _next(
                modals.show_message(case.id, "✅ *You have sent it already.* Once is enough.")
            )
        return self._conflict(now, remembered, me, text)

    def _snooze(self, view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        case, minutes = self._read_case(remembered), modals.read_choice(dict(view), "minutes")
        if case is None or not minutes.isdecimal():
            return _next(_gone(remembered))
        until = stamp(self.desk.journal.clock() + timedelta(minutes=int(minutes)))
        change = CaseChange(verb="snoozed", stage=Stage.SNOOZED, owner=case.owner, due_at=until)
        if case.owner not in ("", me) or not self._apply_change(case, remembered, me, change):
            return self._conflict(self.cases.read(case.id), remembered, me)
        return {"response_action": "clear"}

    def _owner(self, _view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        case = self._read_case(remembered)
        owner = str(remembered.get("owner"))
        if case is None:
            return _next(_gone(remembered))
        if owner == me:
            change = CaseChange(verb="released", stage=Stage.OPEN, owner="")
        else:
            change = CaseChange(verb="taken over", stage=Stage.CLAIMED, owner=me)
        if not self.cases.change(case.id, actor=me, change=change, owner=owner):
            return self._conflict(self.cases.read(case.id), remembered, me)
        self._announce_in_thread(
            case, f"{mention(me)} has {change.verb} this case, which {mention(owner)} had."
        )
        return {"response_action": "clear"}

    def _wrong(self, view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        asked = self.store.read_event(int(remembered.get("event") or 0))
        if asked is None:
            return _next(modals.show_message(0, "That answer is too old. Please ask again."))
        note, kind = redact(modals.read_reply(dict(view))), modals.read_choice(dict(view), "kind")
        record_wrong_answer(
            self.context.rated_answers_path, asked, kind=kind, note=note.text, by=me
        )
        for passage in answered_passages(asked):
            self.desk.journal.append_audit(f"{MARKED_WRONG}{passage}")
        return _next(modals.show_message(0, THANKS + MASKED * bool(note.spans)))

    def _announce_in_thread(self, case: Case, says: str) -> None:
        """Post in the thread of the card that the case changed hands, for those who had it."""
        self.store.enqueue(
            f"note:{case.id}:{case.version}", channel=self.context.channel, case_id=case.id,
            method="chat.postMessage",
            payload={
                "text": f"Case {case.id} changed hands", "blocks": [markdown(says)],
                "thread_of": case.parent or case.id,
            },
        )  # fmt: skip

    def _page(self, _view: Mapping[str, Any], remembered: dict[str, Any], _me: str) -> Ack:
        case = self._read_case(remembered)
        if case is None:
            return _next(_gone(remembered))
        later = self.store.list_follow_ups(case.message_id)
        said = read_transcript(self.desk.journal.engine, case.id)
        page = int(remembered.get("page") or 0)
        return _next(case_reader.show_full_case(case, later, page, transcript=said))

    def _recall_page(self, _view: Mapping[str, Any], remembered: dict[str, Any], _me: str) -> Ack:
        batch = self.context.recall_posts and self.context.recall_posts.read_batch()
        if not batch:
            return _next(modals.show_message(0, "The list is being made anew. Open it again."))
        return _next(recall_views.show_list(batch, int(remembered.get("page") or 0)))

    def _conflict(
        self, case: Case | None, remembered: dict[str, Any], me: str, text: str = ""
    ) -> Ack:
        """Return the modal that says how the case changed meanwhile.

        While the case is open and not another person's, the person may go on writing.
        """
        if case is None:
            return _next(_gone(remembered))
        later = self.store.list_follow_ups(case.message_id)
        mine = text and case.open and case.owner in ("", me)
        kind = "details" if remembered.get("kind") == "details" else "edit"
        window = case_reader.show_conflict(
            case, text, later=later if mine else _since(later, case, remembered),
            actions=self.context.texts.actions, kind=kind if mine else "",
        )  # fmt: skip
        return _next(window)

    def _apply_change(
        self, case: Case, remembered: Mapping[str, Any], me: str, change: CaseChange
    ) -> bool:
        version = str(remembered.get("v"))
        return self.cases.change(
            case.id, actor=me, change=change, owner=case.owner, version=version
        )

    def _read_case(self, remembered: Mapping[str, Any]) -> Case | None:
        return self.cases.read(_case_id(remembered))


def error_response(number: str) -> Ack:
    """Return the modal for an error before anything was stored; `number` finds it in the log."""
    says = f"Something went wrong (error {number}). Nothing was sent. Copy your text and try again."
    return _next(modals.show_message(0, says), push=True)


def _since(
    later: Sequence[FollowUpMessage], case: Case, remembered: Mapping[str, Any]
) -> Sequence[FollowUpMessage]:
    """Return the mails that came after the modal was opened.

    A version ends in the number of later mails, so that two versions tell how many came between.
    """
    then, now = (
        int(version.rpartition(".")[2] or 0)
        for version in (str(remembered.get("v", "")), case.version)
    )
    return later[-(now - then) :] if 0 < then < now else ()


def _is_unchanged(case: Case, remembered: Mapping[str, Any], me: str) -> bool:
    return case.version == remembered.get("v") and may_act(case, me)


def _next(view: modals.View, *, push: bool = False) -> Ack:
    return {"response_action": "push" if push else "update", "view": view}


def _case_id(remembered: Mapping[str, Any]) -> int:
    case_id = remembered.get("case")
    return case_id if isinstance(case_id, int) else 0


def _gone(remembered: Mapping[str, Any]) -> modals.View:
    return modals.show_message(
        _case_id(remembered), "There is no such case any more. Nothing was sent."
    )
