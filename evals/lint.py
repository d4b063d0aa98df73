"""Implements `lint`: finds held-out cases that are in the knowledge, and missing near questions."""

import argparse
import math
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.corpus import Knowledge, Wording
from bot.corpus.messages import LabelledMessage
from bot.corpus.translations import missing, outdated
from evals.measuring.grade import occurs
from evals.measuring.schema import CANARY, CASES, Case, check_passages, read_cases

# Share of common words from which a held-out and a learned message count as the same question. Of
# the pairs in the shipped data, nearly all above it differ by a word that does not matter.
LIKE = 0.8
FEW_NEAR = 5  # an intent with fewer near questions is separated badly from others
Words = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedText:
    """A text that the desk learns from; `place` names its entry in knowledge/."""

    text: str
    place: str


def lint(argv: Sequence[str], load: Callable[[], Knowledge] | None = None) -> int:
    """Print all remarks; return 0 for none, else 1. InputError for a file that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m evals lint", description="Check cases and question knowledge."
    )
    parser.add_argument("--cases", type=Path, default=CASES)
    arguments = parser.parse_args(argv)
    knowledge = (load or _knowledge)()
    placed = read_cases(arguments.cases)
    check_passages(placed, frozenset(knowledge.passages))
    cases = [p.case for p in placed]
    remarks = [
        *canaries(arguments.cases, knowledge.folder),
        *duplicates(cases),
        *learned_cases(cases, list(learned_texts(knowledge))),
        *vital(cases, knowledge),
        *without_contrasts(knowledge.wordings),
        *outdated(knowledge.stated_translations, knowledge.passages),
    ]
    offered = {passage.id: passage for passage in knowledge.offered}
    for line in missing(knowledge.stated_translations, offered):
        print(f"to do: {line}")
    for line in remarks:
        print(line)
    print(f"{len(remarks)} remarks on {len(cases)} cases and {len(knowledge.wordings)} wordings")
    return 1 if remarks else 0


def canaries(cases: Path, knowledge: Path) -> Iterator[str]:
    """Yield a line for each case file without the canary, and each knowledge file with it."""
    for path in sorted(cases.glob("*.yaml")):
        if CANARY not in path.read_text(encoding="utf-8")[:2000]:
            yield f"{path}:1: the canary line is missing: canary {CANARY}"
    for path in sorted(knowledge.rglob("*.yaml")):
        if CANARY in path.read_text(encoding="utf-8"):
            yield f"{path}: eval data was copied into the knowledge"


def duplicates(cases: Sequence[Case]) -> Iterator[str]:
    """Yield a line for each case with the same text as an earlier one."""
    seen: dict[str, Case] = {}
    for case in cases:
        other = seen.setdefault(_flat(case.text), case)
        if other is not case and not case.turns:
            yield f"{case.id}: the same text as {other.id}"


def learned_texts(knowledge: Knowledge) -> Iterator[LearnedText]:
    """Yield all that the desk learns from: wordings, messages, exercises and their questions."""
    for wording in knowledge.wordings:
        yield LearnedText(text=wording.text, place=f"wording of {wording.label}")
    for message in (*knowledge.messages, *knowledge.exercises):
        yield from _texts_of(message)


def learned_cases(cases: Sequence[Case], learned: Sequence[LearnedText]) -> Iterator[str]:
    """Yield a line for each held-out case that is in the knowledge, verbatim or nearly.

    Such a case proves nothing. Guard cases measure nothing and may be there.
    """
    texts = {_flat(each.text): each for each in learned}
    words = [normal(each.text) for each in learned]
    places = _by_word(words)
    for case in cases:
        if case.split == "guard":
            continue
        if same := texts.get(_flat(case.text)):
            yield f"{case.id} ({case.split}) is {same.place} in the knowledge"
            continue
        mine = normal(case.text)
        scored = [(likeness(mine, words[i]), i) for i in sorted(_rarest(mine, places))]
        score, best = max(scored, default=(0.0, 0))
        if score >= LIKE:
            yield f"{case.id} ({case.split}) is like {learned[best].place}: {score:.2f}"


def vital(cases: Sequence[Case], knowledge: Knowledge) -> Iterator[str]:
    """Yield a line for each vital fact that neither a gold passage nor the secret notice states.

    Then the label is wrong or the post has changed. The notice that a secret was pasted counts,
    because it is part of a reply as well.
    """
    notice = knowledge.templates["en"].secret_found
    for case in cases:
        texts = " ".join([*(knowledge.passages[i].text for g in case.gold for i in g), notice])
        for fact in case.vital:
            if not occurs(fact, texts):
                yield f"{case.id}: no gold passage states {fact!r}"


def without_contrasts(wordings: Sequence[Wording]) -> Iterator[str]:
    """Yield a line for each intent with no or few near questions, which mark its limits."""
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
    """Return the words by which texts are compared; long non-ASCII words add character pairs.

    The pairs make texts comparable in scripts that write no spaces.
    """
    flat = _flat(text)
    words = flat.split()
    long = [w for w in words if not w.isascii() and len(w) > 6]
    return frozenset([*words, *(w[i : i + 2] for w in long for i in range(len(w) - 1))])


def likeness(one: Words, other: Words) -> float:
    """Return the Jaccard similarity of two sets of words, from 0 to 1; 0 for empty ones."""
    return len(one & other) / len(one | other) if one or other else 0.0


def _texts_of(message: LabelledMessage) -> Iterator[LearnedText]:
    for text in (message.text, *(question.text for question in message.questions)):
        yield LearnedText(text=text, place=f"message {message.id}")


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
    """Return the places of sets that may reach LIKE: they share one of the rarest `words`.

    A set may lack `missing` of the words, so it shares one of any `missing` + 1 of them.
    """
    missing = math.ceil(len(words) * (1 - LIKE))  # that the other may lack
    few = sorted(words, key=lambda w: (len(places.get(w, [])), w))[: 1 + missing]
    return {i for w in few for i in places.get(w, [])}


def _knowledge() -> Knowledge:
    from bot.corpus import load
    from bot.settings import read_settings

    return load(read_settings().knowledge)
