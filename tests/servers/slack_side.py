"""Slack's side of a test, over real sockets: the Web API with strict scopes and limits, Socket Mode,
signed deliveries, faults on demand. Nothing of it imports the product.
"""

import hashlib
import hmac
import json
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override

from tests.servers.slack_limits import limits, view_limits
from tests.servers.slack_line import Line, greeting
from tests.support.waiting import SAFETY_NET_SECONDS

TEAM = "T0DESK"
TRIAGE = "C0TRIAGE"
ALICE, BOB, EVE, GUEST = "U0ALICE", "U0BOB", "U0EVE", "U0GUEST"
SCOPES = {
    "auth.test": "", "chat.postMessage": "chat:write", "chat.update": "chat:write",
    "chat.postEphemeral": "chat:write", "conversations.info": "groups:read",
    "users.info": "users:read", "views.open": "", "views.publish": "",
    "apps.connections.open": "connections:write",
}  # fmt: skip
FORWARDED = frozenset({
    "auth.test", "chat.postMessage", "chat.update", "chat.postEphemeral", "conversations.info",
    "users.info", "views.publish",
})  # fmt: skip
BOT_SCOPES = [
    "app_mentions:read",
    "chat:write",
    "commands",
    "groups:read",
    "im:history",
    "users:read",
]


@dataclass
class Fault:
    """The next answer to `method`."""

    method: str
    status: int = 200
    body: dict[str, Any] = field(default_factory=lambda: {"ok": False, "error": "fatal_error"})
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Call:
    method: str
    args: dict[str, Any]
    answer: dict[str, Any]
    status: int


