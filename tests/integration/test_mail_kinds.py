"""Mails of the kinds that support desks get wrong, by two authors who had not seen the desk.

The desk reads each as `mail check` does. Nobody's mail may be lost, and what was right when a set
was last looked at stays right.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.app import App
from bot.commands.mail_check import MailCheck
from bot.settings import Settings
from tests.conftest import KNOWLEDGE, home_of
from tests.support.mail_outcomes import faults, is_lost

FOLDER = Path(__file__).parents[1] / "data" / "mail_kinds"
# How many are right: the first set was worked on after its first look (82), the second was not (70, now 68).
RIGHT = {"first": 96, "second": 68}


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailCheck]:
    home = home_of(tmp_path_factory.mktemp("kinds") / "home")
    app = App(Settings(home=home, knowledge=KNOWLEDGE, address="incident@desk.example"))
    with MailCheck(app) as made:
        yield made


@pytest.mark.no_cover
@pytest.mark.parametrize("name", RIGHT)
def test_mails_of_every_kind_end_as_they_should_and_none_is_lost(
    check: MailCheck, name: str
) -> None:
    lines = (FOLDER / name / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    wrong: dict[str, list[str]] = {}
    for want in map(json.loads, filter(str.strip, lines)):
        outcome = check.check_file(str(FOLDER / name / want["file"]))
        assert not is_lost(want, outcome), want["file"]
        if found := faults(want, outcome):
            wrong[want["file"]] = found
    assert len(lines) - len(wrong) >= RIGHT[name], wrong
