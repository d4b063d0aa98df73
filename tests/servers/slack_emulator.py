"""The pinned npm emulator of Slack's Web API, where npm can install it."""

import json
import os
import secrets
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import npm
from tests.support.waiting import SAFETY_NET_SECONDS

PACKAGE = "emulate@0.12.2"  # unpinned it is another package
HERE = Path(__file__).parent
FOLDER = npm.VAR / "emulate"


def missing() -> str:
    """Why there is none; empty when there is."""
    return npm.missing(PACKAGE, FOLDER, FOLDER / "node_modules" / "emulate")


class Emulator:
    """One that runs."""

    def __init__(self, port: int, admin: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.admin = admin

    def call(self, method: str, token: str = "", **args: Any) -> dict[str, Any]:
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {token or self.admin}",
        }
        request = urllib.request.Request(
            f"{self.url}/api/{method}", json.dumps(args).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=SAFETY_NET_SECONDS) as answer:
            return dict(json.loads(answer.read()))


@contextmanager
def emulator(port: int, bot: str, scopes: list[str]) -> Iterator[Emulator]:
    """Runs until the end of the block."""
    admin = "xoxp-" + secrets.token_hex(8)
    shutil.copy(HERE / "slack_emulator.mjs", FOLDER / "slack_emulator.mjs")
    told = {
        "PORT": str(port),
        "BOT": bot,
        "ADMIN": admin,
        "SECRET": "x",
        "SCOPES": ",".join(scopes),
    }
    node = shutil.which("node")
    assert node
    process = subprocess.Popen(
        [node, "slack_emulator.mjs"], cwd=FOLDER, stdout=subprocess.PIPE, text=True,
        env={**os.environ, **told},  # noqa: TID251 - handed on to the child
    )  # fmt: skip
    assert process.stdout
    try:
        assert "ready" in process.stdout.readline()
        yield Emulator(port, admin)
    finally:
        process.terminate()
        process.wait(timeout=SAFETY_NET_SECONDS)
        process.stdout.close()
