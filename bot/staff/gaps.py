"""Groups the questions that went to people by meaning, to show the gaps of the post or the desk.

Each group is named by its most typical wording, with secrets and people masked. The same questions
always make the same groups, and a question that comes later only ever joins one or begins one.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from bot.journal import Journal
from bot.journal.clock import stamp
from bot.journal.escalated import EscalatedQuestion, list_escalated
from bot.redact.anonymize import without_people
from bot.staff.clustering import SAME_MEANING, group_by_meaning, most_typical
from bot.text.printable import printable_line

WEEK = timedelta(days=7)  # the trend compares the last one with the one before
Embed = Callable[[list[str]], npt.ArrayLike]  # n texts -> (n, width) unit vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Questions of one meaning that went to people."""

    question: str  # the most typical wording, masked
    count: int
    last_week: int
    week_before: int
    passage: str  # nearest to most of them; empty where none is
    open_cases: tuple[int, ...]

    @property
    def trend(self) -> int:
        """Return how many more came in the last week than in the one before."""
        return self.last_week - self.week_before


def find_gaps(journal: Journal, embed: Embed, since: datetime) -> tuple[Gap, ...]:
    """Return the gaps since a moment, the most frequent first, then the oldest."""
    asked = list_escalated(journal.engine, stamp(since))
    if not asked:
        return ()
    vectors = np.asarray(embed([each.question for each in asked]), dtype=np.float32)
    now = journal.clock()
    groups = group_by_meaning(vectors, SAME_MEANING)
    gaps = [
        _gap([asked[i] for i in group], asked[most_typical(vectors, group)], now)
        for group in groups
    ]
    return tuple(sorted(gaps, key=lambda gap: -gap.count))


def _gap(asked: Sequence[EscalatedQuestion], typical: EscalatedQuestion, now: datetime) -> Gap:
    week, earlier = stamp(now - WEEK), stamp(now - 2 * WEEK)
    near = Counter(question.passage for question in asked if question.passage)
    return Gap(
        question=printable_line(without_people(typical.question)),
        count=len(asked),
        last_week=sum(question.asked_at >= week for question in asked),
        week_before=sum(earlier <= question.asked_at < week for question in asked),
        passage=near.most_common(1)[0][0] if near else "",
        open_cases=tuple(dict.fromkeys(q.case_id for q in asked if q.open)),
    )
