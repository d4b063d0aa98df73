"""Implements `coverage`: lists passages that no case touches, and intents with few wordings."""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bot.corpus import Knowledge, Wording
from evals.lint import _knowledge
from evals.measuring.schema import CASES, Case, check_passages, read_cases

FEW_WORDINGS = 15
COMMON = 0.4  # share of intents from which a contrast counts as common


def coverage(argv: Sequence[str], load: Callable[[], Knowledge] | None = None) -> int:
    """Print what is not covered; return 0 when a test case expects every passage, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m evals coverage", description="What cases and knowledge do not cover."
    )
    parser.add_argument("--cases", type=Path, default=CASES)
    folder = parser.parse_args(argv).cases
    knowledge = (load or _knowledge)()
    placed = read_cases(folder)
    check_passages(placed, frozenset(knowledge.passages))
    cases = [p.case for p in placed]
    bare = list(untouched(cases, knowledge))
    lines = [*bare, *unanswered(knowledge), *thin(knowledge.wordings)]
    for line in lines:
        print(line)
    touched = len(knowledge.passages) - len(bare)
    print(f"{touched} of {len(knowledge.passages)} passages are gold of a test case")
    return 1 if bare else 0


def untouched(cases: Sequence[Case], knowledge: Knowledge) -> Iterator[str]:
    """Yield a line for each passage that may be quoted and is gold of no test case."""
    gold: Counter[str] = Counter()
    related: Counter[str] = Counter()
    for case in cases:
        if case.split == "test":
            gold.update({i for group in case.gold for i in group})
            related.update(case.related)
    never = knowledge.notes.replaced
    for name in knowledge.passages:
        if not gold[name] and name not in never:
            beside = f"; related of {related[name]}" if related[name] else ""
            yield f"passage {name}: gold of no test case{beside}"


def unanswered(knowledge: Knowledge) -> Iterator[str]:
    """Yield a line for each passage of no intent: only its own words can lead a question to it."""
    named = {p for w in knowledge.wordings if w.answers for p in w.passages}
    for name in knowledge.passages:
        if name not in named:
            yield f"passage {name}: answers no intent of knowledge/questions"


def thin(wordings: Sequence[Wording]) -> Iterator[str]:
    """Yield a line for each intent with few wordings, or without a contrast that is common."""
    asked = Counter(w.label for w in wordings if w.answers and w.language == "en")
    has: dict[str, set[str]] = {intent: set() for intent in asked}
    for w in wordings:
        if w.kind == "near":
            has.setdefault(w.label.removeprefix("near:"), set()).add(w.contrast)
    spread = Counter(c for contrasts in has.values() for c in contrasts)
    common = sorted(c for c, n in spread.items() if n >= COMMON * len(has))
    for intent, contrasts in has.items():
        if asked[intent] < FEW_WORDINGS:
            yield f"intent {intent}: only {asked[intent]} English wordings"
        if lacking := [c for c in common if c not in contrasts]:
            yield f"intent {intent}: no near question about {', '.join(lacking)}"
