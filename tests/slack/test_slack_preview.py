"""Every state can be looked at in a browser, on a phone and on a desk."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.slack_cases import states
from tests.support.slack_preview import page
from tests.support.waiting import SAFETY_NET_SECONDS

WIDTHS = {"phone": 390, "desktop": 1_300}  # pixels
MEASURE = (
    "<script>onload = () => {document.documentElement.dataset.widths = [...document.querySelectorAll('iframe')]"
    ".map(each => each.contentDocument.documentElement.scrollWidth)}</script>"
)


@pytest.fixture
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium is installed")
    return found


def browse(browser: str, folder: Path, shown: str, *arguments: str) -> str:
    (folder / "cards.html").write_text(shown, encoding="utf-8")
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        f"--user-data-dir={folder}/profile", *arguments, f"file://{folder}/cards.html",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SAFETY_NET_SECONDS, check=True
    )
    return done.stdout


def test_the_page_shows_every_state_and_window() -> None:
    shown = page()
    assert shown.count("<article") == len(states()) + 57
    for words in ("Approve &amp; send", "Nothing was sent", "Your cases", "Send now", "👎 Wrong"):
        assert words in shown


def test_a_browser_draws_it(browser: str, tmp_path: Path) -> None:
    browse(
        browser, tmp_path, page(), "--window-size=1300,4000", f"--screenshot={tmp_path}/cards.png"
    )
    assert (tmp_path / "cards.png").stat().st_size > 50_000


def test_nothing_is_wider_than_a_phone_or_a_desktop(browser: str, tmp_path: Path) -> None:
    frame = f'srcdoc="{html.escape(page())}"'
    frames = [f'<iframe style="width:{width}px;border:0" {frame}>' for width in WIDTHS.values()]
    shown = "<!doctype html><meta charset=utf-8>" + "</iframe>".join([*frames, MEASURE])
    found = re.search(r'data-widths="([\d,]+)"', browse(browser, tmp_path, shown, "--dump-dom"))
    assert found
    assert [int(width) for width in found[1].split(",")] == list(WIDTHS.values())
