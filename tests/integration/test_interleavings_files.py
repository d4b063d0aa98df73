"""What happens to the files of the desk when two write them at the same time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.app import App
from bot.app.composition import INCIDENT
from bot.channels.mail.local import LocalMailbox
from bot.channels.slack import rated_answers
from bot.commands import privacy
from bot.corpus import Knowledge, learned
from bot.corpus.learned import append_labels, labelled_question, read_numbers, remove_labels
from bot.corpus.messages import LabelledMessage
from bot.errors import SettingsError
from bot.journal.slack_records import SlackEvent
from bot.settings import Settings
from bot.text.mentions import Mentions
from tests.conftest import KNOWLEDGE
from tests.support.interleaving import Beside, before_call, is_waited_for

HER = "ana@example.org"


def label(number: int) -> LabelledMessage:
    return labelled_question(number, "Was it mine?", language="en", passages=())


def meanwhile(
    patch: pytest.MonkeyPatch, owner: object, name: str, folder: Path, act: Callable[[], object]
) -> Beside:
    """Have `act` happen before a file is written, until it has ended or waits for the folder."""
    beside = Beside(act)
    before_call(patch, owner, name, lambda: beside.begin(lambda: is_waited_for(folder)))
    return beside


def test_a_question_taken_out_while_another_is_learned_stays_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody is erased at the terminal while a person agrees to another answer in Slack."""
    append_labels(tmp_path, [label(1), label(2)])
    beside = meanwhile(
        monkeypatch, learned, "replace_file", tmp_path, lambda: remove_labels(tmp_path, {1})
    )
    append_labels(tmp_path, [label(3)])
    beside.end()
    assert beside.raised == []
    assert read_numbers(tmp_path) == {2, 3}


def asked(text: str) -> SlackEvent:
    return SlackEvent(
        id=1, key="k", lane="ask", payload={"text": text}, attempts=0, received_at="", result=""
    )


def test_an_answer_rated_while_somebody_is_erased_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / privacy.RATED
    rated_answers.record_right_answer(path, asked(f"I am {HER}"), verdict="right", by="bo")
    beside = meanwhile(
        monkeypatch, privacy, "replace_file", tmp_path,
        lambda: rated_answers.record_right_answer(path, asked("hello"), verdict="right", by="bo"),
    )  # fmt: skip
    privacy._erase_rated(tmp_path, Mentions([HER]))
    beside.end()
    assert beside.raised == []
    assert "hello" in path.read_text(encoding="utf-8")
    assert HER not in path.read_text(encoding="utf-8")


def test_two_incidents_that_begin_in_one_home_at_once_do_not_share_it(
    tmp_path: Path, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "both"
    home.mkdir()
    settings = Settings(home=home, knowledge=KNOWLEDGE)
    other = replace(knowledge, incident=knowledge.incident.model_copy(update={"key": "other"}))
    real = Path.exists

    def begin_too(path: Path) -> bool:
        found = real(path)
        if path == home / INCIDENT and not found:
            monkeypatch.setattr(Path, "exists", real)
            App(settings, knowledge=other)._claim_home()
        return found

    monkeypatch.setattr(Path, "exists", begin_too)
    with pytest.raises(SettingsError, match="holds the desk of the incident 'other'"):
        App(settings, knowledge=knowledge)._claim_home()


def test_an_old_mail_deleted_by_another_hand_does_not_end_the_clean_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody is erased while old mails are deleted."""
    mailbox = LocalMailbox(tmp_path)
    old = [tmp_path / "Dropped" / "cur" / f"{n}:2,S" for n in range(3)]
    for path in old:
        path.write_bytes(b"x")
    real = Path.is_file

    def is_file(path: Path) -> bool:
        found = real(path)
        if path == old[1]:
            path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "is_file", is_file)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert mailbox.delete_older(["Dropped"], tomorrow, 10) == 2
    assert not any(real(path) for path in old)
