"""Requests that Slack did not sign, or that look so: what is wrong with each, counted and noted."""

import hmac
import logging
import time
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

from slack_sdk.signature import SignatureVerifier

from bot.journal import Journal

log = logging.getLogger(__name__)
WINDOW_SECONDS = 300.0  # Slack's own: what is older may be somebody's recording
NOTED_SECONDS = 60.0
HOUR = 3600


class SignatureFlaw(StrEnum):
    """What is wrong with a signature."""

    KEY = "key"  # of this minute, made with another secret
    CLOCK = "clock"  # made with ours, of another time
    STRANGER = "stranger"  # neither


SAYS = {
    SignatureFlaw.KEY: "requests of this minute carry another secret's signature: "
    "DESK_SLACK_SIGNING_SECRET is not the app's (Basic Information), or a stranger knocks",
    SignatureFlaw.CLOCK: "requests with the right signature are more than five minutes off: "
    "set the clock of this machine",
    SignatureFlaw.STRANGER: "requests came without a signature of Slack's: a stranger knocks",
}


class UnsignedRequests:
    """Those of this process, since it began; the journal has a note a minute of each kind."""

    def __init__(self, journal: Journal, secret: str) -> None:
        self.journal = journal
        self.secret = secret
        self.counts = Counter[SignatureFlaw]()
        self._noted_at: dict[SignatureFlaw, float] = {}

    def add(self, headers: Mapping[str, str], body: bytes) -> None:
        """One more."""
        flaw = self._flaw(headers, body)
        self.counts[flaw] += 1
        now = time.monotonic()
        if now - self._noted_at.get(flaw, -NOTED_SECONDS) >= NOTED_SECONDS:
            self._noted_at[flaw] = now
            log.warning("a request was not signed by Slack", extra={"fault": flaw.value})
            self.journal.note(_event(flaw))

    def _flaw(self, headers: Mapping[str, str], body: bytes) -> SignatureFlaw:
        made = headers.get("x-slack-request-timestamp", "")
        if not made.isdecimal() or not self.secret:
            return SignatureFlaw.STRANGER
        right = SignatureVerifier(self.secret).generate_signature(timestamp=made, body=body) or ""
        fits = hmac.compare_digest(right, headers.get("x-slack-signature", ""))
        if fits:
            return SignatureFlaw.CLOCK
        fresh = abs(time.time() - float(made)) <= WINDOW_SECONDS
        return SignatureFlaw.KEY if fresh else SignatureFlaw.STRANGER


def describe_recent(journal: Journal) -> list[str]:
    """What was wrong with those of the last hour, in plain words."""
    return [SAYS[flaw] for flaw in SignatureFlaw if journal.count_recent(_event(flaw), HOUR)]


def _event(flaw: SignatureFlaw) -> str:
    return f"slack: request refused: {flaw}"
