"""Chooses the judge of questions: by a fit, by what other incidents taught, or by word search."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from bot.adapters.e5 import E5
from bot.answering.contacts import AGAIN as CONTACTS_AGAIN
from bot.answering.contacts import ContactClassifier, packaged_contacts
from bot.answering.evidence import Answers
from bot.answering.fit import Fit, can_learn, learn_fit
from bot.answering.judges import CandidateJudge, FittedJudge, LabelledJudge, TransferredJudge
from bot.answering.labelled_ranker import FEWEST_LABELS, LabelledRanker, embed_answered_questions
from bot.answering.request_classifier import AGAIN as HEAD_AGAIN
from bot.answering.request_classifier import RequestClassifier, packaged_head
from bot.answering.transfer import TransferRanker, UnitIndex, read_transfer
from bot.corpus import Knowledge, records_of
from bot.corpus.learned import labels_version
from bot.corpus.messages import read_messages
from bot.corpus.units import units_of
from bot.errors import MissingError
from bot.ports import Judge, Lookup

if TYPE_CHECKING:
    from bot.adapters.cached_encoder import CachedEncoder
    from bot.settings import Settings


@dataclass(eq=False)
class Classifiers:
    """The judges of questions and classifiers of requests, by the encoders and the knowledge."""

    settings: "Settings"
    knowledge: Knowledge
    encoder: "CachedEncoder"
    say: Callable[[str], None]
    # The version of the answers that the judge has learned.
    _labels_learned: str = field(default="", init=False)

    def choose_judge(self, fit: Fit | None) -> Judge:
        """Return the judge by `fit`, or else the judge by other incidents and by people's answers.

        A fit of so few wordings that it would hand over every question is used only where the post
        cannot be read without wordings, because that takes the desk's own embedding model.
        """
        if fit and (fit.calibration.can_answer or not self.settings.own_embeddings):
            return FittedJudge(
                fit=fit, vector=self.encoder.embed_query, threshold=self.settings.threshold
            )
        self._labels_learned = labels_version(self.knowledge.folder)
        return self.make_first_day_judge(self.knowledge)

    def learn_answers(self, judge: Judge) -> Judge | None:
        """Return a new judge that includes new answers of people; None when there are none.

        A desk without wordings learns them while it runs, in a second; others at an index run.
        """
        version = labels_version(self.knowledge.folder)
        if version == self._labels_learned or not isinstance(
            judge, TransferredJudge | LabelledJudge
        ):
            return None
        learned = self.make_first_day_judge(self.knowledge)
        self._labels_learned = version
        return learned

    def make_first_day_judge(self, knowledge: Knowledge) -> Judge:
        """Return the judge for a post without wordings; it includes questions answered by people.

        These count from FEWEST_LABELS on. Without the desk's own encoder it only ranks candidates.
        """
        ranker = self.make_transfer_ranker(knowledge)
        if ranker is None:
            return self._candidates
        vector, folder = self.encoder.embed_query, knowledge.folder
        messages = (*read_messages(folder / "messages"), *read_messages(folder / "exercises"))
        labels = embed_answered_questions(messages, list(knowledge.passages), self.encoder.vectors)
        if labels.answered < FEWEST_LABELS:
            return TransferredJudge(ranker=ranker, vector=vector)
        return LabelledJudge(
            ranker=LabelledRanker(ranker, labels), vector=vector, threshold=self.settings.threshold
        )

    def make_transfer_ranker(self, knowledge: Knowledge) -> TransferRanker | None:
        """Return the judge learned from other incidents; None without the encoder it needs."""
        if not self.settings.own_embeddings:
            return None
        index = UnitIndex.of(
            units_of(knowledge.every_passage),
            title=knowledge.post.title,
            encoder=self.encoder.name,
            embed=self.encoder.vectors,
        )
        return TransferRanker(index, read_transfer(), threshold=self.settings.threshold)

    def look_up_with(self, knowledge: Knowledge, judge: Judge) -> Lookup:
        """Return the retriever and the judge with which the desk would answer by `knowledge`.

        `judge` is that of the current knowledge; other passages get a judge that is fitted anew.
        """
        from bot.adapters.exact_retriever import Exact

        records = records_of(knowledge)
        vectors = self.encoder.vectors([each.text for each in records])
        retriever = Exact(self.encoder, records, vectors)
        if knowledge.passages == self.knowledge.passages:
            return Lookup(retriever=retriever, judge=judge)
        if not can_learn(knowledge):
            return Lookup(retriever=retriever, judge=self.make_first_day_judge(knowledge))
        fit = learn_fit(knowledge, self.encoder.vectors).fit
        vector, threshold = self.encoder.embed_query, self.settings.threshold
        return Lookup(
            retriever=retriever, judge=FittedJudge(fit=fit, vector=vector, threshold=threshold)
        )

    def search_words(self) -> Lookup:
        """Return word search (BM25), which only finds candidates and sends nothing to a vendor."""
        from bot.adapters.bm25 import BM25

        return Lookup(retriever=BM25(records_of(self.knowledge)), judge=self._candidates)

    @cached_property
    def requests(self) -> RequestClassifier | None:
        """The classifier of requests, which always uses this machine's own encoder.

        None when that encoder is missing, or is not the one that the classifier was made with.
        """
        head = packaged_head()
        encoder = self._encoder_of(head.encoder, "requests.npz", HEAD_AGAIN)
        return RequestClassifier(head=head, pool=encoder.pooled) if encoder else None

    @cached_property
    def contacts(self) -> ContactClassifier | None:
        """The classifier of questions about a caller, sender or link; None as with `requests`."""
        head = packaged_contacts()
        encoder = self._encoder_of(head.encoder, "contacts.yaml", CONTACTS_AGAIN)
        return ContactClassifier(head=head, vector=encoder.vector) if encoder else None

    def _encoder_of(self, name: str, file: str, remedy: str) -> E5 | None:
        """Return this machine's own encoder when `file` was made with it, as `name` says.

        None when it is missing or another one; for another one a warning names the remedy.
        """
        encoder = self._own_encoder
        if encoder and encoder.name != name:
            self.say(f"warning: {file} is of another encoder; {remedy}")
            return None
        return encoder

    @cached_property
    def _own_encoder(self) -> E5 | None:
        """This machine's own encoder, even when the index uses another; None when it is missing."""
        own = self.encoder.encoder
        encoder = own if isinstance(own, E5) else E5(self.settings.models, self.say)
        try:
            encoder.check()
        except MissingError:
            return None
        return encoder

    @property
    def _candidates(self) -> CandidateJudge:
        answers = Answers.of(list(self.knowledge.passages), self.knowledge.wordings)
        return CandidateJudge(answers=answers)
