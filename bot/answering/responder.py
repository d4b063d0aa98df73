"""Decides the outcome of each question of a message: answer, refusal or escalation.

The steps of a message, in order, with the module of each:

1. `prepared_message`: what the asker wrote, its sentences that ask, and its language;
2. `message_screening`: what the rules and the classifier of requests say of the whole message;
3. `message_questions`: the questions, each with its context;
4. `passage_finder`: for each question the passages that may answer it, with a probability;
5. `question_screening`: the verdict on each question; those that ask nothing are left out;
6. `model_selection`: what a language model points at, where one is set;
7. `decision`: the outcome of each question, by verdict or threshold;
8. `signature_demands`, `outcome_revision`, `clarification`: what the signature and the conversation
   change.

It has no side effects, so that the evaluations run exactly the code that serves. The other modules
of this package learn at index time (`fit`, `calibration`, `examples`, `intent_classifier`), judge
(`judges`, `evidence`, `transfer`, `labelled_ranker`), or compose what is sent (`reply`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.answering import segmentation
from bot.answering.clarification import find_clarification
from bot.answering.contacts import ContactClassifier
from bot.answering.decision import decide_question, outcome_of_verdict, threshold_of
from bot.answering.interpretation import InterpretedQuestion, ScreenedQuestion
from bot.answering.lone_question import LoneQuestion, find_lone_question
from bot.answering.message_questions import MessageQuestions, find_questions, is_about_sample
from bot.answering.message_screening import classify_requests, screen_message
from bot.answering.model_selection import weigh_with_model
from bot.answering.outcome_revision import mark_suspicious_mail, revise_outcomes, was_handed_over
from bot.answering.passage_finder import PassageFinder
from bot.answering.prepared_message import PreparedMessage, prepare_message
from bot.answering.question_screening import find_urgent, is_probable_refusal, screen_questions
from bot.answering.request_classifier import ClassifiedRequests, Label, RequestClassifier
from bot.answering.signature_demands import find_signature_demand
from bot.corpus import Knowledge
from bot.domain import (
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Message,
    Outcome,
    Passage,
    Priority,
    Question,
    Response,
    Role,
)
from bot.llm.consult import Consultation
from bot.ports import Judge, Lookup, Retriever, Selector

Explain = Callable[[InterpretedQuestion], None]
"""Called with each interpreted question, for --explain."""


class Responder:
    """What decides messages: it chooses passages for each question, refuses, or escalates.

    `local` looks up texts that are refused, so that they are not sent to a vendor's encoder.
    Without an encoder `requests` and `contacts` are None, and the rules alone decide.
    """

    def __init__(
        self,
        *,
        knowledge: Knowledge,
        retriever: Retriever,
        judge: Judge,
        selector: Selector | None = None,
        local: Lookup | None = None,
        requests: RequestClassifier | None = None,
        contacts: ContactClassifier | None = None,
    ) -> None:
        self.knowledge = knowledge
        self.finder = PassageFinder(
            knowledge=knowledge, retriever=retriever, judge=judge, local=local, contacts=contacts
        )
        self.selector = selector
        self.request_classifier = requests
        self.consultation = Consultation(selector, knowledge) if selector else None

    @property
    def judge(self) -> Judge:
        """The judge of what the search finds; a desk gets another one when it has learned."""
        return self.finder.judge

    @judge.setter
    def judge(self, judge: Judge) -> None:
        self.finder.judge = judge

    @property
    def asks_model(self) -> bool:
        """Return whether a language model is asked, so that a decision may differ each time."""
        return self.consultation is not None

    @property
    def believed(self) -> bool:
        """Return whether the model passed its trials (`bot.llm.trust`); true without a model."""
        return self.consultation is None or self.consultation.trust.good

    def respond(self, message: Message, explain: Explain | None = None) -> Response:
        """Return the outcomes of one message, in the order of its questions.

        `explain` is called with each interpreted question.
        """
        began = time.perf_counter()
        prepared = prepare_message(message, self.knowledge.own_words)
        language = prepared.language
        notes: list[str] = []
        outcomes = self._decide_questions(prepared, explain, notes)
        outcomes = self._with_signature(outcomes, message)
        handed_over = was_handed_over(prepared.turns)
        outcomes = revise_outcomes(outcomes, prepared, self.knowledge, handed_over=handed_over)
        return Response(
            outcomes=tuple(outcomes),
            clarification="" if handed_over else self._find_clarification(outcomes, prepared),
            silenced=handed_over,
            language=language if language in self.knowledge.templates else "en",
            knowledge=self.knowledge.version,
            redactions=message.redactions,
            milliseconds=(time.perf_counter() - began) * 1000,
            notes=tuple(notes),
        )

    def find_lone_question(self, message: Message, response: Response) -> LoneQuestion | None:
        """Return the open question by which a message's case may be clustered with others.

        None where there is none, or where there is no encoder to compare it by.
        """
        if not self.request_classifier:
            return None
        prepared = prepare_message(message, self.knowledge.own_words)
        requests = classify_requests(prepared, self.request_classifier)
        return find_lone_question(message, prepared.cleaned.own, response.outcomes, requests)

    def _decide_questions(
        self, prepared: PreparedMessage, explain: Explain | None, notes: list[str]
    ) -> list[Outcome]:
        """Return the outcome of each question, before the rest of the conversation is considered.

        What a model's answer gave is appended to `notes`.
        """
        screened_message = screen_message(prepared, self.request_classifier)
        if screened_message.outcomes is not None:
            return list(screened_message.outcomes)
        # The questions of the message, each with the evidence that passages answer it.
        found = find_questions(prepared)
        # In a message that shows a mail of somebody else, requests may be those of that mail.
        requests = None if found.sample else screened_message.requests
        interpreted = self._interpret_questions(found, requests, explain)
        # The verdicts refuse or escalate; a question without one is answered where it is sure.
        message_verdict = screened_message.verdict
        if urgent := find_urgent(message_verdict, requests):
            return self._with_advice([outcome_of_verdict(interpreted[0], urgent, self.finder)])
        screened = screen_questions(
            interpreted, prepared, message_verdict=message_verdict, own=found.own, requests=requests
        )
        if not any(verdict for _, verdict in screened):
            screened = self._ask_model(screened, found.own, prepared.language, notes)
        several = len(screened) > 1
        outcomes = [
            decide_question(
                each, verdict, self.finder, prepared.language,
                held_secret=prepared.held_secret, several=several,
            )
            for each, verdict in screened
        ]  # fmt: skip
        outcomes = self._with_advice(outcomes)
        return mark_suspicious_mail(outcomes) if found.reports else outcomes

    def _interpret_questions(
        self,
        found: MessageQuestions,
        requests: ClassifiedRequests | None,
        explain: Explain | None,
    ) -> list[InterpretedQuestion]:
        """Return the questions with their evidence, and the probability that the message asks for
        something that is refused.

        Sentences that the classifier of requests takes for a request are decided beside them.
        """
        beside = requests.beside(found.questions) if requests else ()
        refusal = requests.highest(Label.REFUSE) if requests else None
        shown = found.sample
        interpreted = [
            replace(
                self.finder.interpret(q, shown if shown and is_about_sample(q) else ""),
                request=refusal,
            )
            for q in (*found.questions, *beside)
        ]
        if explain:
            for each in interpreted:
                explain(each)
        return interpreted

    def _ask_model(
        self, screened: list[ScreenedQuestion], text: str, language: str, notes: list[str]
    ) -> list[ScreenedQuestion]:
        """Return the questions weighed with the model's selection, where a model is set.

        It is not asked when a question is probably refused.
        """
        interpreted = [each for each, _ in screened]
        if not self.consultation or any(map(is_probable_refusal, interpreted)):
            return screened
        weighed, note = weigh_with_model(
            interpreted, text, self.consultation, self.finder, language
        )
        notes.append(note)
        return weighed

    def _with_advice(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Return the outcomes, with advice from the post for an asker who gave a secret away.

        An answer with the passages on demands for secrets is added to the escalation, where they
        are sure enough and nothing else is answered.
        """
        secret_given = next(
            (o for o in outcomes if o.reason is EscalationReason.SECRET_GIVEN), None
        )
        if secret_given is None or any(isinstance(o, Answer) for o in outcomes):
            return outcomes
        advice, probability = self.finder.find_advice_on_demands()
        if not advice:
            return outcomes
        answer = Answer(
            question=secret_given.question,
            reason=AnswerReason.PHISHING_SAMPLE,
            probability=probability,
            passages=self.finder.complete(advice),
            candidates=secret_given.candidates,
        )
        return [*outcomes, answer]

    def _with_signature(self, outcomes: list[Outcome], message: Message) -> list[Outcome]:
        """Return the outcomes with that of a demand in the signature.

        It replaces the others when it pages a person, and is left out when one of them pages.
        """
        verdict = find_signature_demand(message.signature, self.request_classifier)
        if verdict is None or any(map(_pages, outcomes)):
            return outcomes
        question = Question(text=segmentation.whole(message.signature))
        outcome = outcome_of_verdict(self.finder.interpret(question), verdict, self.finder)
        return [outcome] if _pages(outcome) else [*outcomes, outcome]

    def _find_clarification(self, outcomes: Sequence[Outcome], prepared: PreparedMessage) -> str:
        """Return the clarifying question of the reply; empty for none."""
        message, language = prepared.message, prepared.language

        def find_answer(question: Question) -> tuple[tuple[Passage, ...], bool]:
            interpreted = self.finder.interpret(question)
            threshold = threshold_of(
                interpreted, self.judge, language, held_secret=prepared.held_secret
            )
            candidates = self.finder.list_candidates(interpreted.judgement)
            return candidates, interpreted.judgement.probability >= threshold

        return find_clarification(
            outcomes, written=(message.text, message.subject, *prepared.turns),
            sent=[turn.text for turn in message.history if turn.role is Role.DESK],
            language=language, knowledge=self.knowledge, find_answer=find_answer,
        )  # fmt: skip


def _pages(outcome: Outcome) -> bool:
    return isinstance(outcome, Escalation) and outcome.priority is Priority.PAGE
