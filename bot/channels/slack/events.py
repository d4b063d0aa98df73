"""Parses what Slack delivers into events to store: masked, small and with a unique key."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import re2

from bot.channels.slack.mrkdwn import decode_typed_text
from bot.redact import redact

log = logging.getLogger(__name__)
# The errors that JSON of another form than Slack's causes while it is parsed.
MALFORMED = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
ACT, ASK = "act", "ask"
TEXT_SUBTYPES = frozenset({None, "file_share", "thread_broadcast"})
MAX_CHARACTERS = 40_000  # of a message; Slack takes no longer one
VERBS = frozenset({"ask", "queue", "mine", "case", "find"})
LEADING_MENTION = re2.compile(r"^\s*<@[A-Z0-9]+(?:\|[^<>]*)?>")
ACCESS_LOST = frozenset({"tokens_revoked", "app_uninstalled"})
# After these events, the members of a channel may be others, or the desk may no longer be in it.
CHANNEL_CHANGED = frozenset({
    "channel_shared", "channel_unshared", "group_archive", "group_deleted", "group_left",
    "group_unarchive",
})  # fmt: skip
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingEvent:
    """An event as it is to be stored.

    `lane` is the queue that handles it; `place` is workspace, channel and time of its message,
    where it has one.
    """

    key: str
    lane: str
    payload: dict[str, Any]
    place: str | None = None


def parse_delivery(body: Body) -> IncomingEvent | None:
    """Return the event in a delivery; None when it needs only an acknowledgement.

    A malformed delivery is only acknowledged as well, since Slack would send the same again.
    """
    try:
        return _parsed(body)
    except MALFORMED as error:
        log.warning("a delivery cannot be read", extra={"fault": type(error).__name__})
        return None


def _parsed(body: Body) -> IncomingEvent | None:
    kind = body.get("type")
    if kind == "event_callback":
        return _event(body)
    if kind == "block_actions":
        return _click(body)
    if kind == "message_action":
        return _shortcut(body)
    return _command(body) if body.get("command") else None


def _event(body: Body) -> IncomingEvent | None:
    event = body.get("event") or {}
    kind = event.get("type", "")
    about = {"kind": kind, "team": team_of(body), "user": event.get("user")}
    key = f"event:{body.get('event_id')}"
    if kind in CHANNEL_CHANGED:
        return IncomingEvent(key=key, lane=ACT, payload={"kind": kind})
    if body.get("is_ext_shared_channel") or _is_of_person_tokens(event):
        return None
    if kind == "app_home_opened" or kind in ACCESS_LOST:
        return IncomingEvent(key=key, lane=ACT, payload=about | {"tab": event.get("tab")})
    if kind not in ("message", "app_mention") or not _by_a_person(event):
        return None
    if kind == "message" and event.get("channel_type") != "im":
        return None
    channel, ts = event.get("channel"), event.get("ts")
    text = event.get("text") or ""
    if kind == "app_mention":  # the mention itself is no part of the question
        text = LEADING_MENTION.sub("", text)
    payload = about | _masked(text) | {
        "channel": channel, "thread": event.get("thread_ts"), "ts": ts,
        "home": _home(event, about["team"]),
    }  # fmt: skip
    return IncomingEvent(
        key=key, lane=ASK, payload=payload, place=f"{about['team']}:{channel}:{ts}"
    )


def _is_of_person_tokens(event: Body) -> bool:
    """Return whether only tokens of persons were revoked, which does not affect the desk's bot."""
    tokens = event.get("tokens") or {}
    return event.get("type") == "tokens_revoked" and tokens.get("bot") == []


def _home(event: Body, ours: str | None) -> str | None:
    """Return the workspace of the writer where it is not ours; None where it is."""
    said = [event.get(name) for name in ("user_team", "source_team", "team")]
    return next((team for team in said if team and team != ours), None)


def team_of(body: Body) -> str | None:
    """Return the workspace that sent this; None for an app installed for a whole organisation."""
    parts = [body, *(body.get("authorizations") or [])]
    if any(str(part.get("is_enterprise_install")).lower() == "true" for part in parts):
        return None
    team = body.get("team_id") or (body.get("team") or {}).get("id")
    return str(team) if team else None


def _by_a_person(event: Body) -> bool:
    """Return whether a person wrote it, rather than a bot, an edit or a hidden message."""
    if event.get("bot_id") or event.get("bot_profile") or event.get("hidden"):
        return False
    return event.get("subtype") in TEXT_SUBTYPES and event.get("user") not in (
        None,
        "",
        "USLACKBOT",
    )


def _click(body: Body) -> IncomingEvent:
    action = (body.get("actions") or [{}])[0]
    chosen = action.get("selected_option") or {}
    name, value = str(action.get("action_id", "")), str(action.get("value") or chosen.get("value"))
    payload = _from(body) | {
        "kind": "click", "action": name, "value": value[:2000],
        "ts": (body.get("container") or {}).get("message_ts"),
        "view": (body.get("view") or {}).get("id"),
    }  # fmt: skip
    key = f"click:{payload['user']}:{name}:{value[:200]}:{action.get('action_ts')}"
    return IncomingEvent(key=key, lane=ACT, payload=payload)


def _shortcut(body: Body) -> IncomingEvent:
    message = body.get("message") or {}
    payload = _from(body) | _masked(message.get("text") or "") | {"kind": "shortcut"}
    key = f"shortcut:{body.get('trigger_id')}:{body.get('action_ts')}"
    return IncomingEvent(key=key, lane=ASK, payload=payload)


def _command(body: Body) -> IncomingEvent:
    first, *rest = str(body.get("text") or "").split(None, 1) or [""]
    verb = first.lower() if first.lower() in VERBS else "help"
    payload = {
        "kind": "command", "team": team_of(body), "user": body.get("user_id"),
        "channel": body.get("channel_id"), "url": body.get("response_url"), "verb": verb,
    } | _masked("".join(rest))  # fmt: skip
    key = f"command:{body.get('trigger_id')}"
    return IncomingEvent(key=key, lane=ASK if verb == "ask" else ACT, payload=payload)


def _from(body: Body) -> dict[str, Any]:
    user, channel = body.get("user") or {}, body.get("channel") or {}
    return {
        "team": team_of(body), "user": user.get("id"),
        "home": user.get("team_id"), "channel": channel.get("id"),
        "trigger": body.get("trigger_id"), "url": body.get("response_url"),
    }  # fmt: skip


def _masked(text: str) -> dict[str, Any]:
    """Return text and spans with secrets masked, before anything is stored."""
    redaction = redact(decode_typed_text(text[:MAX_CHARACTERS]))
    spans = [[span.kind.value, span.start, span.end, span.certain] for span in redaction.spans]
    return {"text": redaction.text, "spans": spans}


def decode_metadata(view: Body) -> dict[str, Any]:
    """Return the metadata of a submitted modal; an empty dict where it is broken."""
    try:
        metadata = json.loads(view.get("private_metadata") or "{}")
    except ValueError:
        return {}
    return metadata if isinstance(metadata, dict) else {}
