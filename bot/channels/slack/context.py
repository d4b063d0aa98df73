"""Gives handlers the parts of the channel, checks permissions and answers one person."""

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.channels.slack.client import Client
from bot.channels.slack.outbox_worker import QUIET
from bot.channels.slack.permissions import ChannelPermissions, StaffPermissions
from bot.channels.slack.recall_posts import RecallPosts
from bot.channels.slack.team_answer_posts import TeamAnswerPosts
from bot.channels.slack.views.cards import Cards
from bot.channels.slack.views.modals import render_other_askers
from bot.channels.slack.views.responses import ResponseRenderer, refusal_text
from bot.desk import Desk
from bot.errors import DeliveryError
from bot.journal import Case
from bot.journal.slack_records import SlackEvent
from bot.staff.case_actions import CaseActions
from bot.staff.label_review import LabelReview
from bot.staff.staff_texts import StaffTexts

if TYPE_CHECKING:
    from bot.journal.cases import EnqueueJob

log = logging.getLogger(__name__)
Payload = Mapping[str, Any]
MAX_WORDINGS = 5  # of others that ask the same, in the window to answer all of them
MAX_ALIKE = 50  # clusters of nearly the same question that can be chosen there
# The kinds of events that happen in a channel where others may read along.
CHANNEL_EVENTS = frozenset({"click", "command", "shortcut"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerContext:
    """The parts that every handler works with.

    `channel` is where cards are posted, `rated_answers_path` the file of answers that staff rated.
    `actions` does what a person decides, and `label_review` finds what people answered.
    `enqueue_job` adds a job to the transaction that stores a decision. `undo_seconds` is how long a
    mail of a person waits so that it can be taken back, and `wake` wakes the threads.
    """

    desk: Desk
    client: Client
    staff_permissions: StaffPermissions
    channel_permissions: ChannelPermissions
    cards: Cards
    response_renderer: ResponseRenderer
    texts: StaffTexts
    channel: str
    rated_answers_path: Path
    actions: CaseActions
    label_review: LabelReview
    enqueue_job: "EnqueueJob | None"
    undo_seconds: float
    wake: Callable[[], None]
    recall_posts: RecallPosts | None = None  # where corrections can be made
    team_answer_posts: TeamAnswerPosts | None = (
        None  # where answers can be taken into the knowledge
    )

    def object_to_event(self, payload: Payload) -> str:
        """Return why the person behind an event may not do this; empty when they may.

        DeliveryError when Slack does not answer.
        """
        user, team, home = payload.get("user"), payload.get("team"), payload.get("home")
        return self.staff_permissions.objection(user, team, home) or self._channel_objection(
            payload
        )

    def _channel_objection(self, payload: Payload) -> str:
        """Return why the desk may not answer in this channel, where others could read along.

        Empty where it may.
        """
        channel = str(payload.get("channel") or "D")
        if payload["kind"] not in CHANNEL_EVENTS or channel.startswith("D"):
            return ""
        why = self.channel_permissions.objection(channel)
        return why and f"I do not speak in this channel: {why}. Use a private one, or write to me"

    def others_asking(self, case: Case) -> list[dict[str, Any]]:
        """Return blocks that show who else asks the question of a case, or a similar one."""
        clusters = self.desk.journal.clusters
        return render_other_askers(
            clusters.list_wordings(case.id, limit=MAX_WORDINGS),
            clusters.list_alike(case.id, limit=MAX_ALIKE),
            clusters.count_languages(case.id),
        )

    def refuse(self, payload: Payload, why: str) -> None:
        """Tell a person why they may not do this; nothing is recorded."""
        self.reply_privately(payload, refusal_text(why))

    def reply_privately(
        self, payload: Payload, text: str, blocks: list[dict[str, Any]] | None = None
    ) -> None:
        """Answer one person where they are; the answer is not stored and may be lost."""
        body: dict[str, Any] = {"text": text, **QUIET} | ({"blocks": blocks} if blocks else {})
        with suppress(DeliveryError):
            if url := payload.get("url"):
                quiet = {"response_type": "ephemeral", "replace_original": False}
                self.client.respond(url, body | quiet)
                return
            channel, user = payload.get("channel"), payload.get("user")
            if channel and not str(channel).startswith("D"):
                self.client.call("chat.postEphemeral", body | {"channel": channel, "user": user})
                return
            self.client.call("chat.postMessage", body | {"channel": user})

    def report_failure(self, event: SlackEvent, error: Exception) -> None:
        """Tell a person that something broke, by a number under which the log names the error."""
        number = secrets.token_hex(3)
        log.error(
            "an event was given up", extra={"event_id": number, "fault": type(error).__name__}
        )
        if not self._replace_status(event, error_text(number)):
            self.reply_privately(event.payload, error_text(number))

    def _replace_status(self, event: SlackEvent, text: str) -> bool:
        """Put `text` in the place of the status message; return False when there is none."""
        ts = json.loads(event.result or "{}").get("status")
        if not ts:
            return False
        with suppress(DeliveryError):
            place = {"channel": event.payload["channel"], "ts": ts}
            self.client.call("chat.update", place | {"text": text})
            return True
        return False


def error_text(number: str) -> str:
    """Return what a person reads when something broke; `number` finds it in the log."""
    return f"Something went wrong (error {number}). Nothing was sent. Please try again."


def actor(payload: Payload) -> str:
    """Return the name of the person behind an event in the journal."""
    return f"slack:{payload['user']}"
