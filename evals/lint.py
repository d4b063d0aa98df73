"""`python -m evals lint`: near-duplicates, cases copied into knowledge, contrasts, canaries."""

import argparse
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bot.corpus import Knowledge, Wording
from evals.measuring.grade import occurs
from evals.measuring.schema import (
    CANARY,
    CASES,
    HELD_OUT,
    TRAINING,
    Case,
    check_passages,
    read_cases,
)

LIKE = 0.9
FEW_NEAR = 5
Words = frozenset[str]


def lint(argv: Sequence[str], load: Callable[[], Knowledge] | None = None) -> int:
    """0 nothing to say, 1 something to look at; an unusable file is raised."""
    parser = argparse.ArgumentParser(
        prog="python -m evals lint", description="Check cases and question knowledge."
    )
    parser.add_argument("--cases", type=Path, default=CASES)
    told = parser.parse_args(argv)
    knowledge = (load or _knowledge)()
    beside = told.cases.with_name(TRAINING.name)
    folders = [told.cases, *([beside] if beside.is_dir() else [])]
    placed = [p for folder in folders for p in read_cases(folder)]
    check_passages(placed, frozenset(knowledge.passages))
    cases = [p.case for p in placed]
    found = [
        *canaries(folders, knowledge.folder),
        *duplicates(cases),
        *copied(cases, knowledge.wordings),
        *vital(cases, knowledge),
        *without_contrasts(knowledge.wordings),
    ]
    for line in found:
        print(line)
    print(f"{len(found)} remarks on {len(cases)} cases and {len(knowledge.wordings)} wordings")
    return 1 if found else 0


def canaries(folders: Sequence[Path], knowledge: Path) -> Iterator[str]:
    """Every case file carries the canary, nothing of the knowledge does."""
    for path in (p for folder in folders for p in sorted(folder.glob("*.yaml"))):
        if CANARY not in path.read_text(encoding="utf-8")[:2000]:
            yield f"{path}:1: the canary line is missing: canary {CANARY}"
    for path in sorted(knowledge.rglob("*.yaml")):
        if CANARY in path.read_text(encoding="utf-8"):
            yield f"{path}: eval data was copied into the knowledge"


def duplicates(cases: Sequence[Case]) -> Iterator[str]:
    """The same words twice, and nearly the same words in two splits."""
    seen: dict[Words, Case] = {}
    for case in cases:
        words = normal(case.text)
        other = seen.setdefault(words, case)
        if other is not case and _flat(other.text) == _flat(case.text) and not case.turns:
            yield f"{case.id}: the same text as {other.id}"
    for case, other, score in across(cases):
        yield f"{case.id} ({case.split}) is like {other.id} (fit): {score:.2f}"


def across(cases: Sequence[Case]) -> Iterator[tuple[Case, Case, float]]:
    """Held-out cases with the fit case that is too much like them."""
    fit = [(normal(c.text), c) for c in cases if c.split == "fit"]
    places: Mapping[str, list[int]] = _by_word([words for words, _ in fit])
    for case in cases:
        if case.split not in HELD_OUT:
            continue
        words = normal(case.text)
        shared = _rarest(words, places)
        scored = [(likeness(words, fit[i][0]), i) for i in sorted(shared)]
        best = max(scored, default=(0.0, 0))
        if best[0] >= LIKE:
            yield case, fit[best[1]][1], best[0]


def copied(cases: Sequence[Case], wordings: Sequence[Wording]) -> Iterator[str]:
    """A held-out message that is a wording of the knowledge proves nothing."""
    known = {_flat(w.text): w.label for w in wordings}
    for case in cases:
        if case.split in HELD_OUT and (label := known.get(_flat(case.text))):
            yield f"{case.id} ({case.split}) is a wording of {label} in knowledge/questions"


def vital(cases: Sequence[Case], knowledge: Knowledge) -> Iterator[str]:
    """A vital fact that no gold passage states: the label is wrong or the post has changed."""
    for case in cases:
        told = " ".join(knowledge.passages[i].text for group in case.gold for i in group)
        for fact in case.vital:
            if not occurs(fact, told):
                yield f"{case.id}: no gold passage states {fact!r}"


def without_contrasts(wordings: Sequence[Wording]) -> Iterator[str]:
    """An intent is told apart only by the near questions that it does not answer."""
    near: dict[str, int] = defaultdict(int)
    for w in wordings:
        if w.kind == "near":
            near[w.label.removeprefix("near:")] += 1
    for intent in dict.fromkeys(w.label for w in wordings if w.answers):
        if near[intent] == 0:
            yield f"knowledge/questions: intent {intent} has no near question"
        elif near[intent] < FEW_NEAR:
            yield f"knowledge/questions: intent {intent} has only {near[intent]} near questions"


def normal(text: str) -> Words:
    """The words that matter for likeness; scripts without spaces go by pairs of characters."""
    flat = _flat(text)
    words = flat.split()
    long = [w for w in words if not w.isascii() and len(w) > 6]
    return frozenset([*words, *(w[i : i + 2] for w in long for i in range(len(w) - 1))])


def likeness(one: Words, other: Words) -> float:
    """Jaccard: shared words of all words."""
    return len(one & other) / len(one | other) if one or other else 0.0


def _flat(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).lower()
    kept = "".join(c if c.isalnum() else " " for c in plain)
    return " ".join(kept.split())


def _by_word(sets: Sequence[Words]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, words in enumerate(sets):
        for word in words:
            places[word].append(place)
    return places


def _rarest(words: Words, places: Mapping[str, list[int]]) -> set[int]:
    """Two sets that share nine tenths share one of any few words; the rarest are cheapest."""
    few = sorted(words, key=lambda w: (len(places.get(w, [])), w))[: 1 + len(words) // 9]
    return {i for w in few for i in places.get(w, [])}


def _knowledge() -> Knowledge:
    from bot.corpus import load
    from bot.settings import read_settings

    return load(read_settings().knowledge)
