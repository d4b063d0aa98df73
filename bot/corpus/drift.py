"""Says how far the knowledge has moved since the desk last learned from it, and what to do."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.corpus.knowledge import Knowledge, load
from bot.domain import HealthLine
from bot.errors import KnowledgeError

NAME = "moved"
LEARN = "run `incident-desk index`, which takes half a minute, and restart `incident-desk serve`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a desk learned from: the versions of passages by their ids, and numbers of texts."""

    version: str  # of all that is learned
    passages: dict[str, str]
    wordings: int
    messages: int

    @staticmethod
    def of(knowledge: Knowledge) -> "Learned":
        """The state of a knowledge folder."""
        return Learned(
            version=knowledge.question_version,
            passages={p.id: p.version for p in knowledge.every_passage},
            wordings=len(knowledge.stated_wordings),
            messages=len(knowledge.whole_messages),
        )

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def read(path: Path) -> "Learned | None":
        """What was kept; None where there is no such file, or one of an earlier version."""
        try:
            return Learned(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def check_movement(knowledge: Knowledge, learned: Learned | None) -> HealthLine:
    """What was edited since the desk learned, and what the labels do not cover."""
    if learned is None:
        return HealthLine(name=NAME, good=True, says=f"nothing was learned yet; {LEARN}")
    moved = list(_moved(knowledge, learned))
    says = f"since the desk last learned: {', '.join(moved)}; {LEARN}" if moved else "nowhere"
    gaps = list(_gaps(knowledge))
    return HealthLine(name=NAME, good=True, says="; ".join([says, *gaps]))


def check_running(knowledge: Knowledge) -> HealthLine:
    """Whether the files still say what the running desk read at its start."""
    try:
        now = load(knowledge.folder)
    except KnowledgeError as error:
        return HealthLine(
            name=NAME, good=False,
            says=f"the files cannot be read as they are now: {error}. The desk answers from what "
            "it read at its start",
        )  # fmt: skip
    if (now.version, now.question_version) == (knowledge.version, knowledge.question_version):
        return HealthLine(name=NAME, good=True, says="nowhere: the desk answers from the files")
    moved = _passages_moved(
        {p.id: p.version for p in knowledge.every_passage},
        {p.id: p.version for p in now.every_passage},
    )
    what = ", ".join(moved) or "wordings, notes or replies edited"
    return HealthLine(
        name=NAME,
        good=False,
        says=f"{what} since the desk started, which it does not use yet; {LEARN}",
    )


def _moved(knowledge: Knowledge, learned: Learned) -> Iterator[str]:
    if knowledge.question_version == learned.version:
        return
    now = Learned.of(knowledge)
    yield from _passages_moved(learned.passages, now.passages)
    for what, before, after in (
        ("wording", learned.wordings, now.wordings),
        ("labelled message", learned.messages, now.messages),
    ):
        if before != after:
            yield f"{_count(abs(after - before), what)} {'more' if after > before else 'fewer'}"


def _passages_moved(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """`2 passages reworded`, `1 passage added` and `1 passage gone`, where there are any."""
    counts = {
        "reworded": sum(before[i] != now[i] for i in now if i in before),
        "added": len(now.keys() - before.keys()),
        "gone": len(before.keys() - now.keys()),
    }
    return [f"{_count(n, 'passage')} {what}" for what, n in counts.items() if n]


def _gaps(knowledge: Knowledge) -> Iterator[str]:
    """What nobody has written for the passages that are there, or wrote for others."""
    if not knowledge.stated_wordings:
        return  # a first day: there is nothing yet that a passage could lack
    asked = {p for w in knowledge.stated_wordings if w.answers for p in w.passages}
    bare = [p.id for p in knowledge.offered if p.id not in asked]
    if bare:
        yield (
            f"no wording in knowledge/questions leads to {_count(len(bare), 'passage')} "
            f"({_few(bare)}): questions about them go to people more often; write some ways to ask"
        )
    lost = len(knowledge.stated_messages) - len(knowledge.whole_messages)
    if lost:
        yield (
            f"{_count(lost, 'labelled message')} of {len(knowledge.stated_messages)} name passages "
            "that have gone, and nothing is measured on them: `incident-desk index` lists where"
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _few(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
