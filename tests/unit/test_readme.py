"""The README shows what the desk really prints, and names files that exist."""

import re

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_file_the_readme_names_is_there() -> None:
    for path in re.findall(r"`((?:bot|knowledge|evals|tests)/[\w./-]*)`", README):
        assert (ROOT / path).exists(), path


def test_the_transcript_shows_every_sample_that_is_played() -> None:
    from bot.commands.demo import _samples

    shown = README.split("<!-- transcript -->")[1].split("```")[1]
    for sample in _samples():
        assert sample["subject"] in shown


def test_the_settings_of_the_readme_are_those_of_the_desk() -> None:
    from bot.settings import Settings

    known = {f"DESK_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"DESK_[A-Z_]+", README)) <= known
