"""Changes how messages are written but not what they ask, and counts how many keep their outcome.

A perturbation changes line breaks, the text around a message, or how carefully it is typed. A case
keeps its outcome when the decision on the message is the same and the same passages are quoted.
Only cases whose text a perturbation changes are counted.
"""

import random
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence

from evals.measuring.grade import DeskResult
from evals.measuring.measure import EvaluatedDesk, run_case
from evals.measuring.metrics import Rate
from evals.measuring.schema import Case
from evals.measuring.stats import SEED

WRAPPED_SAMPLE = 250  # cases for each width; about eighty take a second
SAMPLE = 80  # cases for each other perturbation
SLIP_EVERY = 12  # words with one slip among them
MARKS = re.compile(r"(?<=\S)[.?!,;:。？！、؟،।](?=\s|$)")
LONG_WORD = re.compile(r"[^\W\d_]{6,}")

SIGNATURE = """{text}

Kind regards

Ana Example
Head of Operations | Example Ltd
12 Sample Street, Sampletown
Tel. +44 20 7946 0000 | www.example.org"""
DISCLAIMER = """{text}

This e-mail and its attachments may hold confidential information and are meant for the addressee
only. If you received it by mistake, please let the sender know and delete it. Any disclosure or
copying without permission is prohibited. Please think of the environment before printing."""
EARLIER = """{text}

On Mon, 24 Nov 2025 at 09:12, Bo Example <bo@example.org> wrote:

> Hello Ana,
>
> please have a look at this notice, and ask them whatever is unclear.
>
> Bo"""
GREETING = "Good morning everyone,\n\n{text}"

Perturbation = Callable[[str], str]


def wrapped(text: str, width: int) -> str:
    """Return the text with lines wrapped at `width` characters, as a mail program does it."""
    return "\n".join("\n".join(textwrap.wrap(line, width)) for line in text.split("\n"))


def slipped(text: str) -> str:
    """Return the text with two neighbouring letters swapped in one long word of SLIP_EVERY."""
    rng = random.Random(f"{SEED}{text}")  # noqa: S311 - the same slips in every run
    words = text.split(" ")
    for start in range(0, len(words), SLIP_EVERY):
        near = range(start, min(start + SLIP_EVERY, len(words)))
        long = [i for i in near if LONG_WORD.fullmatch(words[i]) and words[i].isascii()]
        if long:
            place = rng.choice(long)
            words[place] = _exchanged(words[place], rng.randrange(1, len(words[place]) - 2))
    return " ".join(words)


def _exchanged(word: str, at: int) -> str:
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


PERTURBATIONS: Mapping[str, Perturbation] = {
    "wrapped_60": lambda text: wrapped(text, 60),
    "wrapped_72": lambda text: wrapped(text, 72),
    "wrapped_78": lambda text: wrapped(text, 78),
    "quoted_below": lambda text: EARLIER.format(text=text),
    "signature": lambda text: SIGNATURE.format(text=text),
    "disclaimer": lambda text: DISCLAIMER.format(text=text),
    "greeting": lambda text: GREETING.format(text=text),
    "upper_case": str.upper,
    "no_punctuation": lambda text: MARKS.sub("", text),
    "typing_slips": slipped,
}


def kept_outcomes(
    cases: Sequence[Case], seen: Sequence[DeskResult], desk: EvaluatedDesk, names: Sequence[str]
) -> dict[str, Rate]:
    """Return for each named perturbation how many of the cases it changes keep their outcome.

    `seen` holds what the desk did with the unchanged cases, in the same order. A sample with a
    fixed seed is measured, so that a run takes a bounded time and gives the same figures again.
    """
    return {name: _kept(cases, seen, desk, name) for name in names}


def _kept(
    cases: Sequence[Case], seen: Sequence[DeskResult], desk: EvaluatedDesk, name: str
) -> Rate:
    perturb = PERTURBATIONS[name]
    changed = [
        (case.model_copy(update={"text": perturbed}), before)
        for case, before in zip(cases, seen, strict=True)
        if (perturbed := perturb(case.text)) != case.text
    ]
    most = WRAPPED_SAMPLE if name.startswith("wrapped") else SAMPLE
    if len(changed) > most:
        changed = random.Random(SEED).sample(changed, most)  # noqa: S311 - the same in every run
    hits = sum(_is_same(before, run_case(desk, case)) for case, before in changed)
    return Rate(hits=hits, of=len(changed))


def _is_same(before: DeskResult, after: DeskResult) -> bool:
    return before.decision == after.decision and set(before.quoted) == set(after.quoted)
