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

PACKAGE = "emulate@0.12.2"  # unpinned it is another package
HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / "var" / "emulate"


def missing() -> str:
    """Why there is none; empty when there is."""
    if (FOLDER / "node_modules" / "emulate").exists():
        return ""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "node and npm are not installed"
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
    try:
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        return f"npm could not install {PACKAGE} in time"
    return f"npm could not install {PACKAGE}" if done.returncode else ""


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
        with urllib.request.urlopen(request, timeout=10) as answer:
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
        process.wait(timeout=10)
        process.stdout.close()
