"""The pictures of the documentation show what the product makes today."""

import shutil
import zlib
from pathlib import Path

import pytest

from bot.app import App
from bot.errors import MissingError
from evals import pictures


def test_every_picture_shows_what_the_product_makes_today(app: App) -> None:
    for name, page in pictures.pages(app).items():
        drawn = (pictures.FOLDER / name).read_bytes()
        assert pictures.source_of(drawn) == pictures.hash_page(page), (
            f"{name} is stale; `python -m evals pictures` draws it anew"
        )


def test_every_picture_is_small() -> None:
    found = list(pictures.FOLDER.glob("*.png"))
    assert found
    for each in found:
        assert each.stat().st_size <= pictures.MAX_BYTES, each.name


def test_the_source_stands_in_a_valid_chunk_of_the_picture() -> None:
    plain = pictures.SIGNATURE + bytes(25) + b"rest"
    made = pictures.with_source(plain, "<p>page</p>")
    assert pictures.source_of(made) == pictures.hash_page("<p>page</p>")
    assert pictures.source_of(plain) == ""
    length = int.from_bytes(made[33:37], "big")
    assert int.from_bytes(made[41 + length : 45 + length], "big") == zlib.crc32(
        made[37 : 41 + length]
    )


def test_without_chromium_the_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(MissingError, match="apt-get install chromium"):
        pictures.pictures([])


def test_a_browser_that_fails_is_an_error_in_words() -> None:
    with pytest.raises(MissingError, match="failed"):
        pictures.draw_page("/bin/false", "<p>page</p>")
    with pytest.raises(MissingError, match="did not draw"):
        pictures.draw_page("/bin/true", "<p>page</p>")


def test_a_browser_draws_a_page_as_high_as_it_is(tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, pictures.BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    drawn = pictures.draw_page(
        browser, "<!doctype html><body style='margin:0;height:100px'></body>"
    )
    (tmp_path / "page.png").write_bytes(drawn)
    size = [int.from_bytes(drawn[at : at + 4], "big") for at in (16, 20)]
    assert size == [round(pictures.WIDTH * pictures.SCALE), round(100 * pictures.SCALE)]
