"""Drives a headless Chromium over its DevTools protocol, by keyboard, as a person would."""

import json
import re
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from evals.pictures import BROWSERS
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until

LISTENS = re.compile(r"ws://127\.0\.0\.1:(\d+)/")
KEYS = {"Enter": (13, "\r"), "Tab": (9, "")}


def missing() -> str:
    """Return why no browser can be driven here; empty where one can."""
    return "" if any(map(shutil.which, BROWSERS)) else "no Chromium is installed"


class Chromium:
    """One tab of a browser that keeps nothing when it is closed."""

    def __init__(self, line: ClientConnection) -> None:
        self._line = line
        self._calls = 0
        self.dialogs: list[str] = []  # what scripts of a page have said
        for part in ("Page", "Runtime", "Network"):
            self.call(f"{part}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and note the dialogs that opened meanwhile."""
        self._calls += 1
        order = {"id": self._calls, "method": method, "params": parameters}
        self._line.send(json.dumps(order))
        while True:
            told = json.loads(self._line.recv(timeout=SAFETY_NET_SECONDS))
            if told.get("method") == "Page.javascriptDialogOpening":
                self.dialogs.append(told["params"]["message"])
            if told.get("id") == self._calls:
                assert "error" not in told, told
                return dict(told["result"])

    def ask(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    def open(self, address: str) -> None:
        """Go to an address, and wait until its page is drawn."""
        self.ask("window.left = true")
        self.call("Page.navigate", url=address)
        wait_until(lambda: self.ask("!window.left && document.readyState") == "complete")

    def press(self, element: str, says: str) -> None:
        """Press the element (`a`, `button`) with these words, by the keyboard alone."""
        find = f"[...document.querySelectorAll('{element}')].find(e => e.innerText.includes({json.dumps(says)}))"
        wait_until(lambda: self.ask(f"!!{find}"), self.text)
        self.ask(f"{find}.focus()")
        code, text = KEYS["Enter"]
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter",
                windowsVirtualKeyCode=code, text=text if kind == "keyDown" else "",
            )  # fmt: skip

    def type(self, selector: str, text: str) -> None:
        """Replace what stands in a field."""
        wait_until(lambda: self.ask(f"!!document.querySelector('{selector}')"), self.text)
        self.ask(f"document.querySelector('{selector}').select()")
        self.call("Input.insertText", text=text)

    def text(self) -> str:
        """Return what a person reads on the page."""
        return str(self.ask("document.body ? document.body.innerText : ''"))

    def until(self, says: str) -> None:
        """Wait until the page says something."""
        wait_until(lambda: says in self.text(), self.text)

    def size(self, width: int, height: int = 800) -> None:
        """Give the page the size of a phone or a screen."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def prefer(self, scheme: str) -> None:
        """Prefer light or dark colours."""
        wish = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=wish)


@contextmanager
def chromium() -> Iterator[Chromium]:
    """Give a browser, which ends with the block."""
    program = next(filter(None, map(shutil.which, BROWSERS)))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder, "log")
        with log.open("w") as told:
            browser = subprocess.Popen(
                [
                    program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                    "--remote-debugging-port=0", f"--user-data-dir={folder}/profile", "about:blank",
                ],
                stderr=told, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        try:
            wait_until(lambda: LISTENS.search(log.read_text()), log.read_text)
            found = LISTENS.search(log.read_text())
            assert found
            with connect(_tab(int(found.group(1))), max_size=None) as line:
                yield Chromium(line)
        finally:
            browser.kill()
            browser.wait()


def _tab(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
        tabs = json.load(answer)
    return str(next(tab for tab in tabs if tab["type"] == "page")["webSocketDebuggerUrl"])
