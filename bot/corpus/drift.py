"""Reports how the knowledge folder changed since the last index run, and what to do about it."""

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
    """The knowledge that a desk learned from: passage versions by id, and numbers of texts."""

    version: str  # of all that is learned
    passages: dict[str, str]
    wordings: int
    messages: int

    @staticmethod
    def of(knowledge: Knowledge) -> "Learned":
        """Return the present state of a knowledge folder."""
        return Learned(
            version=knowledge.question_version,
            passages={p.id: p.version for p in knowledge.every_passage},
            wordings=len(knowledge.stated_wordings),
            messages=len(knowledge.whole_messages),
        )

    def write(self, path: Path) -> None:
        """Write it to a file."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def read(path: Path) -> "Learned | None":
        """Return what a file holds; None where it is missing or of an earlier version."""
        try:
            return Learned(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def check_movement(knowledge: Knowledge, learned: Learned | None) -> HealthLine:
    """Report what was edited since the desk last learned, and what wordings and labels lack."""
    if learned is None:
        return HealthLine(name=NAME, good=True, says=f"nothing was learned yet; {LEARN}")
    moved = list(_moved(knowledge, learned))
    says = f"since the desk last learned: {', '.join(moved)}; {LEARN}" if moved else "nowhere"
    gaps = list(_gaps(knowledge))
    return HealthLine(name=NAME, good=True, says="; ".join([says, *gaps]))


def check_running(knowledge: Knowledge) -> HealthLine:
    """Report whether the files have changed since the running desk read them."""
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
    """Return the changes as texts such as `2 passages reworded`, `1 passage added`."""
    counts = {
        "reworded": sum(before[i] != now[i] for i in now if i in before),
        "added": len(now.keys() - before.keys()),
        "gone": len(before.keys() - now.keys()),
    }
    return [f"{_count(n, 'passage')} {what}" for what, n in counts.items() if n]


def _gaps(knowledge: Knowledge) -> Iterator[str]:
    """Yield which passages have no wording, and how many labelled messages name lost passages."""
    if not knowledge.stated_wordings:
        return  # nobody has written any wordings yet
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
