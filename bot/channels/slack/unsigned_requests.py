"""Counts the requests that Slack did not sign, by what is wrong with the signature."""

import hmac
import logging
import re
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
# Slack repeats a refused event after one minute and after five, so that a wrong secret soon causes
# refusals in this many different minutes. A stranger's single request does not.
WRONG_SECRET_MINUTES = 3
# The form of the headers of a signed request; any other value is no signature at all.
TIMESTAMP, SIGNATURE = "x-slack-request-timestamp", "x-slack-signature"
FORMS = {TIMESTAMP: re.compile(r"[0-9]{1,12}", re.ASCII), SIGNATURE: re.compile(r"v0=[0-9a-f]{64}")}


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


def drop_malformed(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request without a timestamp or signature that cannot be Slack's.

    The library that verifies signatures raises an error on some of them, such as a timestamp `nan`;
    a request without a signature it refuses.
    """
    return {
        name: value
        for name, value in headers.items()
        if name not in FORMS or FORMS[name].fullmatch(value)
    }


class UnsignedRequests:
    """Counts unsigned requests of this process; the audit gets one line a minute for each flaw."""

    def __init__(self, journal: Journal, secret: str) -> None:
        self.journal = journal
        self.secret = secret
        self.counts = Counter[SignatureFlaw]()
        self._noted_at: dict[SignatureFlaw, float] = {}

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether Slack signed a request within its bound of time.

        `headers` are those that `drop_malformed` has left.
        """
        timestamp, signature = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
        if not timestamp or not signature or not self.secret:
            return False
        return SignatureVerifier(self.secret).is_valid(body, timestamp, signature)

    def add(self, headers: Mapping[str, str], body: bytes) -> None:
        """Count an unsigned request and name its flaw in the log and the audit.

        `headers` are those that `drop_malformed` has left.
        """
        flaw = self._flaw(headers, body)
        self.counts[flaw] += 1
        now = time.monotonic()
        if now - self._noted_at.get(flaw, -NOTE_INTERVAL_SECONDS) >= NOTE_INTERVAL_SECONDS:
            self._noted_at[flaw] = now
            log.warning("a request was not signed by Slack", extra={"fault": flaw.value})
            self.journal.append_audit(_event(flaw))

    def _flaw(self, headers: Mapping[str, str], body: bytes) -> SignatureFlaw:
        timestamp, signature = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
        if not timestamp or not signature or not self.secret:
            return SignatureFlaw.STRANGER
        verifier = SignatureVerifier(self.secret)
        expected = verifier.generate_signature(timestamp=timestamp, body=body) or ""
        if hmac.compare_digest(expected, signature):
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


def has_wrong_setting(journal: Journal) -> bool:
    """Return whether the clock or the secret of this desk is wrong, rather than a stranger trying.

    Only Slack and we can sign with the secret. Another signature may be anybody's. It points to a
    wrong secret only if it keeps coming and no correctly signed request came after it.
    """
    if journal.count_recent(_event(SignatureFlaw.CLOCK), LOOK_BACK_SECONDS):
        return True
    unproven = min(LOOK_BACK_SECONDS, journal.slack.seconds_since_event())
    return journal.count_recent(_event(SignatureFlaw.KEY), unproven) >= WRONG_SECRET_MINUTES


def _event(flaw: SignatureFlaw) -> str:
    return f"slack: request refused: {flaw}"
