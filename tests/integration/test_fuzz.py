"""Random input at every entry of the desk: nothing crashes, nothing hangs, the entry works after it.

`--fuzz N` tries N inputs at each entry instead of a few. What an entry says to a bad input is its
own: an error that is meant for people is right, any other exception is not.
"""

import json
import socket
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from bot.answering.reply import compose_reply
from bot.answering.responder import Responder
from bot.app import App
from bot.channels.mail.intake import build_received_message, judge_mail
from bot.channels.mail.local import Folder, LocalSmtpServer
from bot.channels.mail.sandbox import SafeParser
from bot.commands.case_review import queue_lines
from bot.commands.public_json import answer_json_lines, read_line_message, response_json
from bot.corpus import Knowledge, load
from bot.errors import DeskError, KnowledgeError
from bot.infra import http_server
from bot.infra.http_server import HttpPort, HttpResponse
from bot.journal import ReceivedMessage
from bot.outbound import Outbound
from bot.settings import Settings
from bot.staff.staff_texts import read_staff_texts
from bot.text.printable import printable_line
from tests.conftest import KNOWLEDGE
from tests.servers.slack_side import ALICE, BOB, SlackSide
from tests.support.ports import free_port
from tests.support.running_desk import app_with, mail, verbatim_responder
from tests.support.slack_stand import Stand, standing
from tests.support.small_knowledge import copy_knowledge
from tests.support.waiting import SAFETY_NET_SECONDS

