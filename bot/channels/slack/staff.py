"""Who may use the desk in Slack, and where it may speak; asked each time, believed for a minute."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.channels.slack.client import Client
from bot.errors import DeliveryError

Tick = Callable[[], float]
FOREIGN = ("is_bot", "is_restricted", "is_ultra_restricted", "is_stranger", "deleted")
SHARED = (
    "is_ext_shared", "is_shared", "is_pending_ext_shared", "is_org_shared", "is_archived",
)  # fmt: skip


@dataclass
class _Known:
    why: str
    at: float


@dataclass
class Staff:
    """The list of the people who may decide."""

    client: Client
    users: frozenset[str]
    seconds: float
    team: str = ""
    tick: Tick = time.monotonic
    _seen: dict[str, _Known] = field(default_factory=dict)

    def objection(self, user: str | None, team: str | None, home: str | None = None) -> str:
        """Why this person may not; empty when they may. DeliveryError when nobody can tell."""
        if not user or user not in self.users:
            return "you are not on this desk's staff list. Ask your lead to add you"
        if self.team and (team or self.team) != self.team:
            return "this came from another workspace"
        if self.team and (home or self.team) != self.team:
            return "your account belongs to another workspace"
        known = self._seen.get(user)
        if known is None or self.tick() - known.at > self.seconds:
            known = _Known(why=self._look(user), at=self.tick())
            self._seen[user] = known
        return known.why

    def _look(self, user: str) -> str:
        found = self.client.read("users.info", {"user": user}).get("user") or {}
        if any(found.get(name) for name in FOREIGN):
            return "guests, bots and accounts that were closed may not use it"
        if self.team and found.get("team_id", self.team) != self.team:
            return "your account belongs to another workspace"
        return ""


@dataclass
class Places:
    """Which channels the desk may speak in: private, and of this workspace alone."""

    client: Client
    seconds: float
    tick: Tick = time.monotonic
    _seen: dict[str, _Known] = field(default_factory=dict)

    def objection(self, channel: str) -> str:
        """Why not in this channel; empty when it may. DeliveryError when nobody can tell."""
        known = self._seen.get(channel)
        if known is None or self.tick() - known.at > self.seconds:
            known = _Known(why=self._look(channel), at=self.tick())
            self._seen[channel] = known
        return known.why

    def forget(self) -> None:
        """Look again."""
        self._seen.clear()

    def _look(self, channel: str) -> str:
        try:
            answer = self.client.read("conversations.info", {"channel": channel})
        except DeliveryError as error:
            if "missing_scope" in str(error) or "channel_not_found" in str(error):
                return "it is public, or the desk was not invited"
            raise
        found = answer.get("channel") or {}
        if found.get("is_im"):
            return ""
        if not found.get("is_private"):
            return "it is public"
        if any(found.get(name) for name in SHARED):
            return "it is shared with others, or archived"
        return "" if found.get("is_member", True) else "the desk was not invited"
