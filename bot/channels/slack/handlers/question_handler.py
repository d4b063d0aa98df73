"""Handles questions that staff ask by direct message, mention, command or shortcut.

The responder that answers mails answers them too. The answer is stored before it is posted, so that
a crash in between repeats neither the decision nor the post.
"""

import json
from contextlib import suppress
from typing import Any

from bot.channels.slack.context import HandlerContext, Payload
from bot.channels.slack.mrkdwn import escape
from bot.channels.slack.outbox_worker import QUIET
from bot.channels.slack.views.blocks import markdown
from bot.channels.slack.views.responses import HELP, WAIT
from bot.domain import Channel, Message, Response, SecretKind, Span
from bot.errors import DeliveryError
from bot.journal.slack_records import SlackEvent

NO_TEXT = "There is no text in that message to look up."


class QuestionHandler:
    """Handles the lane of questions, apart from clicks because a model may take seconds."""

    def __init__(self, context: HandlerContext) -> None:
        self.context = context
        self.store = context.desk.journal.slack

    def handle(self, event: SlackEvent) -> None:
        """Answer a question where it was asked, or say why not."""
        payload = event.payload
        if why := self.context.object_to_event(payload):
            self.context.refuse(payload, why)
            return
        if not payload["text"].strip():
            self.context.reply_privately(
                payload, NO_TEXT if payload["kind"] == "shortcut" else HELP
            )
            return
        public = self._channel_objection(payload)
        place = {"ts": ""} if public else self._post_status(event)
        response = self.context.desk.responder.respond(_message(payload))
        message = self._store_answer(event, response, place["ts"])
        if public:
            message["text"] = f"I do not answer in that channel: {public}. Here is what I found."
            message["blocks"] = [markdown(escape(message["text"])), *message["blocks"]]
        self._post(event, message, place, private=bool(public))

    def _channel_objection(self, payload: Payload) -> str:
        if payload["kind"] != "app_mention":
            return ""
        return self.context.channel_permissions.objection(str(payload["channel"]))

    def _post_status(self, event: SlackEvent) -> dict[str, str]:
        """Post at once that the desk is looking it up; the answer replaces that message later.

        Return the message's id in Slack as `ts`, empty where there is no message to replace.
        """
        payload = event.payload
        if payload.get("url"):
            if payload["kind"] == "shortcut":  # the ack of a command has said it
                self.context.reply_privately(payload, WAIT)
            return {"ts": ""}
        if event.result:
            return {"ts": str(json.loads(event.result).get("status", ""))}
        where = {"channel": payload["channel"]} | _thread(payload)
        with suppress(DeliveryError):
            answer = self.context.client.call("chat.postMessage", {**where, **QUIET, "text": WAIT})
            ts = str(answer["ts"])
            self.store.store_result(event.id, json.dumps({"status": ts}))
            return {"ts": ts}
        return {"ts": ""}

    def _store_answer(self, event: SlackEvent, response: Response, status: str) -> dict[str, Any]:
        can_share = event.payload["kind"] == "command"
        drawn = self.context.response_renderer.render(response, event.id, can_share=can_share)
        message: dict[str, Any] = {"text": drawn.text, "blocks": drawn.blocks}
        kept = message | {"about": _about(response), "status": status}
        self.store.store_result(event.id, json.dumps(kept))
        return message

    def _post(
        self, event: SlackEvent, message: dict[str, Any], place: dict[str, str], *, private: bool
    ) -> None:
        payload, key = event.payload, f"answer:{event.id}"
        if url := payload.get("url"):
            where = {"url": url, "response_type": "ephemeral", "replace_original": True}
            body = message | where | QUIET
            self.store.enqueue(key, channel=payload["user"], method="respond", payload=body)
        elif private:
            self.store.enqueue(
                key, channel=payload["user"], method="chat.postMessage", payload=message
            )
        elif place["ts"]:
            body = message | {"ts": place["ts"]}
            self.store.enqueue(key, channel=payload["channel"], method="chat.update", payload=body)
        else:
            body = message | _thread(payload)
            self.store.enqueue(
                key, channel=payload["channel"], method="chat.postMessage", payload=body
            )
        self.context.wake()


def _thread(payload: Payload) -> dict[str, Any]:
    """Return the thread to answer in: that of a mention, and none for a direct message."""
    ts = payload.get("thread") or (payload.get("ts") if payload["kind"] == "app_mention" else None)
    return {"thread_ts": ts} if ts else {}


def _message(payload: Payload) -> Message:
    spans = tuple(
        Span(kind=SecretKind(kind), start=start, end=end, certain=certain)
        for kind, start, end, certain in payload["spans"]
    )
    return Message(text=payload["text"], channel=Channel.SLACK, redactions=spans)


def _about(response: Response) -> dict[str, Any]:
    """Return what an evaluation case records of the answer."""
    return {
        "knowledge": response.knowledge,
        "lang": response.language,
        "said": [
            {
                "decision": type(o).__name__.lower(), "reason": o.reason.value,
                "probability": round(o.probability, 4),
                "passages": [p.id for p in o.candidates],
            }
            for o in response.outcomes
        ],
    }  # fmt: skip
