"""Twenty requests that Slack did not sign; half of them kept apart. Each is refused and counted."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from slack_sdk.signature import SignatureVerifier

from bot.app import App
from bot.channels.slack.health import check_signatures
from bot.channels.slack.unsigned_requests import SIGNATURE, TIMESTAMP, SignatureFlaw
from tests.servers.slack_side import ALICE, SlackSide
from tests.support.halves import APART, SEEN, halves
from tests.support.slack_stand import Stand, standing

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
EVENT = json.dumps({"type": "event_callback", "event_id": "Ev1", "team_id": "T0DESK", "event":
                    {"type": "message", "channel_type": "im", "user": ALICE, "channel": "D1", "ts": "1.1", "text": "Hi"}})  # fmt: skip
CLICK = {
    "type": "block_actions",
    "user": {"id": ALICE},
    "actions": [{"action_id": "claim", "value": "1:"}],
}
Sign: TypeAlias = "Callable[[str, int], tuple[str, str]]"


def signed(secret: str, body: str, at: object) -> str:
    made = SignatureVerifier(secret).generate_signature(timestamp=str(at), body=body)
    assert made
    return made


def right(change: Callable[[str], str] = str, when: Callable[[int], str] = str) -> Sign:
    """A signature with the secret of the desk, changed, or of another time."""
    return lambda secret, now: (when(now), change(signed(secret, EVENT, when(now))))


def none(_secret: str, _now: int) -> tuple[str, str]:
    return "", ""


STRANGER, KEY, CLOCK = SignatureFlaw.STRANGER, SignatureFlaw.KEY, SignatureFlaw.CLOCK
# The body and its kind, how the request is signed, and what is wrong with it.
REQUESTS: list[tuple[str, str, Sign, SignatureFlaw]] = [
    (EVENT + " ", JSON, right(), KEY),
    (EVENT, JSON, lambda secret, now: (str(now + 1), signed(secret, EVENT, now)), KEY),
    (EVENT, JSON, right(str.upper), STRANGER),
    (EVENT, JSON, right(lambda made: made[:-1]), STRANGER),
    (EVENT, JSON, right(lambda made: made + "\n"), STRANGER),
    (EVENT, JSON, right(lambda made: made.replace("v0=", "")), STRANGER),
    (EVENT, JSON, right(lambda made: f"{made},{made}"), STRANGER),
    (EVENT, JSON, right(lambda made: made.translate({ord(d): 0xFF10 + int(d) for d in "123456789"})), STRANGER),
    (EVENT, JSON, right(when=lambda now: f" {now}"), STRANGER),
    (EVENT, JSON, right(when=lambda now: f"+{now}"), STRANGER),
    (EVENT, JSON, right(when=lambda now: f"{now // 1000}_{now % 1000:03}"), STRANGER),
    (EVENT, JSON, right(when=lambda now: f"{now}.5"), STRANGER),
    (EVENT, JSON, right(when=lambda now: str(now - 302)), CLOCK),
    (EVENT, JSON, lambda _secret, _now: ("999999999999", "v0=" + 64 * "a"), STRANGER),
    (EVENT, JSON, lambda _secret, now: (str(now), signed("x", EVENT, now)), KEY),
    ("[" * 200_000, JSON, none, STRANGER),
    (json.dumps({"type": "url_verification", "challenge": "echo"}), JSON, none, STRANGER),
    ("payload=" + json.dumps(CLICK), FORM, none, STRANGER),
    ("payload=" + "%7B%22a%22%3A" * 50_000, FORM, none, STRANGER),
    ("command=/incident&text=queue&user_id=" + ALICE, FORM, none, STRANGER),
]  # fmt: skip
KIND = halves(REQUESTS)


@pytest.fixture
def stand(app: App, tmp_path: Path, side: SlackSide) -> Iterator[Stand]:
    with standing(app, tmp_path, side, "http") as made:
        yield made


@pytest.fixture
def now() -> int:
    return int(time.time())


@pytest.mark.parametrize("half", [SEEN, APART])
def test_what_slack_did_not_sign_is_refused_and_counted(
    stand: Stand, side: SlackSide, caplog: pytest.LogCaptureFixture, now: int, half: str
) -> None:
    wrong = []
    counts = stand.slack.gateway.unsigned_requests.counts
    for body, kind, sign, flaw in KIND[half]:
        counts.clear()
        timestamp, signature = sign(side.secret, now)
        headers = {"content-type": kind, TIMESTAMP: timestamp, SIGNATURE: signature}
        page = stand.slack.http_adapter(headers, body.encode())
        if page.status != 401 or counts != {flaw: 1} or b"echo" in page.body:
            wrong.append((body[:40], timestamp, signature, page.status, dict(counts)))
    assert wrong == []
    assert stand.desk.journal.count_rows()["slack_event"] == 0
    assert check_signatures(stand.slack).good is (CLOCK not in {flaw for *_, flaw in KIND[half]})
    assert not [each for each in caplog.records if each.levelno > logging.WARNING]


def test_a_signed_body_that_cannot_be_read_is_no_strangers(stand: Stand, side: SlackSide) -> None:
    body, now = "[" * 200_000, int(time.time())
    headers = {TIMESTAMP: str(now), SIGNATURE: signed(side.secret, body, now)}
    page = stand.slack.http_adapter({"content-type": JSON, **headers}, body.encode())
    assert page.status == 400
    assert not stand.slack.gateway.unsigned_requests.counts


def test_who_says_to_check_a_certificate_gets_nothing_else_done(stand: Stand) -> None:
    """Slack's own check comes without a signature, and what stands beside it is not looked at."""
    for body, kind in (
        ("ssl_check=1&command=/incident&text=queue&user_id=" + ALICE, FORM),
        ("payload=" + json.dumps(CLICK | {"ssl_check": "1"}), FORM),
        (json.dumps(json.loads(EVENT) | {"ssl_check": "1"}), JSON),
    ):
        page = stand.slack.http_adapter({"content-type": kind}, body.encode())
        assert (page.status, page.body) == (200, b"")
    assert stand.desk.journal.count_rows()["slack_event"] == 0
