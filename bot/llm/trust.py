"""Decides whether a model's yes may count: it must say no where the post is known to be silent.

On questions that the post answers, a model that confirms everything looks like a good one. So
before its yes first changes a decision, and every hour after, it gets a trial: a message of
questions from the silent topics of knowledge/questions, or, where there is no such topic, of
questions that no post answers. They are drawn anew each time. What the model says of a question on
which the desk itself is sure that the post is silent counts the same way.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from bot.corpus import Knowledge
from bot.corpus.limits import ModelLimits, read_limits
from bot.llm.model_verdict import agreed_verdict
from bot.ports import ModelSelection
from bot.resources import read_yaml

SelectCall = Callable[[str], ModelSelection]
TRIAL_QUESTIONS = "trial_questions.yaml"
# Longer questions are not used in a trial.
MAX_QUESTION_CHARACTERS = 100
# So many wrong yeses are tolerated, as one may be the desk's own mistake.
MAX_FORGIVEN = 1


class Trust:
    """The record of what one model says where the post is silent; safe to use from many threads."""

    def __init__(
        self, limits: ModelLimits, silent: Callable[[], Sequence[Sequence[str]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.limits = limits
        self.silent = silent
        self.clock = clock
        self._said_yes: deque[bool] = deque(maxlen=limits.watched)
        self._due = clock()
        self._lock, self._trying = threading.Lock(), threading.Lock()

    @staticmethod
    def of(knowledge: Knowledge) -> "Trust":
        """Return the trust in a model that is tested on the silent topics of this knowledge."""
        return Trust(read_limits(knowledge.folder).model, lambda: silent_questions(knowledge))

    def holds(self, select: SelectCall) -> bool:
        """May a yes count now? A trial that is due is held first, by calling `select`."""
        with self._trying:
            if self.clock() >= self._due:
                self._hold_trial(select)
        return self.good

    def saw(self, *, yes: bool) -> None:
        """Count what the model said of a question on which the post is silent."""
        with self._lock:
            self._said_yes.append(yes)

    @property
    def good(self) -> bool:
        """Did the model say no often enough where the post is silent?"""
        with self._lock:
            yes, of = sum(self._said_yes), len(self._said_yes)
        return yes <= MAX_FORGIVEN or yes <= self.limits.most_yes * of

    def _hold_trial(self, select: SelectCall) -> None:
        """Hold a trial; one whose call failed does not count and is repeated soon."""
        self._due = self.clock() + self.limits.trial_seconds
        questions = self._draw_questions()
        if not questions:
            return
        selected = select("\n".join(questions))
        if selected.fault:
            self._due = self.clock() + self.limits.rest_seconds
            return
        for question in questions:
            word = agreed_verdict(question, selected)
            self.saw(yes=word is not None and word.confirms)

    def _draw_questions(self) -> list[str]:
        """Return one question of each of some topics, drawn unpredictably."""
        drawn = random.SystemRandom()
        topics = list(self.silent())
        chosen = drawn.sample(topics, min(self.limits.trial_questions, len(topics)))
        return [drawn.choice(wordings) for wordings in chosen]


def silent_questions(knowledge: Knowledge) -> list[list[str]]:
    """Return short English questions that the post says nothing about, a list for each topic.

    Where the knowledge names no silent topic, they are questions that no post answers.
    """
    by_topic: dict[str, list[str]] = {}
    for wording in knowledge.wordings:
        if (
            wording.kind == "silent"
            and wording.language == "en"
            and len(wording.text) <= MAX_QUESTION_CHARACTERS
        ):
            by_topic.setdefault(wording.label, []).append(wording.text)
    return list(by_topic.values()) or read_yaml(TRIAL_QUESTIONS)
