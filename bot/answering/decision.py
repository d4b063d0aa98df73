"""Decides from which probability on a question is answered, and why it is not below it.

The thresholds come from the judge, which has them from calibration (`bot.answering.calibration`):
one of English, one of other languages, and a strict one; `DESK_THRESHOLD` may replace the first.
"""

from collections.abc import Container

from bot.answering import segmentation
from bot.answering.interpretation import InterpretedQuestion, is_about_sample
from bot.corpus.questions import Act
from bot.domain import EscalationReason
from bot.ports import Judge, Judgement

# How certain the classifier must be that the post says nothing about what is asked.
SURELY_SILENT = 0.4


def threshold_of(
    reading: InterpretedQuestion, judge: Judge, language: str, *, held_secret: bool
) -> float:
    """Return the probability, 0 to 1, from which on a question is answered.

    What our own evidence lacks in another language, a model that confirms makes up for. The strict
    threshold is that of somebody who wrote a secret. What points back to another sentence, perhaps
    a rumour that nobody may confirm, has the threshold half-way to it: on authors that were left
    out that keeps two of three wrong answers to such questions from going out, and six of 161
    right ones.
    """
    in_english = reading.confirmed or reading.shown
    threshold = judge.threshold_for("en" if in_english else language)
    asked = reading.question
    points = segmentation.rests_on_context(asked) and not is_about_sample(asked)
    strict = max(threshold, judge.strict_threshold)
    if held_secret:
        return strict
    return (threshold + strict) / 2 if points else threshold


def reason_unanswered(judgement: Judgement, silent_topics: Container[str]) -> EscalationReason:
    """Return why a question is not answered whose probability is too low."""
    if judgement.label == Act.OFF_TOPIC:
        return EscalationReason.OFF_TOPIC
    silent = judgement.label in silent_topics and judgement.certainty >= SURELY_SILENT
    return EscalationReason.NOT_IN_POST if silent else EscalationReason.UNSURE
