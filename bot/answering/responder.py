"""Decides the outcome of each question of a message: answer, refusal or escalation.

It has no side effects, so that the evaluations run exactly the code that serves.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import assert_never

from bot.answering import segmentation
from bot.answering.clarification import find_clarification
from bot.answering.contacts import ContactClassifier
from bot.answering.decision import reason_unanswered, threshold_of
from bot.answering.evidence import HITS, QUOTED
from bot.answering.interpretation import (
    InterpretedQuestion,
    ScreenedQuestion,
    best_view,
    is_about_sample,
    is_probable_refusal,
    language_of,
    without_announcements,
    without_chatter,
)
from bot.answering.message_questions import PREFIXED, find_questions
from bot.answering.message_screening import (
    find_urgent,
    hold_unread,
    is_only_thanks,
    screen_message,
    screen_questions,
)
from bot.answering.negative_feedback import says_it_did_not_help, with_feedback
from bot.answering.open_question import LoneQuestion, find_lone_question
from bot.answering.outcome_revision import (
    escalate_repeats,
    hand_to_person,
    mark_suspicious_mail,
)
from bot.answering.requests import ClassifiedRequests, Label, RequestClassifier
from bot.answering.signature_demands import find_signature_demand
from bot.corpus import Knowledge
from bot.domain import (
    MODEL_NOTE,
    Answer,
    AnswerReason,
    Escalation,
    EscalationReason,
    Hit,
    Message,
    Outcome,
    Passage,
    Priority,
    Question,
    Refusal,
    RefusalReason,
    Response,
    Role,
)
from bot.llm.consult import Consultation
from bot.policy import (
    Escalate,
    Refuse,
    Verdict,
    demand_of_others,
    link_of_others,
    screen,
    wants_person,
    without_quotes,
)
from bot.ports import Judge, Judgement, Lookup, ModelSelection, Retriever, Selector
from bot.text.clean import CleanText, clean_message

CANDIDATES = 3  # passages of an outcome that staff are shown, best first


class Responder:
    """What decides messages: it chooses passages for each question, refuses, or escalates."""

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
        self.retriever = retriever
        self.judge = judge
        self.selector = selector
        # Used for texts that are refused, so that they are not sent to a vendor's encoder.
        self.local = local
        # None where there is no encoder: then the rules alone decide.
        self.request_classifier = requests
        self.contact_classifier = contacts
        self.consultation = Consultation(selector, knowledge) if selector else None

    def respond(
        self, message: Message, explain: Callable[[InterpretedQuestion], None] | None = None
    ) -> Response:
        """Return the outcomes of one message, in the order of its questions.

        `explain` is called with each interpreted question.
        """
        began = time.perf_counter()
        # The text of our own reply, quoted back, is neither a question nor a demand of the asker.
        cleaned = clean_message(self.knowledge.own_words.without(message.text))
        turns = self._user_turns(message)
        language = language_of(cleaned.own, message.history)
        notes: list[str] = []
        decided = self._decide_questions(message, cleaned, language, explain, notes, turns=turns)
        decided = self._with_signature(decided, message)
        outcomes = escalate_repeats(decided, message)
        outcomes = with_feedback(outcomes, message, cleaned.own, self.knowledge)
        handed_over = any(map(wants_person, map(without_quotes, turns)))
        asks = any(map(wants_person, (message.subject, without_quotes(cleaned.own))))
        if handed_over or asks or any(o.reason is EscalationReason.WANTS_PERSON for o in outcomes):
            outcomes = hand_to_person(outcomes)
        return Response(
            outcomes=tuple(outcomes),
            clarification=""
            if handed_over
            else self._find_clarification(outcomes, message, language, turns=turns),
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
        own = clean_message(self.knowledge.own_words.without(message.text)).own
        requests = self._classify_requests(message, own, self._user_turns(message))
        return find_lone_question(message, own, response.outcomes, requests)

    @property
    def asks_model(self) -> bool:
        """Return whether a language model is asked, so that a decision may differ each time."""
        return self.consultation is not None

    @property
    def believed(self) -> bool:
        """Return whether the model passed its trials (`bot.llm.trust`); true without a model."""
        return self.consultation is None or self.consultation.trust.good

    def near(self, view: str, limit: int = 5) -> tuple[Hit, ...]:
        """Return the nearest wordings and passage sentences, for --explain."""
        return self.retriever.search(view, limit=limit)

    def complete(self, passages: Sequence[Passage]) -> tuple[Passage, ...]:
        """Return `passages` with those that must be quoted along, and without alternatives.

        Of passages that say the same, one stays.
        """
        known = self.knowledge
        ids = known.without_alternatives([p.id for p in passages])
        whole = known.without_alternatives([*ids, *known.companions(ids)])
        return tuple(known.passages[i] for i in whole)

    def _decide_questions(
        self,
        message: Message,
        cleaned: CleanText,
        language: str,
        explain: Callable[[InterpretedQuestion], None] | None,
        notes: list[str],
        *,
        turns: list[str],
    ) -> list[Outcome]:
        """Return the outcome of each question, before the rest of the conversation is considered.

        What a model's answer gave is appended to `notes`.
        """
        if unread_escalation := hold_unread(message, cleaned):
            return [unread_escalation]
        # The verdict of the rules on the whole message, and what its sentences ask for.
        message_verdict = screen_message(message, cleaned, turns)
        requests = self._classify_requests(message, cleaned.own, turns)
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
            return self._with_advice([self._outcome_of(interpreted[0], urgent)])
        # The verdicts refuse or escalate; a question without one is answered where it is sure.
        verdicts = screen_questions(
            interpreted, message, cleaned, message_verdict=message_verdict, own=found.own,
            requests=requests, history=[*turns, message.subject] if message.subject else turns,
        )  # fmt: skip
        outcomes = self._decide_screened(
            found.own, interpreted, verdicts, language, notes, held_secret=bool(message.redactions)
        )
        outcomes = self._with_advice(outcomes)
        return mark_suspicious_mail(outcomes) if found.reports else outcomes

    def _with_advice(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Return the outcomes, with advice from the post for an asker who gave a secret away.

        An answer with the passages on demands for secrets is added to the escalation, where their
        probability reaches the threshold and nothing else is answered.
        """
        secret_given = next(
            (o for o in outcomes if o.reason is EscalationReason.SECRET_GIVEN), None
        )
        if secret_given is None or any(isinstance(o, Answer) for o in outcomes):
            return outcomes
        judged = self._judge(demand_of_others())
        rules = self._find_candidates(judged)[:QUOTED]
        if not rules or judged.probability < self.judge.threshold_for("en"):
            return outcomes
        answer = Answer(
            question=secret_given.question,
            reason=AnswerReason.PHISHING_SAMPLE,
            probability=judged.probability,
            passages=self.complete(rules),
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
        outcome = self._outcome_of(self._interpret_question(question), verdict)
        return [outcome] if _pages(outcome) else [*outcomes, outcome]

    def _classify_requests(
        self, message: Message, own: str, turns: Sequence[str]
    ) -> ClassifiedRequests | None:
        """Return the labels of the message, or None when they are not needed or cannot be had.

        The subject is read as a sentence unless it has a prefix such as `Re:`. A complaint about an
        answer is not read, because it is escalated for a reason of its own.
        """
        if not self.request_classifier or not own.strip() or says_it_did_not_help(own):
            return None
        subject = "" if PREFIXED.match(message.subject) else message.subject
        return self.request_classifier.classify(own, turns[-1] if turns else "", subject.strip())

    def _user_turns(self, message: Message) -> list[str]:
        """Return the earlier messages of the asker, without the text of our own replies."""
        own_words = self.knowledge.own_words
        return [own_words.without(t.text) for t in message.history if t.role is Role.USER]

    def _decide_screened(
        self, own: str, interpreted: list[InterpretedQuestion], verdicts: list[Verdict | None],
        language: str, notes: list[str], *, held_secret: bool,
    ) -> list[Outcome]:  # fmt: skip
        screened = without_announcements(without_chatter(interpreted, verdicts))
        if not any(verdicts):
            screened = self._weigh_selection(own, [r for r, _ in screened], language, notes)
        several = len(screened) > 1
        return [
            self._decide_question(r, v, language, held_secret=held_secret, several=several)
            for r, v in screened
        ]

    def _interpret_questions(
        self,
        questions: list[Question],
        shown: str,
        explain: Callable[[InterpretedQuestion], None] | None,
        *,
        request: float | None,
    ) -> list[InterpretedQuestion]:
        views = (
            self._interpret_question(q, shown if is_about_sample(q) else "") for q in questions
        )
        interpreted = [replace(each, request=request) for each in views]
        for each in interpreted:
            (explain or _ignore)(each)
        return interpreted

    def _weigh_selection(
        self, text: str, interpreted: list[InterpretedQuestion], language: str, notes: list[str]
    ) -> list[ScreenedQuestion]:
        """Return the questions weighed with the model's selection.

        Questions that only the model found are added, each with the verdict of the rules on it.
        The model is not asked when a question is probably refused.
        """
        if not self.consultation or any(map(is_probable_refusal, interpreted)):
            return [(r, None) for r in interpreted]
        selected = self.consultation.ask(text)
        questions = [r.question.text for r in interpreted]
        notes.append(f"{MODEL_NOTE}{self.consultation.summarize(selected, questions)}")
        missed = self.consultation.list_missed(selected, [r.view for r in interpreted])
        more = [(self._interpret_question(Question(text=span)), screen(span)) for span in missed]
        screened = [*((r, None) for r in interpreted), *more]
        return [
            (self._apply_selection(self.consultation, r, selected, language), v)
            for r, v in screened
        ]

    def _apply_selection(
        self,
        consultation: Consultation,
        interpreted: InterpretedQuestion,
        selected: ModelSelection,
        language: str,
    ) -> InterpretedQuestion:
        quotable = tuple(self.knowledge.quotable(list(interpreted.judgement.passages)))
        judged, confirmed = consultation.weigh(
            interpreted.question.text, replace(interpreted.judgement, passages=quotable), selected,
            threshold=self.judge.threshold_for(language),
        )  # fmt: skip
        return replace(interpreted, judgement=judged, confirmed=confirmed)

    def _interpret_question(self, question: Question, shown: str = "") -> InterpretedQuestion:
        """Return the question with the judgement of its best view.

        `shown` describes in English the mail that the question is about; it is compared as one more
        view.
        """
        views = [
            InterpretedQuestion(question=question, view=view, judgement=self._judge(view))
            for view in segmentation.views(question)
        ]
        best = best_view(views)
        if not shown:
            return best
        shown_view = InterpretedQuestion(
            question=question, view=shown, judgement=self._judge(shown), shown=True
        )
        return max(best, shown_view, key=lambda interpreted: interpreted.judgement.probability)

    def _judge(self, view: str) -> Judgement:
        local = self.local if self.local and isinstance(screen(view), Refuse) else None
        lookup = local or Lookup(retriever=self.retriever, judge=self.judge)
        return lookup.judge.judge(view, lookup.retriever.search(view, limit=HITS))

    def _decide_question(
        self,
        interpreted: InterpretedQuestion,
        verdict: Verdict | None,
        language: str,
        *,
        held_secret: bool,
        several: bool,
    ) -> Outcome:
        if verdict:
            return self._outcome_of(interpreted, verdict)
        judged = interpreted.judgement
        if is_probable_refusal(interpreted):
            verdict = Refuse(reason=RefusalReason.REQUEST, rule="reads like a refused request")
            return self._outcome_of(interpreted, verdict)
        candidates, may_send = self._find_answering(interpreted)
        probability = judged.probability
        threshold = threshold_of(interpreted, self.judge, language, held_secret=held_secret)
        if language not in self.knowledge.templates:
            reason = EscalationReason.LANGUAGE
        elif not self._may_quote(judged, language):
            reason = EscalationReason.UNSURE
        elif may_send and probability >= threshold:
            return Answer(
                question=interpreted.question.text,
                reason=AnswerReason.PUBLISHED,
                probability=probability,
                passages=self.complete(
                    candidates[: judged.quoted_among_several if several else judged.quoted_alone]
                ),
                candidates=candidates,
            )
        else:
            reason = reason_unanswered(judged, self.knowledge.silent_topics)
        return Escalation(
            question=interpreted.question.text,
            reason=reason,
            probability=probability,
            candidates=candidates,
        )

    def _find_answering(self, interpreted: InterpretedQuestion) -> tuple[tuple[Passage, ...], bool]:
        """Return the passages that may answer, best first, and whether they may be sent.

        A question whether a caller or a link is ours may only be answered with passages on how to
        treat messages: a "No" from the post about the incident would read as our statement on a
        stranger. Without such a passage among the candidates the question goes to a person.
        """
        candidates = self._find_candidates(interpreted.judgement)
        # "Was that you?" is only understood with the sentence before it, which names the caller.
        views = {interpreted.view, *segmentation.views(interpreted.question)}
        if not self.contact_classifier or not any(
            map(self.contact_classifier.asks_who_it_is, views)
        ):
            return candidates, bool(candidates)
        advice = self.advice_on_messages()
        advice_candidates = tuple(passage for passage in candidates if passage in advice)
        return advice_candidates or advice, bool(advice_candidates)

    def advice_on_messages(self) -> tuple[Passage, ...]:
        """Return the passages on how to treat messages which claim to be ours, best first."""
        about_links, about_demands = map(self._judge, (link_of_others(), demand_of_others()))
        passages = (
            *self._find_candidates(about_links)[:QUOTED],
            *self._find_candidates(about_demands)[:1],
        )
        return tuple(dict.fromkeys(passages))

    def _outcome_of(self, interpreted: InterpretedQuestion, verdict: Verdict) -> Outcome:
        candidates = self._find_candidates(interpreted.judgement)
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

    def _find_clarification(
        self, outcomes: Sequence[Outcome], message: Message, language: str, *, turns: list[str]
    ) -> str:
        """Return the clarifying question of the reply; empty for none."""

        def find_answer(question: Question) -> tuple[tuple[Passage, ...], bool]:
            interpreted = self._interpret_question(question)
            secret = bool(message.redactions)
            threshold = threshold_of(interpreted, self.judge, language, held_secret=secret)
            candidates = self._find_candidates(interpreted.judgement)
            return candidates, interpreted.judgement.probability >= threshold

        return find_clarification(
            outcomes, written=(message.text, message.subject, *turns),
            sent=[turn.text for turn in message.history if turn.role is Role.DESK],
            language=language, knowledge=self.knowledge, find_answer=find_answer,
        )  # fmt: skip

    def _find_candidates(self, judgement: Judgement) -> tuple[Passage, ...]:
        ids = self.knowledge.quotable(list(judgement.passages))
        known = (self.knowledge.passages[i] for i in ids[:CANDIDATES])
        return tuple(passage for passage in known if self.knowledge.stands(passage))

    def _may_quote(self, judgement: Judgement, language: str) -> bool:
        """Return whether the passages to quote are still approved and fit the asker's language."""
        ids = self.knowledge.quotable(list(judgement.passages))[: judgement.quoted_alone]
        best = [self.knowledge.passages[i] for i in ids]
        return all(self.knowledge.stands(p) and self.knowledge.speaks(p, language) for p in best)


def _pages(outcome: Outcome) -> bool:
    return isinstance(outcome, Escalation) and outcome.priority is Priority.PAGE


def _ignore(_reading: InterpretedQuestion) -> None:
    """Do nothing: no explanation is wanted."""
