"""A real process, a real mail, Slack's side over HTTP and Socket Mode, and SIGKILL at every step:
nothing acknowledged is lost, nobody gets two mails."""

import json
import secrets
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient

from tests.servers.mail_servers import DESK, USER, Servers, missing, servers
from tests.servers.slack_side import ALICE, TEAM, SlackSide
from tests.support.slack_desk import REPLY, Fork, Process, opened, through
from tests.support.slack_stand import filled


@pytest.fixture
def http(forks: Fork, side: SlackSide, tmp_path: Path) -> Iterator[Process]:
    made = Process(forks, side, tmp_path, "http")
    yield made
    made.stop()


def test_the_whole_way_in_a_real_process(process: Process) -> None:
    through(process)
    assert process.human_mails() == 1
    assert len(process.side.cards()) == 1
    process.stop(signal.SIGTERM)


@pytest.mark.skipif(bool(missing()), reason=missing() or "there")
@pytest.mark.parametrize("mode", ["http", "socket"])
def test_from_the_users_mailbox_to_the_users_mailbox(
    forks: Fork, side: SlackSide, tmp_path: Path, mode: str
) -> None:
    """Postfix and Dovecot at both ends, and Slack in between."""
    password = secrets.token_hex(8)
    with servers(password) as real:
        mail = {
            "mail": "imap", "imap_host": "127.0.0.1", "imap_port": real.imap,
            "imap_user": DESK, "imap_password": password, "imap_tls": False,
            "smtp_host": "127.0.0.1", "smtp_tls": False, "authserv_id": "none",
        }  # fmt: skip
        process = Process(forks, side, tmp_path, mode, mail=mail, port=real.smtp)
        try:
            process.mail()
            process.until(side.cards)
            process.does(lambda: side.click(ALICE, "claim", "1:"))
            process.until(lambda: process.shows(f"by <@{ALICE}>"))
            check = side.submit(ALICE, opened(process), filled(REPLY))["view"]
            assert "on its way" in json.dumps(side.submit(ALICE, check, {}))
            process.until(lambda: arrived(real, REPLY))
            process.until(lambda: process.shows("handed over to the mail server"))
            assert len(arrived(real, REPLY)) == 1
        finally:
            process.stop()


def arrived(real: Servers, text: str) -> list[bytes]:
    """The user's mails with these words."""
    with IMAPClient("127.0.0.1", real.imap, ssl=False) as client:
        client.login(USER, real.password)
        client.select_folder("INBOX", readonly=True)
        mails = client.fetch(client.search(), ["BODY.PEEK[]"]).values()
        return [m[b"BODY[]"] for m in mails if text.encode() in m[b"BODY[]"]]


def test_fifty_at_once_are_all_acknowledged_and_stored(process: Process) -> None:
    """Each is on disk before its ack; that few commits do for all is tested in test_slack_parts."""

    def deliver(number: int) -> bool:
        side = process.side
        event = {
            "type": "message", "channel_type": "im", "channel": "DALICE", "user": ALICE,
            "text": f"Were my keys exposed? {number}", "ts": f"1.{number}",
        }  # fmt: skip
        if process.mode == "http":
            return side.event(event)[0] == 200
        body = {
            "type": "event_callback",
            "team_id": TEAM,
            "event_id": f"Ev{number}",
            "event": event,
        }
        side.send("events_api", body)  # returns with its ack
        return True

    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(deliver, range(201)))
    assert process.journal.count_rows()["slack_event"] == 201


@pytest.mark.parametrize(
    ("mode", "method", "nth"),
    [
        ("http", "conversations.info", 1), ("http", "chat.postMessage", 1), ("http", "users.info", 1),
        ("http", "chat.update", 1), ("http", "views.open", 1), ("http", "chat.update", 2),
        ("http", "chat.update", 3), ("socket", "chat.postMessage", 1), ("socket", "users.info", 1),
        ("socket", "views.open", 1), ("socket", "chat.update", 2),
    ],
)  # fmt: skip
def test_killed_in_a_call(
    forks: Fork, side: SlackSide, tmp_path: Path, mode: str, method: str, nth: int
) -> None:
    """Slack has taken the call, and the desk dies before it hears so."""
    process, seen, real = Process(forks, side, tmp_path, mode), [0], side.api

    def deadly(called: str, token: str, args: dict[str, Any]) -> Any:
        answer = real(called, token, args)
        seen[0] += called == method
        if called == method and seen[0] == nth:
            process.kill()
            time.sleep(0.1)
        return answer

    side.api = deadly  # type: ignore[method-assign,assignment]
    try:
        through(process)
        process.until(lambda: process.journal.slack.count_by_state().get("ready", 0) == 0)
        assert process.human_mails() == 1
        assert process.deaths == (seen[0] >= nth)
        assert len(side.cards()) == 1, "Slack knows the card that it has already"
    finally:
        process.stop()


@pytest.mark.parametrize("delay", [0.002, 0.1])
def test_killed_after_the_ack_of_a_claim(http: Process, delay: float) -> None:
    http.mail()
    http.until(http.side.cards)
    http.side.click(ALICE, "claim", "1:")
    time.sleep(delay)
    http.kill()
    http.again()
    http.until(lambda: http.case().owner == f"slack:{ALICE}")
    http.until(lambda: http.shows("*Taken*"))


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.4])
def test_killed_after_the_ack_of_send(http: Process, delay: float) -> None:
    """The person has read that it is on its way: so it is, once."""
    side = http.side
    http.mail()
    http.until(side.cards)
    check = side.submit(ALICE, opened(http), filled(REPLY))["view"]
    assert "on its way" in json.dumps(side.submit(ALICE, check, {}))
    time.sleep(delay)
    http.kill()
    http.again()
    assert "already" in json.dumps(side.submit(ALICE, check, {}))
    http.until(http.human_mails)
    http.until(lambda: http.shows("handed over to the mail server"))
    time.sleep(0.5)
    assert http.human_mails() == 1
