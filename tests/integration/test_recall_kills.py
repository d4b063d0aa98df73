"""SIGKILL at each step between the approval of corrections and their delivery: none twice, none missed."""

import json
import mailbox
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.app import App
from bot.desk import Checkpoint
from bot.journal import Journal, OutboxState
from bot.journal.records import BatchState
from bot.staff.recall_batches import RecallBatches, RecallStep
from tests.support.recall_kills import INSERTING, PER_MINUTE
from tests.support.told import earlier, recall_of, told
from tests.support.waiting import SAFETY_NET_SECONDS

ROOT = Path(__file__).parents[2]
NAMES = ("ana", "bob")
DELIVERY = (Checkpoint.CLAIMING, Checkpoint.CLAIMED, Checkpoint.DELIVERED, Checkpoint.SENT)
STEPS = [
    *((step, 1) for step in RecallStep), (INSERTING, 1), (INSERTING, len(NAMES)),
    *((step, hit) for step in DELIVERY for hit in (1, len(NAMES))),
]  # fmt: skip
Order = Callable[..., int]


@pytest.fixture(scope="module")
def desks() -> Iterator[Order]:
    """Runs desks, one after the other, each in a process of its own; how each ended."""
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.support.recall_kills"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    give, take = parent.stdin, parent.stdout
    assert give
    assert take
    assert take.readline() == "ready\n"

    def run(**order: Any) -> int:
        give.write(json.dumps(order) + "\n")
        give.flush()
        return int(take.readline())

    yield run
    give.close()
    take.close()
    assert parent.wait(timeout=SAFETY_NET_SECONDS) == 0


def test_recall_sends_each_correction_once_over_a_kill_at_each_step(
    app: App, desks: Order, database_url: str, tmp_path: Path
) -> None:
    """One round after another on one database: in each, a fresh change of the post is corrected."""
    with closing(Journal(database_url)) as journal:
        for number, (step, hit) in enumerate(STEPS):
            home = tmp_path / str(number)
            names = [f"{name}{number}" for name in NAMES]
            key = approved(app, journal, names)
            order = {"url": database_url, "home": str(home)}
            assert desks(**order, step=step, hit=hit) == -signal.SIGKILL, (step, hit)
            assert desks(**order) == 0, (step, hit)
            sent = Counter(m["To"] for m in mailbox.Maildir(home / "sent", create=False))
            assert sent == Counter(f"{name}@example.org" for name in names), (step, hit)
            batch = journal.correction_batches.read(key)
            assert batch
            assert (batch.state, batch.stored) == (BatchState.STORED, len(NAMES)), (step, hit)
            assert journal.mail_outbox.count_by_state().keys() == {OutboxState.SENT}


def approved(app: App, journal: Journal, names: list[str]) -> str:
    """A batch that a person has approved, to people who were told something else; its key."""
    old = earlier(app)
    journal.corrections.record_passages([old])
    for name in names:
        told(journal, old, name)
    batches = RecallBatches(lambda: recall_of(app, journal), journal, per_minute=PER_MINUTE)
    batch, _ = batches.find_batch()
    assert len(batch.ready) == len(names)
    assert batches.approve(batch.key, actor="eve")
    return batch.key
