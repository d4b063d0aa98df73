"""A chat-completions server on 127.0.0.1 that answers as a test scripts it, and keeps a journal."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from typing_extensions import override

from tests.support.waiting import SAFETY_NET_SECONDS

Answer = Callable[[dict[str, Any]], Any]


@dataclass(kw_only=True)
class ModelServer:
    """`answer` makes the content from the request.

    An int is a status, bytes a raw body, a pair a status and a raw body, an iterator a body that is
    written piece by piece.
    """

    answer: Answer
    seconds: float = 0.0
    url: str = ""
    bodies: list[str] = field(default_factory=list)


@contextmanager
def model_server(answer: Answer, *, seconds: float = 0.0) -> Iterator[ModelServer]:
    """The server, running until the block ends."""
    made = ModelServer(answer=answer, seconds=seconds)

    class Handler(BaseHTTPRequestHandler):
        @override
        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            made.bodies.append(text)
            time.sleep(made.seconds)
            body = json.loads(text)
            found = made.answer(body)
            if isinstance(found, Iterator):
                self._drip(found)
                return
            status, raw = answered(found, body, self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def _drip(self, pieces: Iterator[bytes]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            for piece in pieces:
                self.wfile.write(piece)

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        @override
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hung up."""

    server = Quiet(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(SAFETY_NET_SECONDS)


def answered(found: Any, body: dict[str, Any], path: str) -> tuple[int, bytes]:
    """Status and body of what a script says."""
    if isinstance(found, int):
        return found, b'{"error": {"message": "scripted", "type": "scripted"}}'
    if isinstance(found, tuple):
        return found[0], found[1]
    if path.endswith("/embeddings"):
        return 200, json.dumps(embeddings(body)).encode()
    return 200, found if isinstance(found, bytes) else json.dumps(completion(found)).encode()


def completion(content: Any) -> dict[str, Any]:
    """A whole answer; `content` a text, a JSON value, or the message itself."""
    message = {"role": "assistant", "content": content, "refusal": None}
    finish = "stop"
    if isinstance(content, dict) and "message" in content:
        message, finish = message | content["message"], content.get("finish", "stop")
    elif not isinstance(content, str):
        message["content"] = json.dumps(content)
    return {
        "id": "x", "object": "chat.completion", "created": 1, "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }  # fmt: skip


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """A vector for each text: the same for the same text, without meaning."""
    data = [
        {"object": "embedding", "index": n, "embedding": _vector(text, body["encoding_format"])}
        for n, text in enumerate(body["input"])
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def _vector(text: str, form: str) -> object:
    assert isinstance(text, str), "tokens were sent in place of text"
    made = (
        np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8).astype(np.float32) - 127.5
    )
    unit = (made / np.linalg.norm(made)).astype(np.float32)
    return base64.b64encode(unit.tobytes()).decode() if form == "base64" else unit.tolist()


def asked(body: dict[str, Any]) -> str:
    """The message inside a request."""
    text = str(body["messages"][-1]["content"])
    return text.split("<message>\n", 1)[1].rsplit("\n</message>", 1)[0]
