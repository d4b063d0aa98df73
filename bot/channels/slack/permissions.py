"""Who may use the desk in Slack, and where it may speak; asked each time, believed for a while.

What nobody can tell is no: until Slack has said which workspace is ours, nobody may.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.channels.slack.client import Client
from bot.errors import DeliveryError

Tick = Callable[[], float]
FOREIGN = (
    "is_bot", "is_workflow_bot", "is_restricted", "is_ultra_restricted", "is_stranger", "deleted",
)  # fmt: skip
SHARED = (
    "is_ext_shared", "is_shared", "is_pending_ext_shared", "is_org_shared", "is_archived",
)  # fmt: skip


IN_USE_SECONDS = 1800.0
ELSEWHERE = "your account belongs to another workspace"


@dataclass
class _Known:
    why: str
    at: float
    used: float = 0.0


@dataclass
class StaffPermissions:
    """The list of the people who may decide."""

    client: Client
    users: frozenset[str]
    seconds: float
    team: str = ""
    tick: Tick = time.monotonic
    _known: dict[str, _Known] = field(default_factory=dict)

    def objection(self, user: str | None, team: str | None, home: str | None = None) -> str:
        """Why this person may not; empty when they may. DeliveryError when nobody can tell."""
        if not user or user not in self.users:
            return "you are not on this desk's staff list. Ask your lead to add you"
        if team != self._own_team():
            return "this came from another workspace"
        if home and home != team:
            return ELSEWHERE
        known, now = self._known.get(user), self.tick()
        if known is None or now - known.at > self.seconds:
            known = self._known[user] = _Known(why=self._ask_slack(user), at=now)
        known.used = now
        return known.why

    def refresh(self) -> None:
        """Ask about those who were just here before they are back: an ack does not wait for it."""
        now = self.tick()
        for user, known in list(self._known.items()):
            if now - known.used > IN_USE_SECONDS:
                del self._known[user]
            elif now - known.at > self.seconds / 2:
                self._known[user] = _Known(why=self._ask_slack(user), at=now, used=known.used)

    def _own_team(self) -> str:
        if not self.team:
            self.team = str(self.client.call("auth.test", {})["team_id"])
        return self.team

    def _ask_slack(self, user: str) -> str:
        found = self.client.call_with_form("users.info", {"user": user}).get("user") or {}
        if any(found.get(name) for name in FOREIGN):
            return "guests, bots and accounts that were closed may not use it"
        return "" if found.get("team_id") == self._own_team() else ELSEWHERE


@dataclass
class ChannelPermissions:
    """Which channels the desk may speak in and listen to: private, of this workspace alone."""

    client: Client
    seconds: float
    tick: Tick = time.monotonic
    _known: dict[str, _Known] = field(default_factory=dict)

    def objection(self, channel: str, *, seconds: float | None = None) -> str:
        """Why not in this channel; empty when it may. DeliveryError when nobody can tell.

        What was found out is believed for `seconds`, where they are given.
        """
        believed = self.seconds if seconds is None else seconds
        known = self._known.get(channel)
        if known is None or self.tick() - known.at > believed:
            known = _Known(why=self._ask_slack(channel), at=self.tick())
            self._known[channel] = known
        return known.why

    def forget(self) -> None:
        """Look again."""
        self._known.clear()

    def _ask_slack(self, channel: str) -> str:
        try:
            answer = self.client.call_with_form("conversations.info", {"channel": channel})
        except DeliveryError as error:
            if "missing_scope" in str(error) or "channel_not_found" in str(error):
                return "it is public, or the desk was not invited"
            raise
        found = answer.get("channel") or {}
        if any(found.get(name) for name in SHARED):
            return "it is shared with others, or archived"
        if found.get("is_im"):
            return ""
        if not found.get("is_private"):
            return "it is public"
        return "" if found.get("is_member") else "the desk was not invited"