Input = TypeVar("Input")
BOLT = "slack_bolt.App"
# Inputs of one run of Hypothesis. It keeps all that it has tried, some 15 kB an input, until the run
# ends: a longer one would show its memory and not that of the desk.
BATCH = 500
SILENCE_SECONDS = 0.05  # after which a port that got half a request is left alone
TEXTS = st.text(max_size=200) | st.sampled_from(
    [
        "",
        "\0",
        "\ud800",
        "\u202e",
        "a" * 5_000,
        "{}",
        "null",
        "-1",
        "9" * 400,
        "\r\n.\r\n",
        "=?utf-8?b?",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
HEADERS = (
    "From", "To", "Subject", "Message-ID", "References", "In-Reply-To", "Date", "Content-Type", "Reply-To",
    "Content-Transfer-Encoding", "MIME-Version", "Auto-Submitted", "Authentication-Results", "Received",
    "DKIM-Signature", "List-Id", "Return-Path", "Content-Disposition", "Precedence", "X-Failed-Recipients",
)  # fmt: skip
WORDS = (
    b"multipart/mixed; boundary=x", b"--x\r\n", b"--x--", b"base64", b"quoted-printable", b"message/rfc822",
    b"text/html; charset=utf-7", b"<a@b.example>", b"=?utf-8?q?=00?=", b"auto-replied", b"\r\n\r\n", b"=3D=", b"<p>",
    b"message/delivery-status", b"filename*0*=utf-8''%00", b"(((((", b'"', b"> On x wrote:\r\n", b"\xff\xfe", b"dkim=pass",
)  # fmt: skip
COMMANDS = ("HELO x", "EHLO x", "MAIL FROM:<a@x.example>", "RCPT TO:<d@x.example>", "DATA", "RSET", "NOOP", "VRFY x",
            "HELP", "AUTH PLAIN", "STARTTLS", "BDAT 10 LAST", "MAIL FROM:<a> SIZE=999999999999", ".", "QUIT")  # fmt: skip


@pytest.fixture
def tries(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--fuzz"))


@pytest.fixture(scope="module")
def responder(knowledge: Knowledge) -> Responder:
    return verbatim_responder(knowledge)


@pytest.fixture
def desk(responder: Responder, tmp_path: Path) -> Iterator[App]:
    settings = Settings(home=tmp_path / "home", knowledge=KNOWLEDGE)
    with app_with(settings, responder) as made:
        yield made


def fuzz(tries: int, inputs: st.SearchStrategy[Input], check: Callable[[Input], object]) -> None:
    """Try `check` on so many inputs, the same ones each time; the first that fails is shown small."""
    for tried in range(0, tries, BATCH):
        _fuzz_batch(min(BATCH, tries - tried), inputs, check, seed=tried)


def _fuzz_batch(
    tries: int, inputs: st.SearchStrategy[Input], check: Callable[[Input], object], *, seed: int
) -> None:
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=tries, deadline=None, database=None, suppress_health_check=quiet
    )
    @given(inputs)
    def tried(value: Input) -> None:
        check(value)

    tried()


def _talk(port: int, said: bytes, *, hurried: bool = False) -> bytes:
    """Say all this, and return what the port answers until it hangs up or falls silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=SAFETY_NET_SECONDS) as line:
        line.settimeout(SILENCE_SECONDS if hurried else SAFETY_NET_SECONDS)
        line.sendall(said)
        told = b""
        with suppress(TimeoutError):
            while chunk := line.recv(65_536):
                told += chunk
                line.settimeout(SILENCE_SECONDS)
        return told


def raw_mails() -> st.SearchStrategy[bytes]:
    """Mails that are nearly right: real headers with odd values, and bodies of pieces of MIME."""
    value = st.sampled_from(WORDS) | st.binary(max_size=60)
    line = st.tuples(st.sampled_from(HEADERS), value).map(
        lambda pair: pair[0].encode() + b": " + pair[1]
    )
    body = st.lists(value | st.binary(max_size=300), max_size=12).map(b"\r\n".join)
    head = st.lists(line, max_size=10).map(b"\r\n".join)
    return st.tuples(head, body).map(lambda parts: parts[0] + b"\r\n\r\n" + parts[1])


def test_fuzz_mails(desk: App, tries: int) -> None:
    with closing(SafeParser(desk.knowledge.own_words)) as parser:

        def check(raw: bytes) -> None:
            stored = build_received_message(judge_mail(raw, parser, desk.mail_policy), "raw")
            message_id = desk.desk.store_message(stored)
            if message_id and stored.verdict in ("answer", "hold"):
                desk.desk.decide_message(message_id)

        fuzz(tries, raw_mails(), check)
        check(mail("Were API keys exposed?", 77))
    assert desk.journal.count_rows()["message"]
    assert desk.journal.list_undecided() == []


def test_fuzz_smtp_lines(tmp_path: Path, tries: int, caplog: pytest.LogCaptureFixture) -> None:
    box = Folder(tmp_path / "new")
    server = LocalSmtpServer(box, free_port(), min_free_bytes=0)
    server.start()
    line = st.sampled_from(COMMANDS).map(str.encode) | st.binary(max_size=1_200)

    def check(lines: list[bytes]) -> None:
        with suppress(ConnectionError):
            _talk(server.port, b"\r\n".join(lines) + b"\r\n", hurried=True)

    try:
        fuzz(tries, st.lists(line, max_size=12), check)
        said = _talk(server.port, b"QUIT\r\n")
        assert said.startswith(b"220")
        assert b"\n221" in said
    finally:
        server.stop()
    assert not [record for record in caplog.records if record.exc_info]


def test_fuzz_slack(
    desk: App, tmp_path: Path, side: SlackSide, tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    with standing(desk, tmp_path, side, "http") as stand:
        bodies = st.sampled_from(_payloads(side)).flatmap(_broken).map(_form) | TEXTS.map(
            lambda text: (text.encode("utf-8", "replace").decode(), "application/json")
        )
        fuzz(tries, bodies, lambda body: _post(stand, *body))
        side.dm(BOB, "Were API keys exposed?")
        stand.until(lambda: _is_answered(side, f"D{BOB[2:]}"))
    side.problems.clear()  # what Slack itself would never send leads to odd answers
    broke = [record for record in caplog.records if record.exc_info]
    assert not [each.getMessage() for each in broke if each.name in (http_server.__name__, BOLT)]


def _payloads(side: SlackSide) -> list[dict[str, Any]]:
    """What Slack sends: an event, a click, a window, a shortcut, a command."""
    who = {"id": ALICE, "team_id": side.team}
    event = {"type": "message", "channel_type": "im", "channel": "DALICE", "user": ALICE, "text": "Were keys exposed?",
             "ts": "1700000000.000100", "team": side.team}  # fmt: skip
    base = {"team": {"id": side.team}, "user": who, "trigger_id": "1.2.3"}
    where = {"channel": {"id": side.triage}, "container": {"message_ts": "1.1"},
             "response_url": f"http://127.0.0.1:{side.port}/response"}  # fmt: skip
    act = {"action_id": "claim", "value": "1:", "action_ts": "1.2"}
    return [
        {"type": "event_callback", "team_id": side.team, "api_app_id": "A0DESK", "event_id": "Ev1", "event": event},
        {"type": "block_actions", **base, **where, "actions": [act]},
        {"type": "view_submission", **base, "view": {"type": "modal", "callback_id": "reply", "private_metadata": "{}", "state": {"values": {}}}},
        {"type": "message_action", **base, **where, "callback_id": "ask", "message": {"text": "Were keys exposed?"}},
        {"command": "/incident", "text": "queue", "user_id": ALICE, "team_id": side.team, "channel_id": side.triage,
         "trigger_id": "1.2.3", "response_url": f"http://127.0.0.1:{side.port}/response"},
    ]  # fmt: skip


def _broken(payload: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The payload with some values, wherever they stand, replaced or taken away."""
    places = sorted((each for each in _places(payload) if not _is_bolts(each)), key=str)
    changes = st.lists(
        st.tuples(st.sampled_from(places), st.booleans(), VALUES), min_size=1, max_size=3
    )
    return changes.map(lambda found: _changed(payload, found))


def _is_bolts(place: tuple[str | int, ...]) -> bool:
    """Does Bolt itself read this, and say 500 where a signed delivery has it in another form?"""
    return place[-1] == "type" or place in (("event",), ("view",), ("actions",), ("actions", 0))


def _places(value: object, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        yield (*above, key)
        yield from _places(inner, (*above, key))


def _changed(
    payload: dict[str, Any], changes: list[tuple[tuple[str | int, ...], bool, object]]
) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(payload))
    for (*above, last), gone, value in changes:
        inner: Any = made
        with suppress(LookupError, TypeError):
            for key in above:
                inner = inner[key]
            if gone:
                del inner[last]
            else:
                inner[last] = value
    return made


def _form(payload: dict[str, Any]) -> tuple[str, str]:
    """Body and content type, as Slack sends the kind."""
    kind = "application/x-www-form-urlencoded"
    if "command" in payload:
        told = {k: str(v).encode("utf-8", "replace") for k, v in payload.items()}
        return urllib.parse.urlencode(told), kind
    body = json.dumps(payload)
    if payload.get("type") == "event_callback" or "event" in payload:
        return body, "application/json"
    return f"payload={urllib.parse.quote_plus(body)}", kind


def _post(stand: Stand, body: str, kind: str) -> None:
    status, said = stand.side.post(body, kind)
    assert status < 500, (status, said)


def _is_answered(side: SlackSide, channel: str) -> bool:
    posts = [post for (place, _), post in side.messages.items() if place == channel]
    return any("an answer for you" in str(post.get("text")) for post in posts)


def test_fuzz_http(tries: int) -> None:
    port = HttpPort(0)
    port.get("/healthz", lambda: HttpResponse(body=b'{"ok": true}'))
    port.post("/slack/events", lambda _headers, body: HttpResponse(body=body[:10]))
    port.start()
    word = st.sampled_from(
        [b"GET", b"POST", b" /healthz ", b" /slack/events ", b"HTTP/1.1", b"\r\n", b"\r\n\r\n", b"Content-Length: ", b"-1",
         b"99999999999999999999", b"Transfer-Encoding: chunked", b"Host: x", b"Expect: 100-continue", b"Upgrade: h2c", b"ff\r\n"]
    ) | st.binary(max_size=100)  # fmt: skip

    def check(words: list[bytes]) -> None:
        with suppress(ConnectionError):
            said = _talk(port.port, b"".join(words), hurried=True)
            assert not said.startswith(b"HTTP/1.1 5"), said

    try:
        fuzz(tries, st.lists(word, max_size=14), check)
        asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert _talk(port.port, asked).endswith(b'{"ok": true}')
    finally:
        port.stop()


def test_fuzz_lines_of_json(responder: Responder, knowledge: Knowledge, tries: int) -> None:
    outbound = Outbound(knowledge)

    def one(line: object) -> dict[str, Any]:
        response = responder.respond(read_line_message(line))
        reply = compose_reply(response, knowledge)
        assert not reply or outbound.check(reply).allowed
        return response_json(response, reply)

    def check(raw: bytes) -> None:
        for answer, good in answer_json_lines(raw.split(b"\n"), one):
            assert good == ("error" not in answer)
            json.dumps(answer)

    turns = st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "desk", ""]), "text": VALUES}),
        max_size=3,
    )
    line = st.fixed_dictionaries(
        {"id": VALUES, "text": TEXTS}, optional={"history": turns | VALUES, "channel": VALUES}
    )
    fuzz(
        tries,
        (line | VALUES).map(lambda told: json.dumps(told).encode()) | st.binary(max_size=300),
        check,
    )


