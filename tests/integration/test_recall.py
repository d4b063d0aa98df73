"""Who is found after a change of the post, and who gets no mail about it."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sql
from typing_extensions import override

from bot.app import App
from bot.cli import main
from bot.commands.recall import (
    NOBODY,
    WHICH_KIND_COUNTS,
    change_lines,
    entry_json,
    recall_lines,
    send_corrections,
    write_list,
)
from bot.corpus.changes import ChangeKind, PassageChange, PassageText
from bot.corpus.post import Post
from bot.domain import Passage
from bot.journal import Journal, Reply
from bot.journal.corrections import LONGEST_WAIT_SECONDS, Approval, Corrections
from bot.journal.tables import outcome
from bot.staff.outdated_answers import HoldReason, OutdatedReason
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
    assert (entry.conversation_id, entry.why, entry.held) == (mine, OutdatedReason.CORRECTED, None)
    assert [t.text for t in entry.told] == [old.text]
    assert app.outbound.check(entry.text).allowed
    assert list(recall_of(app, journal, ChangeKind.WORDING).find()) == []


@pytest.mark.parametrize("kind", [None, ChangeKind.CORRECTION, ChangeKind.ADDITION])
def test_recall_of_a_new_passage_reaches_who_asked_for_it_whatever_a_person_calls_it(
    app: App, tmp_path: Path, kind: ChangeKind | None
) -> None:
    time = Time()
    with closing(Journal(f"sqlite:///{tmp_path}/j.sqlite3", clock=time)) as journal:
        other = next(p for p in app.knowledge.post.passages if p.id != RESETS)
        journal.corrections.record_passages([other])
        told(journal, other, "ana")
        time.forward(60)
        journal.corrections.record_passages([other, app.knowledge.passages[RESETS]])
        (entry,) = recall_of(app, journal, kind).find()
        assert (entry.why, [p.id for p in entry.now]) == (OutdatedReason.NEW, [RESETS])
        assert list(recall_of(app, journal, ChangeKind.WORDING).find()) == []


def test_recall_reaches_who_was_told_what_a_new_passage_overtakes_whatever_is_best_today(
    app: App, tmp_path: Path
) -> None:
    time = Time()
    pair = app.knowledge.notes.quote_together[0]
    overtaken, new = (app.knowledge.passages[i] for i in (pair.passage, pair.together))
    with closing(Journal(f"sqlite:///{tmp_path}/j.sqlite3", clock=time)) as journal:
        journal.corrections.record_passages([overtaken])
        mine = told(journal, overtaken, "ana")  # asked something that `new` does not answer
        told(journal, app.knowledge.passages[RESETS], "bob")
        time.forward(60)
        journal.corrections.record_passages([overtaken, new])
        (entry,) = recall_of(app, journal).find()
        assert (entry.conversation_id, entry.why) == (mine, OutdatedReason.NEW)
        assert new in entry.now


def test_a_change_is_shown_from_where_the_texts_part(app: App) -> None:
    now = app.knowledge.passages[RESETS]
    long = replace(now, text=f"{now.text} {'And so on. ' * 40}The last word is new.")
    before = PassageText(
        id=RESETS, version="a", heading="Resets?", text=long.text.replace("new.", "old.")
    )
    shown = list(
        change_lines(PassageChange(id=RESETS, kind=ChangeKind.CORRECTION, before=before, now=long))
    )
    assert shown[1:3] == ["    heading before: Resets?", f"    heading now:    {now.heading}"]
    assert shown[3].endswith("The last word is old.")
    assert shown[4].endswith("The last word is new.")


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
    assert {e.held for e in recall_of(app, journal).find()} == {HoldReason.DONE}


def test_recall_corrects_nobody_twice_when_something_else_is_edited(
    app: App, journal: Journal
) -> None:
    """Any edit of the folder makes another version of the knowledge."""
    old = earlier(app)
    journal.corrections.record_passages([old])
    told(journal, old, "ana")
    recall = recall_of(app, journal)
    assert recall.send(list(recall.find()), actor="eve", per_minute=60) == 1
    edited = recall_of(app, journal)
    edited.knowledge = replace(app.knowledge, version="edited")
    assert [e.held for e in edited.find()] == [HoldReason.DONE]
    assert edited.send(list(edited.find()), actor="eve", per_minute=60) == 0
    corrected_again = replace(app.knowledge.passages[RESETS], version="third")
    edited.knowledge = replace(
        app.knowledge, post=replace_passage(app, corrected_again), version="third"
    )
    assert [e.held for e in edited.find()] == [None]


def replace_passage(app: App, passage: Passage) -> Post:
    """The post with another text of this passage."""
    post = app.knowledge.post
    return replace(
        post, passages=tuple(passage if p.id == passage.id else p for p in post.passages)
    )


def test_recall_writes_to_nobody_who_was_erased_or_opted_out_and_says_why(
    app: App, journal: Journal
) -> None:
    old = earlier(app)
    journal.corrections.record_passages([old])
    for name in ("ana", "bob", "eve", "joe"):
        told(journal, old, name)
    assert journal.opt_outs.add("bob+tag@example.org", actor="slack:U1")
    with journal.engine.begin() as db:
        db.exec_driver_sql("UPDATE outbox SET recipient=''")
        db.exec_driver_sql("UPDATE outbox SET recipient='bob@example.org' WHERE id=2")
        db.exec_driver_sql("UPDATE outbox SET recipient='joe@example.org' WHERE id=4")
        db.exec_driver_sql("UPDATE message SET text='', sender='', erased_at='now' WHERE id=1")
    entries = list(recall_of(app, journal).find())
    assert [e.held for e in entries] == [
        HoldReason.ERASED,
        HoldReason.OPTED_OUT,
        HoldReason.FORGOTTEN,
        None,
    ]
    assert recall_of(app, journal).send(entries, actor="eve", per_minute=60) == 1
    assert journal.opt_outs.add("joe@example.org", actor="eve")  # before it has left
    assert journal.mail_outbox.list_due() == []
    assert not journal.opt_outs.add("joe@example.org", actor="eve")
    assert journal.opt_outs.remove("joe@example.org")
    last = list(recall_of(app, journal).find())[-1]
    assert (last.recipient, last.held) == ("joe@example.org", None)


def test_recall_keeps_the_owners_rate_over_several_batches_and_stores_no_more_than_fit(
    app: App, journal: Journal
) -> None:
    old = earlier(app)
    journal.corrections.record_passages([old])
    told(journal, old, "ana")
    (entry,) = recall_of(app, journal).find()
    clock, fits = journal.clock, int(LONGEST_WAIT_SECONDS / 60) + 1
    assert isinstance(clock, Time)
    many = [replace(entry, conversation_id=100 + n) for n in range(fits + 20)]
    approval = Approval(actor="eve", knowledge="k", per_minute=1)
    mails = [(e.correction, reply(n)) for n, e in enumerate(many)]
    assert journal.corrections.enqueue(mails[:2], approval=approval) == 2
    assert journal.corrections.enqueue(mails[2:4], approval=approval) == 2
    sent = []
    for _ in range(5):
        sent.append(len(journal.mail_outbox.list_due()))
        clock.forward(60)
    assert sent == [1, 2, 3, 4, 4]
    assert journal.corrections.enqueue(mails[4:], approval=approval) == fits
    assert not journal.corrections.has_room(1)
    assert len(journal.mail_outbox.list_due()) == 5
    clock.forward(3600)
    assert journal.corrections.has_room(1)
    assert journal.corrections.enqueue(mails, approval=approval) == 20 - 4


def reply(number: int) -> Reply:
    return Reply(recipient="a@b.example", message_id=f"<m{number}@d>", body=b"Subject: x\n\nx")


def test_an_opt_out_is_noted_and_undone_from_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments, code, says in (
        ([], 0, "what they ask is still answered"), ([], 0, "noted before"), (["--undo"], 0, "again"),
        (["--undo"], 0, "had not opted out"),
    ):  # fmt: skip
        assert main(["opt-out", "Ana@example.org", *arguments]) == code
        assert says in capsys.readouterr().out
    assert main(["opt-out", "ana"]) == 2
    assert "no e-mail address" in capsys.readouterr().err


def test_recall_writes_its_list_so_that_no_cell_is_a_formula(
    app: App, journal: Journal, tmp_path: Path
) -> None:
    old = earlier(app)
    journal.corrections.record_passages([old])
    told(journal, old, "=cmd")
    rows = [entry_json(entry) for entry in recall_of(app, journal).find()]
    write_list(rows, tmp_path / "list.csv")
    write_list(rows, tmp_path / "list.jsonl")
    table = (tmp_path / "list.csv").read_text(encoding="utf-8")
    assert "'=cmd@example.org" in table
    assert table.endswith(",\n"), "an empty cell stays empty"
    (line,) = (tmp_path / "list.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["why"] == "corrected"


def test_recall_keeps_what_a_person_said_of_a_change_where_no_mail_waits(
    app: App, journal: Journal
) -> None:
    for kind in (ChangeKind.WORDING, ChangeKind.ADDITION):
        old = earlier(app, f"before it was a mere {kind}")
        journal.corrections.record_passages([replace(old, version=kind)])
        recall = recall_of(app, journal, kind)
        done = send_corrections(recall, [], actor="eve", per_minute=60, confirm=lambda _: True)
        assert "is kept" in done
        assert set(journal.corrections.list_kinds().values()) == {kind}
    nothing = send_corrections(
        recall_of(app, journal), [], actor="eve", per_minute=60, confirm=lambda _: True
    )
    assert nothing == "no correction waits to be sent"


def test_recall_lists_no_passage_as_new_that_was_there_when_the_desk_first_ran(
    app: App, journal: Journal
) -> None:
    class Running(Time):
        """A clock that moves whenever it is read."""

        @override
        def __call__(self) -> datetime:
            self.forward(0.001)
            return self.now

    corrections = Corrections(journal.engine, Running())
    corrections.record_passages(app.knowledge.post.passages)
    assert list(recall_lines(recall_of(app, journal), [])) == [NOBODY]
    corrections.record_passages([earlier(app)])
    lines = list(recall_lines(recall_of(app, journal), []))
    assert [line for line in lines if RESETS in line] == [f"correction {RESETS}"]
    assert WHICH_KIND_COUNTS in lines
    assert not any("--send" in line for line in lines if line != WHICH_KIND_COUNTS)


def test_a_recall_with_nothing_changed_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["knowledge", "recall"]) == 0
    assert "nobody was told anything that no longer holds" in capsys.readouterr().out
    assert main(["knowledge", "recall", "--wording", "no-such-passage"]) == 2
    assert "is no passage" in capsys.readouterr().err
    assert main(["knowledge", "diff", str(KNOWLEDGE), str(KNOWLEDGE)]) == 0
    assert "no passage changed" in capsys.readouterr().out


def test_recall_tells_one_of_two_passages_that_say_the_same_and_counts_both_as_told(
    app: App, journal: Journal
) -> None:
    group = app.knowledge.notes.quote_one_of[0].passages
    first, second = (app.knowledge.passages[each] for each in group)
    for each in (first, second):
        old = replace(each, text=f"Before: {each.text}", version="earlier")
        journal.corrections.record_passages([old])
    both = replace(first, version="earlier"), replace(second, version="earlier")
    told(journal, both[0], "ana")
    journal_told_too(journal, both[1])
    recall = recall_of(app, journal)
    (entry,) = recall.find()
    assert len(entry.now) == 1
    assert recall.send([entry], actor="eve", per_minute=60) == 1
    assert [e.held for e in recall_of(app, journal).find()] == [HoldReason.DONE]


def journal_told_too(journal: Journal, passage: Passage) -> None:
    """The only answer of the journal quotes this passage too."""
    with journal.engine.begin() as db:
        found = db.execute(sql.select(outcome.c.passages)).scalar_one()
        quoted = [*json.loads(found), [passage.id, passage.version]]
        db.execute(outcome.update().values(passages=json.dumps(quoted)))
