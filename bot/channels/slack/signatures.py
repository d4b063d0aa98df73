"""Counts the requests that Slack did not sign, by what is wrong with the signature."""

import hmac
import logging
import time
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

from slack_sdk.signature import SignatureVerifier

from bot.journal import Journal

log = logging.getLogger(__name__)
# Slack's own bound: an older request may be a recording that somebody plays back.
MAX_AGE_SECONDS = 300.0
NOTE_INTERVAL_SECONDS = 60.0  # between two lines of the audit about one flaw
LOOK_BACK_SECONDS = 3600  # how long `doctor` and App Home speak of a flaw


class SignatureFlaw(StrEnum):
    """What is wrong with a signature."""

    KEY = "key"  # recent, but signed with another secret
    CLOCK = "clock"  # signed with our secret at another time
    STRANGER = "stranger"  # neither


TEXTS = {
    SignatureFlaw.KEY: "requests of this minute carry another secret's signature: "
    "DESK_SLACK_SIGNING_SECRET is not the app's (Basic Information), or a stranger knocks",
    SignatureFlaw.CLOCK: "requests with the right signature are more than five minutes off: "
    "set the clock of this machine",
    SignatureFlaw.STRANGER: "requests came without a signature of Slack's: a stranger knocks",
}


class UnsignedRequests:
    """Unsigned requests of this process; the audit gets at most one line a minute of each flaw."""

    def __init__(self, journal: Journal, secret: str) -> None:
        self.journal = journal
        self.secret = secret
        self.counts = Counter[SignatureFlaw]()
        self._noted_at: dict[SignatureFlaw, float] = {}

    def add(self, headers: Mapping[str, str], body: bytes) -> None:
        """Count an unsigned request and name its flaw in the log and the audit."""
        flaw = self._flaw(headers, body)
        self.counts[flaw] += 1
        now = time.monotonic()
        if now - self._noted_at.get(flaw, -NOTE_INTERVAL_SECONDS) >= NOTE_INTERVAL_SECONDS:
            self._noted_at[flaw] = now
            log.warning("a request was not signed by Slack", extra={"fault": flaw.value})
            self.journal.append_audit(_event(flaw))

    def _flaw(self, headers: Mapping[str, str], body: bytes) -> SignatureFlaw:
        timestamp = headers.get("x-slack-request-timestamp", "")
        if not timestamp.isdecimal() or not self.secret:
            return SignatureFlaw.STRANGER
        verifier = SignatureVerifier(self.secret)
        expected = verifier.generate_signature(timestamp=timestamp, body=body) or ""
        fits = hmac.compare_digest(expected, headers.get("x-slack-signature", ""))
        if fits:
            return SignatureFlaw.CLOCK
        fresh = abs(time.time() - float(timestamp)) <= MAX_AGE_SECONDS
        return SignatureFlaw.KEY if fresh else SignatureFlaw.STRANGER


def describe_recent(journal: Journal) -> list[str]:
    """Return what was wrong with the requests of the last hour, in plain words."""
    return [
        TEXTS[flaw]
        for flaw in SignatureFlaw
        if journal.count_recent(_event(flaw), LOOK_BACK_SECONDS)
    ]


def _event(flaw: SignatureFlaw) -> str:
    return f"slack: request refused: {flaw}"
