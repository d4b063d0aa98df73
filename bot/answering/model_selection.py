"""Weighs the answers to interpreted questions with what a language model selects."""

from collections.abc import Sequence
from dataclasses import replace

from bot.answering.interpretation import InterpretedQuestion, ScreenedQuestion
from bot.answering.passage_finder import PassageFinder
from bot.domain import MODEL_NOTE, Question
from bot.llm.consult import Consultation
from bot.policy import screen
from bot.ports import ModelSelection


def weigh_with_model(
    interpreted: Sequence[InterpretedQuestion],
    text: str,
    consultation: Consultation,
    finder: PassageFinder,
    language: str,
) -> tuple[list[ScreenedQuestion], str]:
    """Return the questions of `text` weighed with the model's selection, and a note of what it did.

    Questions that only the model found are added, each with the verdict of the rules on it.
    """
    selection = consultation.ask(text)
    questions = [each.question.text for each in interpreted]
    note = f"{MODEL_NOTE}{consultation.summarize(selection, questions)}"
    missed = consultation.list_missed(selection, [each.view for each in interpreted])
    added = [(finder.interpret(Question(text=span)), screen(span)) for span in missed]
    screened = [*((each, None) for each in interpreted), *added]
    return [
        (_weigh(each, selection, consultation, finder, language), verdict)
        for each, verdict in screened
    ], note


def _weigh(
    interpreted: InterpretedQuestion,
    selection: ModelSelection,
    consultation: Consultation,
    finder: PassageFinder,
    language: str,
) -> InterpretedQuestion:
    quotable = tuple(finder.knowledge.quotable(list(interpreted.judgement.passages)))
    judged, confirmed = consultation.weigh(
        interpreted.question.text, replace(interpreted.judgement, passages=quotable), selection,
        threshold=finder.judge.threshold_for(language),
    )  # fmt: skip
    return replace(interpreted, judgement=judged, confirmed=confirmed)
