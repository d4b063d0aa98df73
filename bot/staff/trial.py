"""Tries an answer of the support team: whether it may be sent, and what it changes for others.

Labelled questions are asked without it and with it, and must keep their answers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.answering.evidence import HITS
from bot.answering.examples import views_of
from bot.corpus import Knowledge
from bot.corpus.conflicts import find_conflicts
from bot.corpus.learned import AUTHOR
from bot.corpus.links import unlisted
from bot.corpus.messages import LabelledMessage
from bot.corpus.passage_ids import telling_words
from bot.corpus.team_answers import TeamAnswer, TeamAnswerState, Trial
from bot.domain import Passage
from bot.ports import Judgement, Lookup
from bot.redact import redact
from bot.redact.anonymize import ADDRESS, NAME, NUMBER, PERSON, without_people
from bot.staff.staff_remarks import find_remarks
from bot.text.printable import shorten_line

# Of 1,000 labelled questions, how many that were answered rightly may be handed to people
# afterwards, because the threshold is chosen anew with each fit. New answers to questions far from
# all others lost 2 to 4.
MOST_LOST_OF_THOUSAND = 8
# The most labelled questions that are asked, which takes some twenty seconds: those with most words
# in common with the answer, as they would be the first to get it, and a sample of all others.
MOST_NEAR, MOST_OTHERS = 200, 400
MAX_QUESTION, MAX_ANSWER = 300, 2000  # characters; the question is the heading in a reply
SHOWN = 120  # characters of a labelled question that are shown
ANSWERED_BEFORE = (
    "the desk answers this question already, with “{heading}”: correct the post or the wordings "
    "instead"
)
TAKEN = "{count} of {all} labelled questions would get this answer, as “{text}”"
LOST = "{count} of {all} labelled questions would lose their answer, as “{text}”"
FEW = "; so few are usual, as the desk learns anew with each answer"
NOT_ITSELF = (
    "the desk is not sure enough to answer this question with it by itself, so staff get it as a "
    "draft; wordings in knowledge/questions for {id} make it surer"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What a new passage changes for labelled questions.

    `taken` holds the texts of the questions that are wrongly answered with the new passage now,
    `lost` those of the questions that were answered rightly before and are not any more.
    `answered_before` are the passages by which the desk answered the new question without the new
    passage, empty if it did not; `answers_itself` says that the new passage answers it now.
    """

    questions: int
    right_before: int
    taken: tuple[str, ...]
    lost: tuple[str, ...]
    answered_before: tuple[str, ...]
    answers_itself: bool

    @property
    def loses_too_many(self) -> bool:
        """Return whether more questions lose their answer than a new threshold explains."""
        return len(self.lost) * 1000 > MOST_LOST_OF_THOUSAND * max(self.questions, 200)


def try_passage(
    passage: Passage, messages: Iterable[LabelledMessage], *, before: Lookup, after: Lookup
) -> TrialResult:
    """Return how answers to labelled messages of one question each change with the passage.

    `before` looks answers up without the passage, `after` with it.
    """
    asked = choose_messages(passage, messages)
    question, language = passage.heading, passage.language
    taken, lost, right = list[str](), list[str](), 0
    for message in asked:
        gold = {name for group in message.gold for name in group}
        was = bool(gold & set(find_quoted_passages(before, message.text, message.lang)))
        now = find_quoted_passages(after, message.text, message.lang)
        right += was
        if passage.id in now and passage.id not in gold:
            taken.append(message.text)
        elif was and not gold & set(now):
            lost.append(message.text)
    return TrialResult(
        questions=len(asked), right_before=right, taken=tuple(taken), lost=tuple(lost),
        answered_before=find_quoted_passages(before, question, language),
        answers_itself=passage.id in find_quoted_passages(after, question, language),
    )  # fmt: skip


def find_quoted_passages(lookup: Lookup, text: str, language: str) -> tuple[str, ...]:
    """Return the passages that would be quoted for a text; empty below the threshold."""
    judgements: list[Judgement] = [
        lookup.judge.judge(view, lookup.retriever.search(view, limit=HITS))
        for view in views_of(text)
    ]
    best = max(judgements, key=lambda judgement: judgement.pair)
    sure = best.probability >= lookup.judge.threshold_for(language)
    return best.passages[: best.quoted_alone] if sure else ()


