"""The pinned npm double of a model's vendor, where npm can install it: another's idea of the API."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import npm
from tests.support.ports import free_port
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until

PACKAGE = "@copilotkit/aimock@1.43.0"  # 1.43 changed its command line
FOLDER = npm.VAR / "aimock"
COMMAND = FOLDER / "node_modules" / ".bin" / "llmock"


def missing() -> str:
    """Why there is none; empty when there is."""
    return npm.missing(PACKAGE, FOLDER, COMMAND)


class Aimock:
    """One that runs."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self._side = f"http://127.0.0.1:{port}"

    def journal(self) -> list[dict[str, Any]]:
        """Every request, as it came in."""
        return list(json.loads(self._get("/__aimock/journal?limit=500")))

    def up(self) -> bool:
        try:
            self._get("/health")
        except OSError:
            return False
        return True

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self._side + path, timeout=SAFETY_NET_SECONDS) as answer:
            return bytes(answer.read())


@contextmanager
def aimock(fixtures: list[dict[str, Any]], folder: Path) -> Iterator[Aimock]:
    """Runs until the end of the block."""
    (folder / "fixtures.json").write_text(json.dumps({"fixtures": fixtures}), encoding="utf-8")
    made = Aimock(port := free_port())
    process = subprocess.Popen(
        [COMMAND, "-p", str(port), "--host", "127.0.0.1", "-f", folder, "--validate-on-load"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: made.up() or process.poll() is not None)
        assert process.poll() is None, "aimock ended"
        yield made
    finally:
        process.terminate()
        process.wait(timeout=SAFETY_NET_SECONDS)
