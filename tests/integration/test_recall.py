"""Who is found after a change of the post, and who gets no mail about it."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bot.app import App
from bot.cli import main
from bot.commands.recall import entry_json, write_list
from bot.corpus.changes import ChangeKind
from bot.journal import Journal
from bot.recall import Held, Why
from tests.conftest import KNOWLEDGE
from tests.support.desk_messages import received
from tests.support.fakes import Time
from tests.support.told import RESETS, earlier, recall_of, told


@pytest.fixture
def journal(database_url: str) -> Iterator[Journal]:
    with closing(Journal(database_url, clock=Time())) as opened:
        yield opened


def test_recall_lists_who_was_told_a_corrected_text_until_a_person_calls_it_a_wording(
    app: App, journal: Journal
) -> None:
    old = earlier(app)
    journal.corrections.record_passages([old])
    mine = told(journal, old, "ana")
    told(journal, app.knowledge.passages[RESETS], "bob")
    (entry,) = recall_of(app, journal).find()
    assert (entry.conversation_id, entry.why, entry.held) == (mine, Why.CORRECTED, None)
    assert [t.text for t in entry.told] == [old.text]
    assert app.outbound.check(entry.text).allowed
    assert list(recall_of(app, journal, ChangeKind.WORDING).find()) == []


def test_recall_writes_to_no_address_that_bounced_and_tells_the_person_who_has_the_case(
    app: App, journal: Journal
) -> None:
    old = earlier(app)
    journal.corrections.record_passages([old])
    told(journal, old, "ana")
    told(journal, old, "bob", state="bounced")
    cases = told(journal, old, "eve")
    waiting = journal.receive(received("please call me", "eve2", sender="eve@example.org"))
    assert waiting is not None
    journal.mark_failed(waiting, "x")
    held = {e.recipient.split("@")[0]: e.held for e in recall_of(app, journal).find()}
    assert held["ana"] is None
    assert "bob" not in held  # its mail never arrived: nobody was told
    assert cases


def test_recall_stores_nothing_of_a_batch_that_breaks_and_all_of_it_once_afterwards(
    app: App, journal: Journal
) -> None:
    old = earlier(app)
    journal.corrections.record_passages([old])
    for name in ("ana", "bob", "eve"):
        told(journal, old, name)
    recall = recall_of(app, journal)
    entries = list(recall.find())
    broken = [
        *entries[:2],
        replace(entries[2], message_id=entries[0].message_id, conversation_id=-1),
    ]
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        recall.send(broken, actor="eve", per_minute=60)
    assert journal.mail_outbox.list_due() == []
    assert recall.send(entries, actor="eve", per_minute=60) == 3
    assert recall.send(entries, actor="eve", per_minute=60) == 0
    assert {e.held for e in recall_of(app, journal).find()} == {Held.DONE}


def test_recall_writes_its_list_so_that_no_cell_is_a_formula(
    app: App, journal: Journal, tmp_path: Path
) -> None:
    old = earlier(app)
    journal.corrections.record_passages([old])
    told(journal, old, "=cmd")
    rows = [entry_json(entry) for entry in recall_of(app, journal).find()]
    write_list(rows, tmp_path / "list.csv")
    write_list(rows, tmp_path / "list.jsonl")
    assert "'=cmd@example.org" in (tmp_path / "list.csv").read_text(encoding="utf-8")
    (line,) = (tmp_path / "list.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["why"] == "corrected"


def test_a_recall_with_nothing_changed_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["knowledge", "recall"]) == 0
    assert "nobody was told anything that no longer holds" in capsys.readouterr().out
    assert main(["knowledge", "recall", "--wording", "no-such-passage"]) == 2
    assert "is no passage" in capsys.readouterr().err
    assert main(["knowledge", "diff", str(KNOWLEDGE), str(KNOWLEDGE)]) == 0
    assert "no passage changed" in capsys.readouterr().out
