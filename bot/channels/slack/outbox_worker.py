"""Makes the posts of the outbox in Slack: one a second in a channel, those of a case in order.

No post is lost. When the set-up is wrong (token, channel), posts wait until somebody repairs it.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from slack_sdk.web import SlackResponse

from bot.channels.slack.client import AwayError, BrokenError, BusyError, Client
from bot.channels.slack.permissions import ChannelPermissions
from bot.errors import DeliveryError, MissingError, RefusedError
from bot.journal import Journal
from bot.journal.slack_outbox import ALERT, ERASED, ERASED_CONTENT
from bot.journal.slack_records import SlackPost, SlackPostState

log = logging.getLogger(__name__)
# Seconds before each further attempt, and before one after a failure because of a wrong set-up.
BACKOFF = (1.0, 2.0, 5.0, 15.0, 60.0)
REPAIR_SECONDS = 30.0
MAX_ATTEMPTS = 1000  # one a minute in the end, so that an outage of half a day loses nothing
MAX_BROKEN_ATTEMPTS = 5  # that end in an unforeseen error, for one post
MESSAGE_FIELDS = ("text", "blocks")
QUIET = {"unfurl_links": False, "unfurl_media": False, "link_names": False, "parse": "none"}


class OutboxWorker:
    """Makes posts one at a time; only one process of a workspace may run it.

    `posts_per_minute` bounds the new messages about one case or to one person, in case the desk
    answers its own messages. `quiet_until` returns when messages that can wait may be posted; None
    for now. `trouble` says in plain words what a person must repair.
    """

    def __init__(
        self,
        journal: Journal,
        client: Client,
        channel_permissions: ChannelPermissions,
        *,
        post_interval: float = 1.0,
        posts_per_minute: int = 20,
        repair_seconds: float = REPAIR_SECONDS,
        backoff: tuple[float, ...] = BACKOFF,
        max_attempts: int = MAX_ATTEMPTS,
        oncall: Sequence[str] = (),
        quiet_until: Callable[[], datetime | None] = lambda: None,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = journal.slack
        self.clock = journal.clock
        self.client = client
        self.channel_permissions = channel_permissions
        self.post_interval = post_interval
        self.posts_per_minute = posts_per_minute
        self.repair_seconds = repair_seconds
        self.backoff = backoff
        self.max_attempts = max_attempts
        self.oncall = oncall
        self.quiet_until = quiet_until
        self.tick = tick
        self.trouble = ""
        self._has_unrecorded_post = False  # an error kept a result from being stored
        self._next_post_at: dict[str, float] = {}
        self._posted_at: dict[object, deque[float]] = {}

    def drain(self) -> int:
        """Make every post that is due and allowed now, and return how many Slack accepted.

        After all posts were tried, the last unforeseen error is raised; a MissingError is raised at
        once.
        """
        if self._has_unrecorded_post:
            self.store.requeue_in_flight()
            self._has_unrecorded_post = False
        accepted, broken = 0, None
        for post in self.store.list_due():
            try:
                if self._may_post(post) and (claimed := self.store.claim(post)):
                    accepted += self._post(claimed)
            except Exception as error:  # noqa: BLE001 - raised after all others
                self._has_unrecorded_post = True  # it may be left claimed: requeued next time
                broken = error
                if isinstance(error, MissingError):
                    break
        if broken:
            raise broken
        if self.trouble and not self.store.count_by_state().get(SlackPostState.READY):
            self.trouble = ""  # nothing that could not be posted is left
        return accepted

    def _may_post(self, post: SlackPost) -> bool:
        now = self.tick()
        if now < max(self._next_post_at.get(post.channel, 0.0), self._next_post_at.get("", 0.0)):
            return False
        recent = self._posted_at.setdefault(_bounded_by(post), deque())
        while recent and now - recent[0] > 60:
            recent.popleft()
        return post.method == "chat.update" or len(recent) < self.posts_per_minute

    def _post(self, post: SlackPost) -> bool:
        try:
            ts = self._call(post)
        except BusyError as error:
            self.store.retry_later(post.id, str(error), seconds=error.seconds, counted=False)
            self._next_post_at[post.channel] = self.tick() + error.seconds
        except BrokenError as error:
            self._wait_for_repair(post, str(error))
        except AwayError as error:
            self._retry_later(post, str(error))
        except RefusedError as error:
            self._handle_refusal(post, str(error))
        except DeliveryError as error:
            self._retry_later(post, str(error))
        except Exception as error:
            fault = type(error).__name__
            log.exception("a post broke", extra={"case_id": post.case_id, "fault": fault})
            self._retry_later(post, f"making it broke ({fault})", max_attempts=MAX_BROKEN_ATTEMPTS)
        else:
            self._record_posted(post, ts)
            return True
        return False

    def _record_posted(self, post: SlackPost, ts: str) -> None:
        self.store.mark_sent(post, ts)
        self.trouble = ""
        now = self.tick()
        self._next_post_at[post.channel] = now + self.post_interval
        if post.method != "chat.update":
            self._posted_at.setdefault(_bounded_by(post), deque()).append(now)

    def _call(self, post: SlackPost) -> str:
        payload = dict(post.payload)
        if post.method == "respond":
            self.client.respond(payload.pop("url"), payload)
            return ""
        if not post.channel.startswith(("U", "W", "D")) and (
            why := self.channel_permissions.objection(post.channel)
        ):
            raise BrokenError(f"the desk does not speak in {post.channel}: {why}")
        method, arguments = self._resolve_thread(post, payload)
        answer = self._call_once(method, arguments, post)
        return str(answer.get("ts") or answer.get("message_ts") or "")

    def _call_once(self, method: str, arguments: dict[str, Any], post: SlackPost) -> SlackResponse:
        """Call Slack so that no message is posted twice after a crash.

        Slack recognizes a repeated message by its client id. Where the message was deleted since,
        Slack answers with an error, and it is posted again without the id.
        """
        if method != "chat.postMessage":
            return self.client.call(method, arguments)
        number = uuid5(NAMESPACE_URL, f"{post.key} {post.created_at}")
        try:
            return self.client.call(method, arguments | {"client_msg_id": str(number)})
        except RefusedError as error:
            if "duplicate_" not in str(error):
                raise
            return self.client.call(method, arguments)

    def _resolve_thread(
        self, post: SlackPost, payload: dict[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        """Return method and arguments with the place of the card and of its thread filled in."""
        method, arguments = post.method, {"channel": post.channel, **QUIET, **payload}
        card = self.store.read_card(post.case_id) if post.case_id else None
        arguments.pop(ERASED_CONTENT, None)
        thread = arguments.pop("thread_of", None)
        if thread and (parent := self.store.read_card(thread)) and parent.ts:
            arguments["thread_ts"] = parent.ts
            if post.key.startswith("card:"):  # a reply in a thread alone notifies nobody
                arguments["reply_broadcast"] = True
        if method == "chat.update" and post.key.startswith("card:"):
            if card and card.ts:
                arguments["ts"] = card.ts
            else:  # its first post never went out, so this one becomes the card
                method = "chat.postMessage"
        if method == "chat.update":
            for name in ("unfurl_links", "unfurl_media", "thread_ts", "reply_broadcast"):
                arguments.pop(name, None)
        return method, arguments

    def _wait_for_repair(self, post: SlackPost, why: str) -> None:
        """Delay all posts of the channel, or all posts at all if the token is the cause.

        No attempt is counted.
        """
        self.store.retry_later(post.id, why, seconds=self.repair_seconds, counted=False)
        wide = "" if "token" in why or "auth" in why or "account" in why else post.channel
        self._next_post_at[wide] = self.tick() + self.repair_seconds
        self.channel_permissions.forget()
        if self.trouble != why:
            log.error("Slack's set-up needs a person", extra={"fault": "set-up"})
            self._alert_oncall(post.channel, why)
        self.trouble = why

    def _alert_oncall(self, channel: str, why: str) -> None:
        """Tell the on-call people once a day that nothing can be posted in a channel."""
        says = f"⚠️ No card can be posted: {why}. Cases wait, mail goes on: `/incident queue`."
        day = self.clock().date().isoformat()
        for user in self.oncall:
            self.store.enqueue(
                f"{ALERT}{channel}:{day}:{user}", channel=user, method="chat.postMessage",
                payload={"text": says}, at=self.quiet_until(),
            )  # fmt: skip

    def _handle_refusal(self, post: SlackPost, why: str) -> None:
        """Send a late answer to a command as a direct message; give up any other post."""
        if post.method == "respond":
            kept = {name: post.payload[name] for name in MESSAGE_FIELDS if name in post.payload}
            self.store.redirect_to_dm(post, kept)
            return
        if post.key.startswith(ERASED) and "message_not_found" in why:
            self.store.mark_sent(post, "")  # somebody deleted it in Slack: nothing is left there
            return
        self._give_up(post, why)

    def _give_up(self, post: SlackPost, why: str) -> None:
        """Give a post up for an hour and alert the on-call people, unless it is such an alert."""
        of = f"case {post.case_id}" if post.case_id else "a person"
        says = f"⚠️ A post about {of} was not taken: {why}. It is tried again every hour."
        tell = () if post.key.startswith(ALERT) else self.oncall
        self.store.mark_failed(post, why, tell=tell, says={"text": says}, at=self.quiet_until())
        log.error("a post was given up", extra={"case_id": post.case_id, "fault": "refused"})

    def _retry_later(self, post: SlackPost, why: str, max_attempts: int | None = None) -> None:
        if post.attempts >= (max_attempts or self.max_attempts):
            self._give_up(post, why)
            return
        wait = self.backoff[min(post.attempts, len(self.backoff)) - 1]
        self.store.retry_later(post.id, why, seconds=wait)
        self._next_post_at[post.channel] = self.tick() + min(wait, self.backoff[0])


def _bounded_by(post: SlackPost) -> object:
    """Return what `posts_per_minute` is counted for: a case, or else a person or channel."""
    return post.case_id or post.channel
