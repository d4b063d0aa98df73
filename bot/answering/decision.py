"""Decides the outcome of one question: by its verdict, or by how sure an answer is.

The thresholds come from the judge, which has them from calibration (`bot.answering.calibration`):
one for English, one for other languages, and a strict one; `DESK_THRESHOLD` may replace the first.
"""

from collections.abc import Container
from typing import assert_never

from bot.answering import segmentation
from bot.answering.interpretation import InterpretedQuestion
from bot.answering.message_questions import is_about_sample
from bot.answering.passage_finder import PassageFinder
from bot.answering.question_screening import is_probable_refusal
from bot.corpus.questions import Act
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Outcome,
    Refusal,
    RefusalReason,
)
from bot.policy import Escalate, Refuse, Verdict
from bot.ports import Judge, Judgement

# Probability of a silent topic from which on the reason is NOT_IN_POST instead of UNSURE.
SURELY_SILENT = 0.4


def decide_question(
    interpreted: InterpretedQuestion,
    verdict: Verdict | None,
    finder: PassageFinder,
    language: str,
    *,
    held_secret: bool,
    several: bool,
) -> Outcome:
    """Return the outcome of a question: that of its verdict, else an answer or an escalation.

    With `several` questions in the message an answer quotes fewer passages; where the message
    `held_secret`, which was masked, the threshold of an answer is higher.
    """
    if verdict:
        return outcome_of_verdict(interpreted, verdict, finder)
    if is_probable_refusal(interpreted):
        verdict = Refuse(reason=RefusalReason.REQUEST, rule="reads like a refused request")
        return outcome_of_verdict(interpreted, verdict, finder)
    judged, knowledge = interpreted.judgement, finder.knowledge
    threshold = threshold_of(interpreted, finder.judge, language, held_secret=held_secret)
    found = finder.find_answering(interpreted, language)
    candidates = found.candidates
    if language not in knowledge.templates:
        reason = EscalationReason.LANGUAGE
    elif not found.may_quote:
        reason = EscalationReason.UNSURE
    elif found.may_send and judged.probability >= threshold:
        quoted = judged.quoted_among_several if several else judged.quoted_alone
        return Answer(
            question=interpreted.question.text,
            reason=AnswerReason.PUBLISHED,
            probability=judged.probability,
            passages=finder.complete(candidates[:quoted]),
            candidates=candidates,
        )
    else:
        reason = reason_unanswered(judged, knowledge.silent_topics)
    return Escalation(
        question=interpreted.question.text,
        reason=reason,
        probability=judged.probability,
        candidates=candidates,
    )


def outcome_of_verdict(
    interpreted: InterpretedQuestion, verdict: Verdict, finder: PassageFinder
) -> Outcome:
    """Return the refusal or escalation that a verdict is, with candidates for staff."""
    candidates = finder.list_candidates(interpreted.judgement)
    match verdict:
        case Refuse():
            return Refusal(
                question=interpreted.question.text,
                reason=verdict.reason,
                probability=interpreted.judgement.probability,
                candidates=candidates,
            )
        case Escalate():
            return Escalation(
                question=interpreted.question.text,
                reason=verdict.reason,
                priority=verdict.priority,
                probability=interpreted.judgement.probability,
                candidates=candidates,
            )
        case _:
            assert_never(verdict)


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
    strict = max(threshold, judge.strict_threshold)
    if held_secret:
        return strict
    question = interpreted.question
    points_back = segmentation.rests_on_context(question) and not is_about_sample(question)
    return (threshold + strict) / 2 if points_back else threshold


def reason_unanswered(judgement: Judgement, silent_topics: Container[str]) -> EscalationReason:
    """Return the reason to escalate a question whose probability is below the threshold."""
    if judgement.label == Act.OFF_TOPIC:
        return EscalationReason.OFF_TOPIC
    silent = judgement.label in silent_topics and judgement.certainty >= SURELY_SILENT
    return EscalationReason.NOT_IN_POST if silent else EscalationReason.UNSURE
