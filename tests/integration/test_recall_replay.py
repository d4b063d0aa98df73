"""Replays December 19: the post was clarified, and everyone told otherwise before is found."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.app import App
from bot.channels.mail.compose import Composer
from bot.corpus.changes import ChangeKind
from bot.desk import Desk
from bot.journal import Journal
from bot.outbound import text_of
from bot.settings import Settings
from bot.staff.outdated_answers import HoldReason, Recall
from evals.measuring.schema import Case, read_cases
from tests.conftest import KNOWLEDGE, home_of
from tests.support.desk_messages import handle, received
from tests.support.fakes import ListOut, Time

CLARIFIED = "introduction-december-19-2025-clarification-updating"
EXTENDED = "introduction-incident-occurred-within-mixpanel-systems"
COMPOSE = Composer("incident@desk.example").reply
ADDED = (
    " It also affected a limited number of ChatGPT users who submitted help center tickets or were "
    "logged into platform.openai.com."
)
MESSAGES = 200
# Of about 30 answers that the clarification belongs to and 110 on other subjects, with the spread of
# a fresh fit.
WRONGLY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A journal that was filled under the earlier post, and what each conversation asked."""

    journal: Journal
    asked: dict[int, Case]


def earlier_knowledge(folder: Path) -> Path:
    """The knowledge as it was before the clarification and the sentence that it added."""
    shutil.copytree(KNOWLEDGE, folder)
    post = folder / "incident-post.md"
    head, _, rest = post.read_text(encoding="utf-8").partition("**_December 19")
    after = rest.split("\n", 1)[1]
    assert ADDED in after
    post.write_text(head + after.replace(ADDED, ""), encoding="utf-8")
    return folder


def varied(cases: list[Case]) -> Iterator[Case]:
    """Every message about ChatGPT users, and others of every subject behind them."""
    single = [c for c in cases if c.kind == "answerable" and not c.asks_several]
    about = [c for c in single if CLARIFIED in c.gold[0]]
    others = [c for c in single if c not in about]
    yield from about
    yield from others[:: max(1, len(others) // (MESSAGES - len(about)))]


def replay_of(root: Path, app: App) -> Replay:
    """Learn the earlier knowledge in `root`, a folder of its own, and answer MESSAGES by it."""
    folder = earlier_knowledge(root / "knowledge")
    before = App(Settings(home=home_of(root / "home", index=False), knowledge=folder))
    clock = Time()
    journal = Journal(f"sqlite:///{root}/d.sqlite3", clock=clock)
    journal.corrections.record_passages(before.knowledge.post.passages)
    clock.forward(60)
    desk = Desk(
        knowledge=before.knowledge, responder=before.responder, journal=journal,
        outbound=before.outbound, compose=COMPOSE, out=ListOut(),
    )  # fmt: skip
    asked: dict[int, Case] = {}
    for number, case in enumerate(list(varied([p.case for p in read_cases()]))[:MESSAGES]):
        stored = handle(desk, received(case.text, f"k{number}", sender=f"u{number}@example.org"))
        asked[journal.list_conversations([stored])[0]] = case
    clock.forward(86_400)
    journal.corrections.record_passages(app.knowledge.post.passages)
    return Replay(journal=journal, asked=asked)


def recall_of(app: App, journal: Journal) -> Recall:
    shipped = app.recall({})
    return Recall(
        knowledge=app.knowledge, journal=journal, responder=app.responder, outbound=app.outbound,
        compose=COMPOSE, rank_units=shipped.rank_units,
    )  # fmt: skip


@pytest.mark.no_cover
def test_who_was_told_otherwise_before_december_19_is_found_and_corrected_once(
    app: App, tmp_path: Path
) -> None:
    """One test, because a desk learns all of the earlier knowledge for it."""
    replay = replay_of(tmp_path / "earlier", app)
    names_what_changed(replay, app)
    finds_who_asked_about_chatgpt_users_and_nobody_else(replay, app)
    corrects_each_conversation_once(replay, app)


def names_what_changed(replay: Replay, app: App) -> None:
    kinds = {change.id: change.kind for change in recall_of(app, replay.journal).changes}
    assert kinds == {EXTENDED: ChangeKind.ADDITION, CLARIFIED: ChangeKind.NEW}


def finds_who_asked_about_chatgpt_users_and_nobody_else(replay: Replay, app: App) -> None:
    answers = list(replay.journal.corrections.list_sent_answers())
    answered = {a.conversation_id for a in answers if any(q.quoted for q in a.questions)}
    about = {i for i in answered if CLARIFIED in replay.asked[i].gold[0]}
    # Who was told "we are in the process of notifying" was told what the clarification overtakes.
    overtaken = {
        a.conversation_id for a in answers for q in a.questions
        if CLARIFIED in app.knowledge.companions([passage for passage, _ in q.quoted])
    }  # fmt: skip
    about |= overtaken
    listed = {each.conversation_id for each in recall_of(app, replay.journal).find()}
    assert len(answered) > 100
    assert len(about) > 20
    assert len(listed - about) <= WRONGLY
    assert about - listed == set()


def corrects_each_conversation_once(replay: Replay, app: App) -> None:
    recall, out = recall_of(app, replay.journal), ListOut()
    entries = list(recall.find())
    ready = [each for each in entries if each.held is None]
    assert recall.send(entries, actor="eve", per_minute=60) == len(ready)
    assert recall.send(entries, actor="eve", per_minute=60) == 0
    assert {e.held for e in recall_of(app, replay.journal).find()} <= {
        HoldReason.DONE,
        HoldReason.OPEN_CASE,
    }
    desk = Desk(
        knowledge=app.knowledge, responder=app.responder, journal=replay.journal,
        outbound=app.outbound, compose=COMPOSE, out=out,
    )  # fmt: skip
    desk.deliver()
    assert len(out.sent) == 1  # the others are due one a second
    clock = replay.journal.clock
    assert isinstance(clock, Time)
    clock.forward(600)
    desk.deliver()
    desk.deliver()
    assert sorted(to for to, _ in out.sent) == sorted(each.recipient for each in ready)
    sent = text_of(out.sent[0][1])
    assert app.knowledge.templates["en"].correction_lead in sent
    assert "ChatGPT users" in sent