class SlackSide:
    """One workspace; start it, point the app at `base_url`, deliver."""

    def __init__(self) -> None:  # noqa: PLR0915 - one workspace
        self.bot_token = "xoxb-" + secrets.token_hex(12)
        self.app_token = "xapp-" + secrets.token_hex(12)
        self.secret = secrets.token_hex(16)
        self.scopes = list(BOT_SCOPES)
        self.channels: dict[str, dict[str, Any]] = {
            TRIAGE: {"id": TRIAGE, "is_private": True, "is_member": True, "is_ext_shared": False},
        }
        self.users: dict[str, dict[str, Any]] = {
            name: {"id": name, "team_id": TEAM} for name in (ALICE, BOB, EVE)
        }
        self.users[GUEST] = {"id": GUEST, "team_id": TEAM, "is_restricted": True}
        self.calls: list[Call] = []
        self.faults: deque[Fault] = deque()
        self.messages: dict[tuple[str, str], dict[str, Any]] = {}
        self.order: list[tuple[str, str]] = []
        self.ephemerals: list[dict[str, Any]] = []
        self.responses: list[dict[str, Any]] = []
        self.homes: dict[str, dict[str, Any]] = {}
        self.views: list[dict[str, Any]] = []
        self.triggers: set[str] = set()
        self.problems: list[
            str
        ] = []  # what the real Slack would have refused, or a person regretted
        self.down = False
        self.response_status = 200
        self.lock = threading.RLock()
        self.lines: list[Line] = []
        self.acks: dict[str, Any] = {}
        self.acked = threading.Condition()
        self.request_url = ""
        self.upstream = ""  # an emulator that answers what it can, under its own scopes
        self.team, self.triage = TEAM, TRIAGE
        self._ts = int(time.time())
        self._known: dict[str, tuple[str, str]] = {}
        self.server = _Server(("127.0.0.1", 0), _asking(self))
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    def close(self) -> None:
        for line in self.lines:
            line.close()
        self.server.shutdown()
        self.server.server_close()

    # ---- what the app calls

    def called(self, method: str) -> list[dict[str, Any]]:
        with self.lock:
            return [c.args for c in self.calls if c.method == method and c.answer.get("ok")]

    def api(
        self, method: str, token: str, args: dict[str, Any]
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        with self.lock:
            fault = next((f for f in self.faults if f.method in (method, "*")), None)
            if fault:
                self.faults.remove(fault)
                answer, status, headers = fault.body, fault.status, fault.headers
            elif self.down:
                answer, status, headers = {"ok": False, "error": "service_unavailable"}, 503, {}
            else:
                status, answer, headers = self._answer(method, token, args)
            self.calls.append(Call(method, args, answer, status))
        return status, answer, headers

    def _answer(
        self, method: str, token: str, args: dict[str, Any]
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        if method not in SCOPES:
            self.problems.append(f"{method} was called")
            return 200, {"ok": False, "error": "unknown_method"}, {}
        wanted = self.app_token if method == "apps.connections.open" else self.bot_token
        if token != wanted:
            return 200, {"ok": False, "error": "invalid_auth"}, {}
        scope = SCOPES[method]
        if scope and scope not in [*self.scopes, "connections:write"]:
            return (
                200,
                {
                    "ok": False,
                    "error": "missing_scope",
                    "needed": scope,
                    "provided": ",".join(self.scopes),
                },
                {},
            )
        headers = {"x-oauth-scopes": ",".join(self.scopes)}
        if self.upstream and method in FORWARDED:
            return self._forward(method, token, args)
        handler = getattr(self, "_" + method.replace(".", "_"))
        answer = handler(args)
        return 200, answer, headers

    def _forward(
        self, method: str, token: str, args: dict[str, Any]
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """The emulator's answer, for what our own limits let through."""
        if method.startswith("chat.") and (wrong := self._message(args)):
            return 200, {"ok": False, "error": wrong}, {}
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        request = urllib.request.Request(
            f"{self.upstream}/api/{method}", json.dumps(args).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=SAFETY_NET_SECONDS) as answer:
            return 200, json.loads(answer.read()), {}

    def _auth_test(self, _args: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "team_id": TEAM, "user_id": "U0BOT", "bot_id": "B0BOT", "team": "Desk"}

    def _apps_connections_open(self, _args: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "url": f"ws://127.0.0.1:{self.port}/link"}

    def _conversations_info(self, args: dict[str, Any]) -> dict[str, Any]:
        found = self.channels.get(args["channel"])
        if found is None:
            return {"ok": False, "error": "channel_not_found"}
        if not found["is_private"]:
            return {"ok": False, "error": "missing_scope", "needed": "channels:read"}
        return {"ok": True, "channel": found}

    def _users_info(self, args: dict[str, Any]) -> dict[str, Any]:
        found = self.users.get(args["user"])
        return {"ok": True, "user": found} if found else {"ok": False, "error": "user_not_found"}

    def _chat_postMessage(self, args: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - Slack's name
        if wrong := self._message(args):
            return {"ok": False, "error": wrong}
        known = self._known.get(str(args.get("client_msg_id")))
        if known:
            return {"ok": True, "channel": known[0], "ts": known[1]}
        above = self.messages.get((args["channel"], args.get("thread_ts", "")), {})
        if "thread_ts" in above:
            self.problems.append("a reply to a reply")
        self._ts += 1
        ts = f"{self._ts}.000100"
        place = (args["channel"], ts)
        if "client_msg_id" in args:
            self._known[args["client_msg_id"]] = place
        self.messages[place] = dict(args) | {"ts": ts}
        self.order.append(place)
        return {"ok": True, "channel": args["channel"], "ts": ts}

    def _chat_update(self, args: dict[str, Any]) -> dict[str, Any]:
        if wrong := self._message(args):
            return {"ok": False, "error": wrong}
        place = (args["channel"], args.get("ts", ""))
        if place not in self.messages:
            self.problems.append(f"update of no message: {args.get('ts')}")
            return {"ok": False, "error": "message_not_found"}
        self.messages[place].update(args)
        return {"ok": True, "channel": place[0], "ts": place[1]}

    def _chat_postEphemeral(self, args: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - Slack's name
        if wrong := self._message(args):
            return {"ok": False, "error": wrong}
        self.ephemerals.append(args)
        return {"ok": True, "message_ts": "1.1"}

    def _views_open(self, args: dict[str, Any]) -> dict[str, Any]:
        if args.get("trigger_id") not in self.triggers:
            return {"ok": False, "error": "expired_trigger_id"}
        self.triggers.discard(args["trigger_id"])
        if wrong := self.view(args["view"]):
            return {"ok": False, "error": wrong}
        made = dict(args["view"]) | {"id": "V" + secrets.token_hex(4)}
        self.views.append(made)
        return {"ok": True, "view": made}

    def _views_publish(self, args: dict[str, Any]) -> dict[str, Any]:
        if wrong := self.view(args["view"]):
            return {"ok": False, "error": wrong}
        self.homes[args["user_id"]] = args["view"]
        return {"ok": True}

    def _message(self, args: dict[str, Any]) -> str:
        channel = args.get("channel", "")
        if channel.startswith("C"):
            found = self.channels.get(channel)
            if found is None:
                return "channel_not_found"
            if not found["is_private"] or found["is_ext_shared"]:
                self.problems.append(f"a post into {channel}")
            if not found["is_member"]:
                return "not_in_channel"
        if not args.get("text"):
            self.problems.append("a message without text")
            return "no_text"
        return self._blocks(args.get("blocks") or [], 50)

    def view(self, view: dict[str, Any]) -> str:
        wrong = view_limits(view)
        return self._wrong(wrong) if wrong else ""

    def _blocks(self, blocks: list[dict[str, Any]], most: int) -> str:
        wrong = limits(blocks, most)
        return self._wrong(wrong) if wrong else ""

    def _wrong(self, why: str) -> str:
        self.problems.append(why)
        return "invalid_blocks"

    # ---- what Slack delivers

    def event(self, event: dict[str, Any], event_id: str = "", **more: Any) -> tuple[int, str]:
        body = {
            "type": "event_callback", "team_id": self.team, "api_app_id": "A0DESK", "is_ext_shared_channel": False,
            "event_id": event_id or "Ev" + secrets.token_hex(5), "event": event, **more,
        }  # fmt: skip
        return self.post(json.dumps(body), "application/json")

    def dm(self, user: str, text: str, ts: str = "", event_id: str = "") -> tuple[int, str]:
        event = {"type": "message", "channel_type": "im", "channel": f"D{user[2:]}", "user": user, "text": text,
                 "ts": ts or self.new_ts(), "team": self.team}  # fmt: skip
        return self.event(event, event_id)

    def mention(self, user: str, text: str, channel: str = "") -> str:
        ts = self.new_ts()
        self.event(
            {
                "type": "app_mention",
                "channel": channel or self.triage,
                "user": user,
                "text": f"<@U0BOT> {text}",
                "ts": ts,
                "team": self.team,
            }
        )
        return ts

    def click(
        self, user: str, action: str, value: str, ts: str = "1.1", stamp: str = ""
    ) -> dict[str, Any]:
        payload = {
            "type": "block_actions", "team": {"id": self.team}, "user": {"id": user, "team_id": self.team},
            "channel": {"id": self.triage}, "container": {"message_ts": ts}, "trigger_id": self.trigger(),
            "response_url": f"http://127.0.0.1:{self.port}/response",
            "actions": [{"action_id": action, "value": value, "action_ts": stamp or secrets.token_hex(6)}],
        }  # fmt: skip
        return self.interact(payload)

    def submit(self, user: str, view: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        payload = {
            "type": "view_submission", "team": {"id": self.team}, "user": {"id": user, "team_id": self.team},
            "view": {**view, "state": {"values": values}},
        }  # fmt: skip
        return self.interact(payload)

    def interact(self, payload: dict[str, Any]) -> dict[str, Any]:
        if self.lines:
            return self.send("interactive", payload) or {}
        status, text = self.post(
            "payload=" + urllib.parse.quote_plus(json.dumps(payload)),
            "application/x-www-form-urlencoded",
        )
        if status != 200:
            raise AssertionError(f"{status} {text}")
        return json.loads(text) if text else {}

    def command(self, user: str, text: str, channel: str = "") -> str:
        fields = {
            "command": "/incident", "text": text, "user_id": user, "team_id": self.team, "channel_id": channel or self.triage,
            "trigger_id": self.trigger(), "response_url": f"http://127.0.0.1:{self.port}/response",
        }  # fmt: skip
        if self.lines:
            return json.dumps(self.send("slash_commands", fields) or {})
        return self.post(urllib.parse.urlencode(fields), "application/x-www-form-urlencoded")[1]

    def post(self, body: str, kind: str, *, secret: str = "", at: float = 0) -> tuple[int, str]:
        stamp = str(int(at or time.time()))
        key = (secret or self.secret).encode()
        signature = "v0=" + hmac.new(key, f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        headers = {
            "content-type": kind,
            "x-slack-request-timestamp": stamp,
            "x-slack-signature": signature,
        }
        request = urllib.request.Request(self.request_url, body.encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=SAFETY_NET_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def send(self, kind: str, payload: dict[str, Any]) -> Any:
        """An envelope over the socket; the payload of its ack."""
        envelope = secrets.token_hex(8)
        line = next((line for line in reversed(self.lines) if not line.gone), None)
        if line is None:
            raise AssertionError("no line is open")
        line.send(
            {
                "envelope_id": envelope,
                "type": kind,
                "payload": payload,
                "accepts_response_payload": True,
            }
        )
        with self.acked:
            self.acked.wait_for(lambda: envelope in self.acks or line.gone, SAFETY_NET_SECONDS)
            if envelope not in self.acks:
                raise AssertionError(f"no ack for {kind}")
            return self.acks[envelope]

    def trigger(self) -> str:
        made = secrets.token_hex(8)
        self.triggers.add(made)
        return made

    def new_ts(self) -> str:
        with self.lock:
            self._ts += 1
            return f"{self._ts}.000200"

    def cards(self) -> list[dict[str, Any]]:
        """The parent messages of the triage channel, in order."""
        with self.lock:
            return [
                self.messages[p]
                for p in self.order
                if p[0] == self.triage and "thread_ts" not in self.messages[p]
            ]

    def thread(self, ts: str) -> list[dict[str, Any]]:
        with self.lock:
            return [self.messages[p] for p in self.order if self.messages[p].get("thread_ts") == ts]


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """The app was killed in the middle: part of the test."""


def _asking(side: SlackSide) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - one handler, its side closed over
    class Asking(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path.startswith("/link"):
                self._link()
                return
            self._api()

        def do_POST(self) -> None:
            if self.path.startswith("/response"):
                body = json.loads(self._body())
                with side.lock:
                    wrong = limits(body.get("blocks") or [])
                    if wrong:
                        side.problems.append(wrong)
                    side.responses.append(body)
                self._send(side.response_status, b"ok", {})
                return
            self._api()

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("content-length") or 0))

        def _api(self) -> None:
            path, _, query = self.path.partition("?")
            raw, kind = self._body(), self.headers.get("content-type", "")
            args: dict[str, Any] = dict(urllib.parse.parse_qsl(query))
            if "json" in kind and raw:
                args |= json.loads(raw)
            elif raw:
                args |= dict(urllib.parse.parse_qsl(raw.decode()))
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            status, answer, headers = side.api(path.removeprefix("/api/"), token, args)
            self._send(status, json.dumps(answer).encode(), headers)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response_only(status)
            if "Date" not in headers:
                self.send_header("Date", self.date_time_string())
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _link(self) -> None:
            self.wfile.write(greeting(self.headers["sec-websocket-key"]))
            line = Line(self.connection, self.rfile)
            side.lines.append(line)
            line.send(
                {"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A0DESK"}}
            )
            for message in line.read():
                told = json.loads(message)
                with side.acked:
                    side.acks[told["envelope_id"]] = told.get("payload")
                    side.acked.notify_all()
            with side.acked:
                side.acked.notify_all()
            self.close_connection = True

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Asking
