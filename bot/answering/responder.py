"""Decides the outcome of each question of a message: answer, refusal or escalation.

The steps of a message, in order, with the module of each:

1. `bot.text.clean` and `bot.text.language`: what the asker wrote, and its language;
2. `message_screening`: the verdict of the rules on the message, or that it is not read;
3. `request_classifier`: what each sentence asks for;
4. `message_questions`: the questions;
5. `passage_finder`: for each question the passages that may answer it, with a probability;
6. `message_screening`: the verdict on each question; `interpretation` drops what asks nothing;
7. `model_selection`: what a language model points at, where one is set;
8. `decision`: the outcome of each question, by verdict or threshold;
9. `signature_demands`, `outcome_revision`, `negative_feedback`, `clarification`: what the
   signature and the conversation change.

It has no side effects, so that the evaluations run exactly the code that serves. The other modules
of this package learn at index time (`fit`, `calibration`, `examples`, `intent_classifier`), judge
(`judges`, `evidence`, `transfer`, `labelled_ranker`), or compose what is sent (`reply`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.answering import segmentation
from bot.answering.clarification import find_clarification
from bot.answering.contacts import ContactClassifier
from bot.answering.decision import decide_question, outcome_of_verdict, threshold_of
from bot.answering.interpretation import (
    InterpretedQuestion,
    ScreenedQuestion,
    is_about_sample,
    is_probable_refusal,
    language_of,
    without_announcements,
    without_chatter,
)
from bot.answering.lone_question import LoneQuestion, find_lone_question
from bot.answering.message_questions import PREFIXED, find_questions
from bot.answering.message_screening import (
    find_urgent,
    hold_unread,
    is_only_thanks,
    screen_message,
    screen_questions,
)
from bot.answering.model_selection import weigh_with_model
from bot.answering.negative_feedback import says_it_did_not_help, with_feedback
from bot.answering.outcome_revision import (
    escalate_repeats,
    hand_to_person,
    mark_suspicious_mail,
)
from bot.answering.passage_finder import PassageFinder
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
from bot.policy import wants_person, without_quotes
from bot.ports import Judge, Lookup, Retriever, Selector
from bot.text.clean import CleanText, clean_message

Explain = Callable[[InterpretedQuestion], None]
"""Called with each interpreted question, for --explain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedMessage:
    """A message with what is derived from it before anything is decided."""

    message: Message
    # Without the text of our own replies: quoted back, it is no question or demand of the asker.
    cleaned: CleanText
    turns: list[str]  # the asker's earlier messages, oldest first, without our text
    language: str  # code of the language that the reply is to have

    @property
    def held_secret(self) -> bool:
        """Return whether a secret was masked in the message."""
        return bool(self.message.redactions)


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
        prepared = self._prepare(message)
        own, turns, language = prepared.cleaned.own, prepared.turns, prepared.language
        notes: list[str] = []
        outcomes = self._decide_questions(prepared, explain, notes)
        outcomes = self._with_signature(outcomes, message)
        outcomes = escalate_repeats(outcomes, message)
        outcomes = with_feedback(outcomes, message, own, self.knowledge)
        handed_over = any(map(wants_person, map(without_quotes, turns)))
        asks = any(map(wants_person, (message.subject, without_quotes(own))))
        if handed_over or asks or any(o.reason is EscalationReason.WANTS_PERSON for o in outcomes):
            outcomes = hand_to_person(outcomes)
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
        prepared = self._prepare(message)
        requests = self._classify_requests(prepared)
        return find_lone_question(message, prepared.cleaned.own, response.outcomes, requests)

    def _prepare(self, message: Message) -> PreparedMessage:
        own_words = self.knowledge.own_words
        cleaned = clean_message(own_words.without(message.text))
        return PreparedMessage(
            message=message,
            cleaned=cleaned,
            turns=[own_words.without(t.text) for t in message.history if t.role is Role.USER],
            language=language_of(cleaned.own, message.history),
        )

    def _decide_questions(
        self, prepared: PreparedMessage, explain: Explain | None, notes: list[str]
    ) -> list[Outcome]:
        """Return the outcome of each question, before the rest of the conversation is considered.

        What a model's answer gave is appended to `notes`.
        """
        message, cleaned, turns = prepared.message, prepared.cleaned, prepared.turns
        if unread_escalation := hold_unread(message, cleaned):
            return [unread_escalation]
        # The verdict of the rules on the whole message, and what its sentences ask for.
        message_verdict = screen_message(message, cleaned, turns)
        requests = self._classify_requests(prepared)
        if message_verdict is None and is_only_thanks(message, cleaned, requests):
            return []
        if not (cleaned.own or message_verdict or message.shown):
            return [Escalation(question=cleaned.whole, reason=EscalationReason.NO_QUESTION)]
        # The questions of the message, each with the evidence that passages answer it.
        found = find_questions(message, cleaned.own or cleaned.whole, turns)
        # In a message that shows a mail of somebody else, requests may be those of that mail.
        requests = None if found.sample else requests
        questions = [*found.questions, *(requests.beside(found.questions) if requests else ())]
        refusal = requests.highest(Label.REFUSE) if requests else None
        interpreted = self._interpret_questions(questions, found.sample, explain, request=refusal)
        if urgent := find_urgent(message_verdict, requests):
            return self._with_advice([outcome_of_verdict(interpreted[0], urgent, self.finder)])
        # The verdicts refuse or escalate; a question without one is answered where it is sure.
        verdicts = screen_questions(
            interpreted, message, cleaned, message_verdict=message_verdict, own=found.own,
            requests=requests, history=[*turns, message.subject] if message.subject else turns,
        )  # fmt: skip
        screened = without_announcements(without_chatter(interpreted, verdicts))
        if not any(verdicts):
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

    def _classify_requests(self, prepared: PreparedMessage) -> ClassifiedRequests | None:
        """Return the labels of the message, or None when they are not needed or cannot be had.

        The subject is read as a sentence unless it has a prefix such as `Re:`. A complaint about an
        answer is not read, because it is escalated for a reason of its own.
        """
        own, turns, subject = prepared.cleaned.own, prepared.turns, prepared.message.subject
        if not self.request_classifier or not own.strip() or says_it_did_not_help(own):
            return None
        subject = "" if PREFIXED.match(subject) else subject
        return self.request_classifier.classify(own, turns[-1] if turns else "", subject.strip())

    def _interpret_questions(
        self,
        questions: Sequence[Question],
        shown: str,
        explain: Explain | None,
        *,
        request: float | None,
    ) -> list[InterpretedQuestion]:
        """Return the questions with their evidence; `shown` describes a mail that is shown."""
        interpreted = [
            replace(self.finder.interpret(q, shown if is_about_sample(q) else ""), request=request)
            for q in questions
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