def test_fuzz_knowledge_files(tmp_path: Path, tries: int) -> None:
    folder = copy_knowledge(tmp_path / "k", wordings=1, intents=1)
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".md"))
    originals = {path: path.read_bytes() for path in files}
    piece = st.binary(max_size=20) | st.sampled_from(
        [b"&a [*a]", b"!!python/object:os.system", b"- ", b": ", b"{", b"\t", b"'", b"|-\n", b"---\n", b"\xef\xbb\xbf", b"null", b"1e999"]
    )  # fmt: skip

    def check(change: tuple[Path, float, int, bytes]) -> None:
        path, place, cut, put = change
        whole = originals[path]
        at = int(place * len(whole))
        path.write_bytes(whole[:at] + put + whole[at + cut :])
        try:
            with suppress(KnowledgeError):
                load(folder)
        finally:
            path.write_bytes(whole)

    load(folder)
    shares = st.floats(min_value=0, max_value=1)
    fuzz(tries, st.tuples(st.sampled_from(files), shares, st.integers(0, 60), piece), check)


def test_fuzz_rows_of_the_database(desk: App, tries: int) -> None:
    """Whatever a sender can bring into a row, lists and cases are shown and decided."""
    texts = read_staff_texts(KNOWLEDGE)
    plain = st.text(alphabet=st.characters(), max_size=120)
    fields = st.fixed_dictionaries(
        {
            "sender": st.emails() | st.emails().map(lambda each: f'"x" <{each}>'), "text": TEXTS | plain, "rule": plain, "thread_key": plain,
            "headers": st.dictionaries(st.sampled_from(["subject", "message_id", "references", "from"]), plain),
            "verdict": st.sampled_from(["answer", "hold"]),
        }
    )  # fmt: skip
    number = iter(range(10**9))

    def check(told: dict[str, Any]) -> None:
        key = f"k{next(number)}"
        try:
            message_id = desk.desk.store_message(
                ReceivedMessage(channel="email", key=key, raw_ref="r", **told)
            )
        except DeskError:
            return
        if message_id:
            desk.desk.decide_message(message_id)
            for line in map(printable_line, queue_lines(desk.journal, texts)):
                assert not set(line) & set("\0\x1b\x9b\u202e")

    fuzz(tries, fields, check)
    assert desk.journal.list_undecided() == []
