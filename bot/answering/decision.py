"""Chooses the threshold for a question, and the reason of an escalation below it.

The thresholds come from the judge, which has them from calibration (`bot.answering.calibration`):
one for English, one for other languages, and a strict one; `DESK_THRESHOLD` may replace the first.
"""

from collections.abc import Container

from bot.answering import segmentation
from bot.answering.interpretation import InterpretedQuestion, is_about_sample
from bot.corpus.questions import Act
from bot.domain import EscalationReason
from bot.ports import Judge, Judgement

# Probability of a silent topic from which on the reason is NOT_IN_POST instead of UNSURE.
SURELY_SILENT = 0.4


def threshold_of(
    interpreted: InterpretedQuestion, judge: Judge, language: str, *, held_secret: bool
) -> float:
    """Return the probability, 0 to 1, from which on a question is answered.

    A question in another language has the threshold of English where a model has confirmed the
    answer, or where a mail that is shown was looked up by an English description. A message that
    held a secret has the strict threshold. A question that points back to another sentence, which
    may be a rumour that must not be confirmed, has the mean of its own and the strict threshold: on
    held-out authors that stops two of three wrong answers to such questions, and six of 161 right
    ones.
    """
    in_english = interpreted.confirmed or interpreted.shown
    threshold = judge.threshold_for("en" if in_english else language)
    question = interpreted.question
    points_back = segmentation.rests_on_context(question) and not is_about_sample(question)
    strict = max(threshold, judge.strict_threshold)
    if held_secret:
        return strict
    return (threshold + strict) / 2 if points_back else threshold


def reason_unanswered(judgement: Judgement, silent_topics: Container[str]) -> EscalationReason:
    """Return the reason to escalate a question whose probability is below the threshold."""
    if judgement.label == Act.OFF_TOPIC:
        return EscalationReason.OFF_TOPIC
    silent = judgement.label in silent_topics and judgement.certainty >= SURELY_SILENT
    return EscalationReason.NOT_IN_POST if silent else EscalationReason.UNSURE