def choose_messages(passage: Passage, messages: Iterable[LabelledMessage]) -> list[LabelledMessage]:
    """Return the messages to ask: those nearest to the passage by their words, and some others.

    Labels of questions that people answered in their own words are left out: they say that the post
    does not answer the question, but the team's answer may.
    """
    single = [
        m for m in messages
        if len(m.gold) <= 1 and len(m.questions) <= 1 and (m.gold or m.author != AUTHOR)
    ]  # fmt: skip
    words = set(telling_words(f"{passage.heading} {passage.text}"))
    shared = [len(words.intersection(telling_words(message.text))) for message in single]
    places = sorted(range(len(single)), key=lambda place: -shared[place])
    others = places[MOST_NEAR:]
    step = max(1, -(-len(others) // MOST_OTHERS))
    return [single[place] for place in sorted((*places[:MOST_NEAR], *others[::step]))]


def find_faults(answer: TeamAnswer, knowledge: Knowledge) -> Iterator[str]:
    """Yield why a text may not be sent to others: what it names, holds or asks for."""
    for what, text, most in (
        ("question", answer.question, MAX_QUESTION), ("answer", answer.answer, MAX_ANSWER),
    ):  # fmt: skip
        if len(text) > most:
            yield f"the {what} has {len(text)} characters, and {most} are the most"
        elif redact(text).spans:
            yield f"the {what} holds what looks like a secret or a number of a person"
        elif without_people(text) != text or any(
            mask in text for mask in (NAME, ADDRESS, NUMBER, PERSON)
        ):
            yield f"the {what} names a person, or a number or address of one: leave that out"
        else:
            yield from (
                f"the {what} names {each}, which is on no list in notes.yaml"
                for each in unlisted(text, knowledge.notes)
            )
    yield from (
        remark for remark in find_remarks(answer.answer, knowledge) if remark.startswith("it seems")
    )


def as_if_approved(answer: TeamAnswer, knowledge: Knowledge) -> Knowledge:
    """Return the knowledge as it would be with this answer in use."""
    passed = Trial(of=answer.digest, at="", questions=0, answers_itself=True)
    approved = answer.model_copy(
        update={"state": TeamAnswerState.APPROVED, "approved_by": "-", "trial": passed}
    )
    return replace(
        knowledge, team_answers=(*without_answer(answer, knowledge).team_answers, approved)
    )


def without_answer(answer: TeamAnswer, knowledge: Knowledge) -> Knowledge:
    """Return the knowledge as it would be without this answer."""
    others = tuple(each for each in knowledge.team_answers if each.case != answer.case)
    return replace(knowledge, team_answers=others)


def judge_trial(answer: TeamAnswer, result: TrialResult, knowledge: Knowledge, at: str) -> Trial:
    """Return the faults and remarks of a trial, for people to read; `knowledge` has the answer."""
    passage = answer.passage
    remarks = list(_conflicts(passage, knowledge))
    faults = list(find_faults(answer, knowledge))
    if result.answered_before:
        known = knowledge.passages[result.answered_before[0]]
        faults.append(ANSWERED_BEFORE.format(heading=knowledge.heading_of(known)))
    elif not result.answers_itself:
        remarks.append(NOT_ITSELF.format(id=passage.id))
    changed = (
        (TAKEN, result.taken, bool(result.taken)),
        (LOST, result.lost, result.loses_too_many),
    )
    for says, texts, bad in changed:
        if texts:
            said = says.format(
                count=len(texts), all=result.questions, text=shorten_line(texts[0], SHOWN)
            )
            (faults if bad else remarks).append(said if bad else said + FEW)
    return Trial(
        of=answer.digest, at=at, questions=result.questions, remarks=tuple(remarks),
        answers_itself=result.answers_itself, faults=tuple(faults),
    )  # fmt: skip


def _conflicts(passage: Passage, knowledge: Knowledge) -> Iterator[str]:
    """Yield a remark for each sentence of the post that seems to contradict the answer."""
    beside = replace(knowledge.post, passages=(*knowledge.post.passages, passage))
    today = datetime.now(UTC).date()
    for each in find_conflicts(beside, knowledge.notes, today):
        if passage.id in (each.passage, each.other_passage):
            yield str(each)
