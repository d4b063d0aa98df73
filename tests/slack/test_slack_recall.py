"""A change of the post becomes corrections in Slack: its kind, the list, one click, each mail once."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot.app import App
from bot.channels.slack.views.recall_views import FIELD, kinds_of, render_change, show_list
from bot.corpus.changes import ChangeKind, PassageChange, PassageText
from bot.journal import Journal
from bot.staff.recall_batches import RecallBatch
from tests.servers.slack_limits import limits, texts, view_limits
from tests.servers.slack_side import ALICE, BOB, EVE, SlackSide
from tests.support.desk_messages import received
from tests.support.slack_stand import Stand, standing
from tests.support.told import OLD_TEXT, RESETS, earlier, recall_of, told

NAMES = ("ana", "bob", "eve")


@contextmanager
def changed(app: App, tmp_path: Path, side: SlackSide, *names: str) -> Iterator[Stand]:
    """A desk that starts on a post which said something else when these people were told."""
    with closing(Journal(f"sqlite:///{tmp_path}/d.sqlite3")) as journal:
        old = earlier(app)
        journal.corrections.record_passages([old])
        for name in names:
            told(journal, old, name)
    with standing(app, tmp_path, side, "http") as made:
        yield made


def click(stand: Stand, user: str, action: str) -> str:
    """Click the button of this name, once it is there; its value."""
    stand.until(lambda: stand.button_values(action))
    (value,) = stand.button_values(action)
    stand.side.click(user, action, value)
    return value


def test_recall_asks_for_the_kind_of_a_change_and_sends_what_a_person_approves_once(
    app: App, tmp_path: Path, side: SlackSide
) -> None:
    with changed(app, tmp_path, side, *NAMES) as stand:
        stand.until(lambda: stand.shows(OLD_TEXT))
        assert not stand.button_values("recall_send")  # nobody has said what the change means
        stand.says(
            EVE, "change_correction", stand.button_values("change_correction")[0], "staff list"
        )
        click(stand, ALICE, "change_correction")
        stand.until(lambda: stand.shows(f"<@{ALICE}> says: *Correction*"))
        stand.until(lambda: stand.shows("Send 3 corrections"))
        assert not any("@example.org" in text for c in side.cards() for text in texts(c["blocks"]))
        assert stand.out.sent == []
        stand.says(EVE, "recall_send", stand.button_values("recall_send")[0], "staff list")
        key = click(stand, BOB, "recall_send")
        stand.until(lambda: stand.shows(f"<@{BOB}> has sent *3 corrections*"))
        stand.says(ALICE, "recall_send", key, "has approved this list already")
        stand.until(lambda: delivered(stand) == len(NAMES))
        assert sorted(to for to, _ in stand.out.sent) == [f"{n}@example.org" for n in NAMES]
        kinds = stand.desk.journal.corrections.list_kinds()
        assert [*kinds.values()] == [ChangeKind.CORRECTION]
        told_by = {entry.approved_by for entry in stand.desk.journal.ledger.entries()}
        assert f"slack:{BOB}" in told_by


def delivered(stand: Stand) -> int:
    """Deliver what is due, and count what was delivered so far: one mail is due each second."""
    stand.desk.deliver()
    return len(stand.out.sent)


def test_recall_shows_the_whole_list_in_a_window_and_takes_no_old_list(
    app: App, tmp_path: Path, side: SlackSide
) -> None:
    with changed(app, tmp_path, side, *NAMES) as stand:
        click(stand, ALICE, "change_correction")
        before = len(side.views)
        key = click(stand, ALICE, "recall_show")
        stand.until(lambda: len(side.views) > before)
        assert json.dumps(side.views[-1], ensure_ascii=False).count("•••@") == len(NAMES)
        stand.desk.journal.opt_outs.add("eve@example.org", actor="t")
        click(stand, ALICE, "recall_look")
        stand.until(lambda: stand.shows("Send 2 corrections"))
        stand.until(lambda: stand.shows("A newer list has taken the place"))
        assert stand.shows("Not told: 1, because they want no mail that they did not ask for")
        stand.says(ALICE, "recall_send", key, "no longer the newest")
        assert stand.desk.journal.correction_batches.list_approved() == []


def test_recall_leaves_a_mere_wording_alone_and_says_so(
    app: App, tmp_path: Path, side: SlackSide
) -> None:
    with changed(app, tmp_path, side, "ana") as stand:
        click(stand, ALICE, "change_wording")
        stand.until(lambda: stand.shows("Nobody has to be written to"))
        assert not stand.button_values("recall_send")


def test_recall_gives_an_open_case_a_note_on_its_card_instead_of_a_mail(
    app: App, tmp_path: Path, side: SlackSide
) -> None:
    with changed(app, tmp_path, side, "ana") as stand:
        journal = stand.desk.journal
        again = received("please call me", "ana2", sender="ana@example.org")
        stored = journal.receive(replace(again, thread_key="mail:ana"))
        assert stored
        journal.mark_failed(stored, "x")
        click(stand, ALICE, "change_correction")
        click(stand, ALICE, "recall_send")
        stand.until(lambda: stand.shows("The post has changed since we wrote to them"))
        assert stand.desk.deliver() == 0
        assert stand.out.sent == []


@pytest.mark.parametrize("length", [10, FIELD, 40_000])
def test_recall_cards_hold_slacks_limits_and_show_where_texts_part(app: App, length: int) -> None:
    now = app.knowledge.passages[RESETS]
    text = ("a <b> & " * length)[:length]
    before = PassageText(id=RESETS, version="1", heading="x" * 400, text=f"{text}old words")
    for change in (
        PassageChange(id=RESETS, kind=ChangeKind.CORRECTION, before=before, now=now),
        PassageChange(id=RESETS, kind=ChangeKind.GONE, before=before, now=None),
        PassageChange(id=RESETS, kind=ChangeKind.NEW, before=None, now=now),
    ):
        for actor in ("", f"slack:{ALICE}"):
            assert limits(render_change(change, actor).blocks) == ""
        assert change.kind in kinds_of(change)


def test_recall_lists_of_thousands_are_pages_within_slacks_limits(app: App, tmp_path: Path) -> None:
    with closing(Journal(f"sqlite:///{tmp_path}/d.sqlite3")) as journal:
        old = earlier(app)
        journal.corrections.record_passages([old])
        told(journal, old, "ana")
        (entry,) = recall_of(app, journal).find()
    batch = RecallBatch(entries=(entry,) * 4_001)
    for page in (0, 100, 10_000):
        assert view_limits(show_list(batch, page)) == ""
