"""Checks who may use the desk in Slack and in which channels it may speak.

Slack is asked, and its answer is cached for a while. Without an answer the permission is denied:
until Slack has said which workspace is ours, nobody may use the desk.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.channels.slack.client import Client
from bot.errors import DeliveryError

Tick = Callable[[], float]
# Marks of an account in Slack's answer that bar it from the desk.
BARRED_ACCOUNTS = (
    "is_bot", "is_workflow_bot", "is_restricted", "is_ultra_restricted", "is_stranger", "deleted",
)  # fmt: skip
# Marks of a channel in Slack's answer that bar it from the desk.
BARRED_CHANNELS = (
    "is_ext_shared", "is_shared", "is_pending_ext_shared", "is_org_shared", "is_archived",
)  # fmt: skip


IN_USE_SECONDS = 1800.0  # how long after a use Slack is asked again about a person in advance
ELSEWHERE = "your account belongs to another workspace"


@dataclass
class _Known:
    """Slack's cached answer about a user or a channel.

    `why` is the objection, empty for none; `at` and `used` are when Slack was asked and when the
    answer was last used, in seconds of the clock `tick`.
    """

    why: str
    at: float
    used: float = 0.0


@dataclass
class StaffPermissions:
    """The people who may use the desk: those listed who are members of our workspace.

    Slack's answer about a person is cached for `seconds`; `team` is the id of our workspace.
    """

    client: Client
    users: frozenset[str]
    seconds: float
    team: str = ""
    tick: Tick = time.monotonic
    _known: dict[str, _Known] = field(default_factory=dict)

    def objection(self, user: str | None, team: str | None, home: str | None = None) -> str:
        """Return why this person may not use the desk; empty when they may.

        `team` is the workspace that sent the event and `home` that of the person, where Slack names
        it. DeliveryError when Slack does not answer.
        """
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
        """Ask Slack again about recent users, so that no acknowledgement has to wait for it."""
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
        account = self.client.call_with_form("users.info", {"user": user}).get("user") or {}
        if any(account.get(name) for name in BARRED_ACCOUNTS):
            return "guests, bots and accounts that were closed may not use it"
        return "" if account.get("team_id") == self._own_team() else ELSEWHERE


@dataclass
class ChannelPermissions:
    """The channels in which the desk may post: only private ones of this workspace.

    Slack's answer about a channel is cached for `seconds`.
    """

    client: Client
    seconds: float
    tick: Tick = time.monotonic
    _known: dict[str, _Known] = field(default_factory=dict)
    _forgotten: int = 0  # how often all answers were dropped

    def objection(self, channel: str, *, seconds: float | None = None) -> str:
        """Return why the desk may not post in this channel; empty when it may.

        A cached answer is used if it is at most `seconds` old, by default the `seconds` of this
        object. DeliveryError when Slack does not answer.
        """
        believed = self.seconds if seconds is None else seconds
        known = self._known.get(channel)
        while known is None or self.tick() - known.at > believed:
            forgotten = self._forgotten
            answer = _Known(why=self._ask_slack(channel), at=self.tick())
            if forgotten == self._forgotten:  # else the channel changed while Slack answered
                known = self._known[channel] = answer
                break
        return known.why

    def forget(self) -> None:
        """Drop all cached answers, so that Slack is asked again about every channel."""
        self._forgotten += 1
        self._known.clear()

    def _ask_slack(self, channel: str) -> str:
        try:
            answer = self.client.call_with_form("conversations.info", {"channel": channel})
        except DeliveryError as error:
            if "missing_scope" in str(error) or "channel_not_found" in str(error):
                return "it is public, or the desk was not invited"
            raise
        about = answer.get("channel") or {}
        if any(about.get(name) for name in BARRED_CHANNELS):
            return "it is shared with others, or archived"
        if about.get("is_im"):
            return ""
        if not about.get("is_private"):
            return "it is public"
        return "" if about.get("is_member") else "the desk was not invited"
