"""Questions that people answered move what a desk without wordings quotes, and how sure it is."""

from pathlib import Path

import pytest
from typing_extensions import override

from bot.adapters.bm25 import BM25
from bot.answering.judges import LabelledJudge, TransferredJudge
from bot.answering.labelled_ranker import FEWEST_LABELS, LabelledRanker, embed_answered_questions
from bot.answering.responder import Responder
from bot.answering.transfer import TransferRanker, UnitIndex, read_transfer
from bot.app import App
from bot.corpus import Knowledge, records_of
from bot.corpus.learned import append_labels, labelled_question
from bot.corpus.messages import LabelledMessage
from bot.corpus.units import units_of
from bot.ports import Judgement
from bot.settings import Settings
from tests.support.small_post import CLOSED, HAPPENED, PASSWORD, POST, write
from tests.support.word_encoder import WordEncoder

SUBJECTS = {
    PASSWORD: "login secret of mine", HAPPENED: "stolen booking list", CLOSED: "police informed quickly",
}  # fmt: skip
WAYS = ("please tell me", "i want to know", "kindly say", "quick question", "my wife asks")
SILENT = "login secret of mine horoscope"  # near what the post answers


class Words(WordEncoder):
    """Passes for the encoder that other incidents were read with."""

    @property
    @override
    def name(self) -> str:
        return read_transfer().encoder

    def vectors(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)


def asked(count: int, *, wrong: int = 0) -> list[LabelledMessage]:
    """`count` answered questions in turn about each subject; the first `wrong` answered wrongly."""
    passages = list(SUBJECTS)
    made = []
    for number in range(count):
        passage = passages[number % len(passages)]
        text = f"{WAYS[number % len(WAYS)]} {SUBJECTS[passage]} {number}"
        sent = passages[(number + 1) % len(passages)] if number < wrong else passage
        made.append(labelled_question(number + 1, text, language="en", passages=(sent,)))
    return made


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory: pytest.TempPathFactory) -> Knowledge:
    return write(tmp_path_factory.mktemp("post") / "knowledge", POST)


@pytest.fixture(scope="module")
def ranker(knowledge: Knowledge) -> TransferRanker:
    transfer, post = read_transfer(), knowledge.post
    index = UnitIndex.of(
        units_of(post.passages), title=post.title, encoder=transfer.encoder, embed=Words().vectors
    )
    return TransferRanker(index, transfer)


def learned(ranker: TransferRanker, messages: list[LabelledMessage]) -> LabelledRanker:
    labels = embed_answered_questions(messages, ranker.index.passages, Words().vectors)
    return LabelledRanker(ranker, labels)


def judged(ranker: LabelledRanker, text: str) -> Judgement:
    return ranker.judge(text, Words().vector(text))


def test_a_question_is_answered_as_people_answered_those_like_it(ranker: TransferRanker) -> None:
    taught = learned(ranker, asked(60))
    for passage, subject in SUBJECTS.items():
        text = f"does anybody have news {subject}"
        found = judged(taught, text)
        assert found.passages[0] == passage
        assert found == judged(learned(ranker, asked(60)), text), "the same labels, the same answer"


def test_a_few_wrong_labels_do_not_prevail(ranker: TransferRanker) -> None:
    taught = learned(ranker, asked(60, wrong=3))
    for passage, subject in SUBJECTS.items():
        assert judged(taught, f"does anybody have news {subject}").passages[0] == passage


def test_what_people_answer_in_their_own_words_goes_on_to_them(ranker: TransferRanker) -> None:
    own_words = [
        labelled_question(100 + n, f"{way} {SILENT} {n}", language="en", passages=())
        for n, way in enumerate(WAYS * 3)
    ]
    text = f"please tell me {SILENT}"
    before, after = learned(ranker, asked(240)), learned(ranker, [*asked(240), *own_words])
    assert judged(before, text).probability >= before.threshold
    assert judged(after, text).probability < after.threshold


def test_the_fewer_labels_there_are_the_surer_the_desk_must_be(ranker: TransferRanker) -> None:
    bounds = [learned(ranker, asked(n)).threshold for n in (FEWEST_LABELS, 60, 240)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] >= read_transfer().labelled_threshold


def test_labels_that_name_a_passage_that_has_gone_are_left_out(ranker: TransferRanker) -> None:
    gone = labelled_question(9, "what of the old passage", language="en", passages=("gone",))
    labels = embed_answered_questions([*asked(3), gone], ranker.index.passages, Words().vectors)
    assert len(labels.texts) == 3


def judge_of(app: App) -> type:
    return type(app.responder.judge)


def test_a_running_desk_learns_answers_as_soon_as_there_are_enough(tmp_path: Path) -> None:
    knowledge = write(tmp_path / "knowledge", POST)
    settings = Settings(home=tmp_path / "home", knowledge=knowledge.folder)
    app = App(settings, knowledge=knowledge)
    vars(app)["encoder"] = Words()
    vars(app)["responder"] = Responder(
        knowledge=knowledge,
        retriever=BM25(records_of(knowledge)),
        judge=app.classifiers.make_first_day_judge(knowledge),
    )
    assert judge_of(app) is TransferredJudge
    assert not app.learn_answers()
    append_labels(knowledge.folder, asked(FEWEST_LABELS - 1))
    assert app.learn_answers()
    assert judge_of(app) is TransferredJudge
    append_labels(knowledge.folder, asked(FEWEST_LABELS))
    assert app.learn_answers()
    assert judge_of(app) is LabelledJudge
    assert not app.learn_answers(), "nothing new"
