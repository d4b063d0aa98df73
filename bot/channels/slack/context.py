"""What every part of the channel works with, and how it answers one person."""

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
from bot.channels.slack.texts import StaffTexts
from bot.channels.slack.views.answers import AnswerView, refusal_text
from bot.channels.slack.views.cards import Cards
from bot.desk import Desk
from bot.errors import DeliveryError
from bot.journal.slack_records import SlackEvent

if TYPE_CHECKING:
    from bot.journal.cases import EnqueueJob

log = logging.getLogger(__name__)
Payload = Mapping[str, Any]
DONE_IN_A_CHANNEL = frozenset({"click", "command", "shortcut"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerContext:
    """One workspace, one triage channel, one desk."""

    desk: Desk
    client: Client
    staff_permissions: StaffPermissions
    channel_permissions: ChannelPermissions
    cards: Cards
    answers: AnswerView
    texts: StaffTexts
    channel: str
    candidates_path: Path
    enqueue_job: "EnqueueJob | None"
    wake: Callable[[], None]

    def objection(self, payload: Payload) -> str:
        """Why the person behind an event may not; empty when they may."""
        user, team, home = payload.get("user"), payload.get("team"), payload.get("home")
        return self.staff_permissions.objection(user, team, home) or self._channel_objection(
            payload
        )

    def _channel_objection(self, payload: Payload) -> str:
        """Buttons, commands and shortcuts work where nobody else reads along."""
        channel = str(payload.get("channel") or "D")
        if payload["kind"] not in DONE_IN_A_CHANNEL or channel.startswith("D"):
            return ""
        why = self.channel_permissions.objection(channel)
        return why and f"I do not speak in this channel: {why}. Use a private one, or write to me"

    def refuse(self, payload: Payload, why: str) -> None:
        """Say no where they are; nothing is recorded."""
        self.reply_privately(payload, refusal_text(why))

    def reply_privately(
        self, payload: Payload, text: str, blocks: list[dict[str, Any]] | None = None
    ) -> None:
        """A word to one person, where they are: not kept, so never a reminder."""
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
        """Something broke: the person gets an id, the log gets the rest."""
        number = secrets.token_hex(3)
        log.error(
            "an event was given up", extra={"event_id": number, "fault": type(error).__name__}
        )
        if not self._replace_status(event, error_text(number)):
            self.reply_privately(event.payload, error_text(number))

    def _replace_status(self, event: SlackEvent, text: str) -> bool:
        """In the place of the word that it is being looked up, where that was said."""
        ts = json.loads(event.result or "{}").get("status")
        if not ts:
            return False
        with suppress(DeliveryError):
            place = {"channel": event.payload["channel"], "ts": ts}
            self.client.call("chat.update", place | {"text": text})
            return True
        return False


def error_text(number: str) -> str:
    """What a person is told when something broke."""
    return f"Something went wrong (error {number}). Nothing was sent. Please try again."


def actor(payload: Payload) -> str:
    """Under which name the journal knows them."""
    return f"slack:{payload['user']}"
