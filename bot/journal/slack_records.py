"""Defines the values that go into the tables of Slack and come out of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.domain import SenderProof


class SlackEventState(StrEnum):
    """How far an event from Slack has been handled; the journal stores the value."""

    NEW = "new"
    DONE = "done"
    FAILED = "failed"  # every permitted attempt to handle it failed


class SlackPostState(StrEnum):
    """How far a post to Slack is; the journal stores the value."""

    READY = "ready"
    SENDING = "sending"  # being posted now, or by a process that died while posting it
    SENT = "sent"
    FAILED = "dead"  # Slack refused it, or it was tried too often; it is tried again every hour


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSlackEvent:
    """An event from Slack that is to be stored."""

    key: str
    lane: str
    payload: Mapping[str, Any]
    place: str | None = None  # team, channel and time of its message, which may come under two ids


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackEvent:
    """A stored event from Slack; its payload is masked."""

    id: int
    key: str
    lane: str
    payload: dict[str, Any]
    attempts: int
    received_at: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackPost:
    """A call to Slack that is stored until it succeeds."""

    id: int
    key: str
    channel: str
    case_id: int | None
    method: str
    payload: dict[str, Any]
    attempts: int
    not_before: str  # the earliest time of the next attempt
    created_at: str  # when it was stored
    fault: str
    rank: int = 0  # a post with a lower rank overtakes others


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackCard:
    """The card of a case: where it lies in Slack, and which state of the case it shows."""

    case_id: int
    channel: str
    ts: str
    stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpMessage:
    """A later message that belongs to a case."""

    id: int
    text: str
    draft: str = ""  # the draft of the desk, where it has one that answers
    sender: str = ""  # empty where it is the sender of the first message
    proof: SenderProof = SenderProof.UNKNOWN


def card_of(row: Any) -> SlackCard:
    """Return a row of `slack_card` as a value."""
    return SlackCard(case_id=row.escalation_id, channel=row.channel, ts=row.ts, stamp=row.stamp)


def event_of(row: Any) -> SlackEvent:
    """Return a row of `slack_event` as a value."""
    return SlackEvent(
        id=row.id, key=row.event_key, lane=row.lane, payload=json.loads(row.payload),
        attempts=row.attempts, received_at=row.received_at, result=row.result,
    )  # fmt: skip


def post_of(row: Any) -> SlackPost:
    """Return a row of `slack_outbox` as a value."""
    return SlackPost(
        id=row.id, key=row.dedupe_key, channel=row.channel, case_id=row.case_id,
        method=row.method, payload=json.loads(row.payload), attempts=row.attempts,
        not_before=row.next_attempt_at, created_at=row.created_at, fault=row.fault,
        rank=row.rank,
    )  # fmt: skip
