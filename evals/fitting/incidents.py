"""Reads the labelled incidents for learning: units of each post, questions with labels."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bot.answering.transfer import ANSWERABLE, UNANSWERABLE, Array, Embed, UnitIndex
from bot.corpus.post import Post, read_post
from bot.corpus.questions import Act
from bot.corpus.units import Unit, units_of
from evals.measuring.schema import Case

INCIDENTS = Path("evals/data/incidents")
# Authors whose incidents nothing is fitted to and nothing is chosen by.
HELD_OUT = ("g", "h", "i", "j", "k")
KINDS = {
    "answerable": ANSWERABLE,
    "false_premise": ANSWERABLE,
    "unanswerable": UNANSWERABLE,
    "demand": Act.REFUSE.value,
    "other_request": Act.REFUSE.value,
    "refuse": Act.REFUSE.value,
    "crisis": Act.ESCALATE.value,
    "escalate": Act.ESCALATE.value,
    "offtopic": Act.OFF_TOPIC.value,
    "chatter": Act.CHATTER.value,
}
LEAST = 12  # letters; a shorter unit stands in too many labels to be one


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentQuestion:
    """One labelled question; `gold` and `related` are places of units, or of passages."""

    text: str
    language: str
    kind: str
    pair: str
    gold: frozenset[int]
    related: frozenset[int]
    gold_passages: frozenset[int]
    related_passages: frozenset[int]

    @property
    def answerable(self) -> bool:
        return self.kind == ANSWERABLE and bool(self.gold_passages)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledIncident:
    """A post's units and its questions with their vectors, one row each."""

    name: str
    index: UnitIndex
    asked: tuple[IncidentQuestion, ...]
    vectors: Array

    @property
    def author(self) -> str:
        """The first letter of the folder's name."""
        return self.name[0]


def folders(*, held_out: bool) -> list[Path]:
    """The incidents to learn from, or those kept out of everything."""
    found = sorted(path for path in INCIDENTS.iterdir() if path.is_dir())
    return [path for path in found if (path.name[0] in HELD_OUT) is held_out]


def hash_incidents(paths: Sequence[Path]) -> str:
    """Twelve letters that change with any post or label."""
    digest = hashlib.sha256()
    for path in paths:
        for name in ("post.md", "questions.jsonl"):
            digest.update(f"{path.name}/{name}\n".encode() + (path / name).read_bytes())
    return digest.hexdigest()[:12]


def read_labelled_incident(folder: Path, encoder: str, embed: Embed) -> LabelledIncident:
    """The incident in `folder`; each part of a message with several questions counts alone."""
    post = read_post(folder / "post.md")
    units = units_of(post.passages)
    index = UnitIndex.of(units, title=post.title, encoder=encoder, embed=embed)
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for line in lines for row in _rows(json.loads(line))]
    asked = tuple(_asked(row, units, index) for row in rows)
    return _incident(folder.name, index, asked, embed)


def shipped_incident(
    post: Post, cases: Sequence[Case], encoder: str, embed: Embed
) -> LabelledIncident:
    """The cases of the shipped post as one more incident; their labels name passages alone."""
    units = units_of(post.passages)
    index = UnitIndex.of(units, title=post.title, encoder=encoder, embed=embed)
    return _incident("shipped", index, tuple(_case(case, index) for case in cases), embed)


def _incident(
    name: str, index: UnitIndex, asked: tuple[IncidentQuestion, ...], embed: Embed
) -> LabelledIncident:
    vectors = np.asarray(embed([each.text for each in asked]), dtype=np.float32)
    return LabelledIncident(name=name, index=index, asked=asked, vectors=vectors)


def _rows(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    parts = row.get("parts")
    if not parts:
        yield row
        return
    for part in parts:
        yield {**row, **part, "text": part["question"], "pair": ""}


def _asked(row: dict[str, Any], units: Sequence[Unit], index: UnitIndex) -> IncidentQuestion:
    gold, related = (_places(row[label], units) for label in ("gold", "related"))
    return IncidentQuestion(
        text=row["text"], language=row["lang"], kind=KINDS[row["kind"]], pair=row["pair"],
        gold=gold, related=related,
        gold_passages=frozenset(int(index.passage_of[i]) for i in gold),
        related_passages=frozenset(int(index.passage_of[i]) for i in related),
    )  # fmt: skip


def _case(case: Case, index: UnitIndex) -> IncidentQuestion:
    gold = {index.passages.index(p) for group in case.gold for p in group}
    related = {index.passages.index(p) for p in case.related}
    return IncidentQuestion(
        text=case.text, language=case.lang, kind=KINDS[case.kind.value], pair=case.pair,
        gold=_units_in(gold, index), related=_units_in(related, index),
        gold_passages=frozenset(gold), related_passages=frozenset(related),
    )  # fmt: skip


def _units_in(passages: set[int], index: UnitIndex) -> frozenset[int]:
    return frozenset(i for i, p in enumerate(index.passage_of.tolist()) if p in passages)


def _places(sentences: Sequence[str], units: Sequence[Unit]) -> frozenset[int]:
    """Units that hold one of the labelled sentences, or stand in one."""
    wanted = [_flat(sentence) for sentence in sentences]
    return frozenset(
        i
        for i, text in enumerate(_flat(unit.text) for unit in units)
        if any(w in text or (len(text) > LEAST and text in w) for w in wanted)
    )


def _flat(text: str) -> str:
    """A sentence without Markdown marks, links replaced by their text, white space folded."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[*_`#>]", "", text).split())
