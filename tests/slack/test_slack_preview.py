"""Every state can be looked at in a browser."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.slack_cases import states
from tests.support.slack_preview import page
from tests.support.waiting import SAFETY_NET_SECONDS


def test_the_page_shows_every_state_and_window() -> None:
    shown = page()
    assert shown.count("<article") == len(states()) + 57
    for words in ("Approve &amp; send", "Nothing was sent", "Your cases", "Send now", "👎 Wrong"):
        assert words in shown


def test_a_browser_draws_it(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium is installed")
    (tmp_path / "cards.html").write_text(page(), encoding="utf-8")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1300,4000",
        f"--user-data-dir={tmp_path}/profile", f"--screenshot={tmp_path}/cards.png", f"file://{tmp_path}/cards.html",
    ]  # fmt: skip
    subprocess.run(command, capture_output=True, timeout=SAFETY_NET_SECONDS, check=True)
    assert (tmp_path / "cards.png").stat().st_size > 50_000
