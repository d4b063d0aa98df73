"""What a person answered in their own words is quoted to others once a second person agrees."""

import json
import random
import string
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sql
from typing_extensions import override

from bot.adapters.bm25 import BM25
from bot.adapters.cached_encoder import CachedEncoder
from bot.answering.reply import compose_reply
from bot.answering.responder import Responder
from bot.answering.staff_signature import sign_draft
from bot.answering.transfer import read_transfer
from bot.app import App
from bot.cli import main
from bot.commands.privacy import erase_personal_data, export_personal_data, find_personal_data
from bot.commands.team_answer_actions import NEXT, NEXT_WITHDRAWN
from bot.corpus import Knowledge, load, records_of
from bot.corpus.changes import ChangeKind
from bot.corpus.team_answers import (
    FOLDER,
    TeamAnswer,
    TeamAnswerState,
    write_team_answer,
)
from bot.corpus.templates import ReplySources
from bot.domain import Hit, Message, PassageSource, Response
from bot.errors import InputError, KnowledgeError
from bot.journal import CaseAction
from bot.journal.engine import writing
from bot.journal.tables import outcome
from bot.outbound import Outbound, text_of
from bot.outbound.self_check import build_answer
from bot.ports import Judgement
from bot.settings import Settings
from bot.staff.outdated_answers import OutdatedReason, Recall
from bot.staff.team_answer_review import LOCK, TeamAnswerReview
from tests.support.desk_messages import received
from tests.support.interleaving import Beside, after_call, is_waited_for
from tests.support.small_post import PASSWORD, POST, write
from tests.support.word_encoder import WordEncoder

KEY = "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=48))
ANA, BOB = "slack:U0ANA", "slack:U0BOB"
QUESTION = "Will you pay for a new lock on my door?"
ANSWER = "No, we do not pay for locks. Your address was not on the list that was copied."
LETTER = f"Dear Jane Miller,\n\n{ANSWER}\n\nBest regards,\nAna Ruiz"


class HeadingJudge:
    """Answers a question that is the heading of a passage, and no other."""

    strict_threshold = 0.5

    def __init__(self, knowledge: Knowledge) -> None:
        self.headings = {p.heading.lower(): p.id for p in knowledge.offered}

    def threshold_for(self, language: str) -> float:
        del language
        return 0.5

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        del hits
        found = self.headings.get(text.lower())
        chosen = (found or PASSWORD,)
        return Judgement(probability=float(bool(found)), passages=chosen, label="", quoted_alone=1)


class Words(WordEncoder):
    """Passes for the encoder that other incidents were read with."""

    @property
    @override
    def name(self) -> str:
        return read_transfer().encoder


def responder_of(knowledge: Knowledge) -> Responder:
    return Responder(
        knowledge=knowledge, retriever=BM25(records_of(knowledge)), judge=HeadingJudge(knowledge)
    )


def desk_on(knowledge: Knowledge, home: Path, database_url: str) -> App:
    settings = Settings(
        home=home, knowledge=knowledge.folder, database_url=database_url,
        slack_staff="U0ANA,U0BOB",
    )  # fmt: skip
    app = App(settings, knowledge=knowledge, responder=responder_of(knowledge))
    vars(app)["encoder"] = CachedEncoder(Words(), home / "text-vectors.npz")
    return app


def new_desk(tmp_path: Path, database_url: str) -> App:
    folder = tmp_path / "knowledge"
    folder.mkdir()
    (folder / "notes.yaml").write_text("links: ['https://x.example/p']\n", "utf-8")
    return desk_on(write(folder, POST), tmp_path / "home", database_url)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[App]:
    app = new_desk(tmp_path, f"sqlite:///{tmp_path}/desk.sqlite3")
    with closing(app.journal):
        yield app


@pytest.fixture
def either_desk(tmp_path: Path, database_url: str) -> Iterator[App]:
    """The same on each database."""
    app = new_desk(tmp_path, database_url)
    with closing(app.journal):
        yield app


@contextmanager
def started_again(app: App) -> Iterator[App]:
    """A desk that reads the folder now, on the same database."""
    knowledge = load(app.settings.knowledge)
    again = desk_on(knowledge, app.settings.home, app.settings.database_url)
    with closing(again.journal):
        yield again


def ask(app: App, text: str = QUESTION, key: str = "jane") -> int:
    """A mail that somebody writes; the number of its message."""
    message = app.desk.store_message(received(text, key, sender=f"{key}@people.example"))
    assert message
    app.desk.decide_message(message)
    app.desk.deliver()
    return message


def answered(
    app: App, own: str = LETTER, *, text: str = QUESTION, key: str = "jane",
    action: CaseAction = CaseAction.EDITED,
) -> int:  # fmt: skip
    """A case that Ana has answered; its number."""
    case = app.journal.cases.read(app.journal.cases.find_number(ask(app, text, key)))
    assert case
    assert app.desk.resolve(case.id, actor=ANA, action=action, text=own)
    return case.id


def in_use(app: App, case: int) -> TeamAnswer:
    """The answer of a case, proposed by Ana and approved by Bob."""
    app.team_answer_review.propose(case, actor=ANA)
    tried = app.team_answer_review.try_out(case)
    return app.team_answer_review.approve(case, actor=BOB, digest=tried.digest)


@dataclass(kw_only=True)
class Terminal:
    """Runs `knowledge answers` on a desk as one person or another."""

    app: App
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, who: str, *words: str) -> tuple[int, str]:
        """The exit code and all that was said."""
        self.monkeypatch.setattr("bot.commands.terminal.open_app", lambda **_: self.app)
        self.monkeypatch.setenv("LOGNAME", who)
        code = main(["knowledge", "answers", *words])
        said = self.capsys.readouterr()
        return code, said.out + said.err


def test_two_people_take_an_answer_in_and_others_get_it_until_it_is_withdrawn(
    either_desk: App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = str(answered(either_desk))
    at = Terminal(app=either_desk, monkeypatch=monkeypatch, capsys=capsys)
    assert at.run("ana", "propose", case)[0] == 0
    waiting = either_desk.team_answer_review.read(int(case))
    assert waiting
    assert (waiting.question, waiting.answer) == (QUESTION, ANSWER), "without greeting and close"
    assert QUESTION not in {p.heading for p in load(either_desk.settings.knowledge).offered}
    code, said = at.run("bob", "approve", case, "--yes")
    assert (code, ANSWER in said, said.endswith(f"{NEXT}\n")) == (0, True, True)
    with started_again(either_desk) as now:
        at.app = now
        ask(now, key="tom")
        text = sent_to(now)["tom@people.example"]
        assert "No, we do not pay for locks." in text
        assert f"Source: our support team, {waiting.answered_at[:10]}" in text
        assert "published about your question" not in text
        assert now.journal.corrections.list_kinds() == {
            (f"team-{case}", "", waiting.passage.version): ChangeKind.WORDING
        }, "it corrects nothing that was said before"
        assert at.run("eve", "withdraw", case) == (0, f"{NEXT_WITHDRAWN}\n")
        ask(now, key="zoe")
        assert "locks" not in sent_to(now)["zoe@people.example"]
        told = {entry.recipient: entry.why for entry in recall_of(now).find()}
        assert told == {
            "jane@people.example": OutdatedReason.GONE,
            "tom@people.example": OutdatedReason.GONE,
        }


def test_the_terminal_says_what_can_be_done_and_what_cannot(
    desk: App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = str(answered(desk))
    at = Terminal(app=desk, monkeypatch=monkeypatch, capsys=capsys)
    for words, code, says in (
        ((), 0, "no answer of the support team"), (("propose",), 2, "say of which case"),
        (("approve", case), 2, "no answer of case"), (("withdraw", case), 2, "no answer of case"),
        (("propose", case), 0, "waits for a second person"), (("propose", case), 2, "already in"),
        ((), 0, "not tried yet"), (("try", case), 0, "it may be used"),
        (("approve", case, "--yes"), 2, "somebody else has to approve"),
        (("--json",), 0, '"approved_by": ""'), (("reject", case), 0, "is deleted"),
        (("reject", case), 2, "no answer of case"),
    ):  # fmt: skip
        got, said = at.run("ana", *words)
        assert (got, says in said) == (code, True), (words, said)


def sent_to(app: App) -> dict[str, str]:
    """The last mail to each address."""
    answers = app.journal.corrections.list_sent_answers()
    return {each.recipient: text_of(each.body) for each in answers}


def recall_of(app: App) -> Recall:
    return Recall(
        knowledge=app.knowledge, journal=app.journal, responder=app.responder,
        outbound=app.outbound, compose=app.desk.compose,
    )  # fmt: skip


def test_what_was_decided_before_a_withdrawal_does_not_leave_after_it(desk: App) -> None:
    case = answered(desk)
    day = in_use(desk, case).answered_at[:10]
    knowledge = load(desk.settings.knowledge)
    responder, outbound = responder_of(knowledge), Outbound(knowledge)
    reply = compose_reply(responder.respond(Message(text=QUESTION)), knowledge)
    assert outbound.check(reply).allowed
    for before, after in (
        ("our support team", "the press office"), ("Source: our support team", "Source: T"),
        (day, "2001-01-01"), ("Your address was not", "Your address was"),
    ):  # fmt: skip
        assert not outbound.check(reply.replace(before, after)).allowed, after
    assert ANSWER not in knowledge.own_words.without(reply)
    desk.team_answer_review.withdraw(case, actor=BOB)
    assert "withdrawn" in outbound.check(reply).why
    (outcome_now,) = responder.respond(Message(text=QUESTION)).outcomes
    assert (outcome_now.reason, outcome_now.candidates) == ("unsure", ())
    assert outcome_now.probability == 0, "that of the withdrawn answer says nothing of others"


def test_only_a_persons_own_words_as_they_were_sent_can_be_taken_in(desk: App) -> None:
    waits = desk.journal.cases.find_number(ask(desk, "Is there a phone number?", "open"))
    two = answered(desk, text=f"{QUESTION} And will you pay for my dog?", key="two")
    case = answered(desk)
    store = desk.team_answer_review
    with pytest.raises(InputError, match="there is no case 99"):
        store.propose(99, actor=ANA)
    with pytest.raises(InputError, match="own words"):
        store.propose(waits, actor=ANA)
    with pytest.raises(InputError, match="several things"):
        store.propose(two, actor=ANA)
    assert store.propose(two, actor=ANA, question=QUESTION).question == QUESTION
    with pytest.raises(InputError, match="whole sentences"):
        store.propose(case, actor=ANA, answer="Yes, we pay for locks.")
    assert store.propose(case, actor=ANA, answer=ANSWER[:27]).answer == ANSWER[:28]
    assert [a.case for a in store.list_all()] == [two, case]


def test_what_names_a_person_leads_elsewhere_or_holds_a_secret_is_not_taken_in(desk: App) -> None:
    wrong = {
        "names a person": "Write to tom.person@mail.example or call +49 170 5550199 now.",
        "which is on no list": "See https://elsewhere.example/locks for it.",
        "looks like a secret": f"Use sk-{KEY} for it.",
        "ask for a password": "Please send us your password, so that we can look.",
    }
    for number, (says, text) in enumerate(wrong.items()):
        case = answered(desk, text, key=f"k{number}")
        with pytest.raises(InputError, match=says):
            desk.team_answer_review.propose(case, actor=ANA)
    assert desk.team_answer_review.list_all() == ()


def test_an_answer_is_approved_as_it_was_shown_and_tried_by_another_person(desk: App) -> None:
    case, store = answered(desk), desk.team_answer_review
    made = store.propose(case, actor=ANA)
    with pytest.raises(InputError, match="not been tried"):
        store.approve(case, actor=BOB, digest=made.digest)
    tried = store.try_out(case)
    assert tried.trial
    assert tried.trial.faults == ()
    with pytest.raises(InputError, match="somebody else"):
        store.approve(case, actor=ANA, digest=made.digest)
    edited = tried.model_copy(update={"answer": "Yes, we pay for locks."})
    write_team_answer(store.folder, edited)
    with pytest.raises(InputError, match="has been edited"):
        store.approve(case, actor=BOB, digest=made.digest)
    with pytest.raises(InputError, match="not been tried"):
        store.approve(case, actor=BOB, digest=edited.digest)
    write_team_answer(
        store.folder, tried.model_copy(update={"question": "Was my password copied?"})
    )
    again = store.try_out(case)
    assert again.trial
    assert any("answers this question already" in each for each in again.trial.faults)
    with pytest.raises(InputError, match="may not be used"):
        store.approve(case, actor=BOB, digest=again.digest)


def test_who_works_alone_approves_alone_and_a_rejected_answer_can_be_proposed_again(
    desk: App,
) -> None:
    case, store = answered(desk), desk.team_answer_review
    store.propose(case, actor=ANA)
    store.reject(case, actor=BOB)
    assert not list((store.folder / FOLDER).glob("*"))
    alone = TeamAnswerReview(
        knowledge=store.knowledge, journal=desk.journal, home=store.home,
        try_answer=desk.try_team_answer, alone=True,
    )  # fmt: skip
    alone.propose(case, actor=ANA)
    assert alone.approve(case, actor=ANA, digest=alone.try_out(case).digest).usable


def test_after_a_crash_the_same_act_is_finished(either_desk: App) -> None:
    desk = either_desk
    case, store = answered(desk), desk.team_answer_review
    store.propose(case, actor=ANA)
    tried = store.try_out(case)
    done = {"state": TeamAnswerState.APPROVED, "approved_by": BOB, "approved_at": "2026-01-05"}
    write_team_answer(store.folder, tried.model_copy(update=done))  # as far as a crash let it
    (store.folder / FOLDER / f"case-{case}.yaml.1.part").write_text("half", "utf-8")
    assert desk.journal.corrections.list_kinds() == {}
    with pytest.raises(InputError, match="approved already; to take it back, withdraw it"):
        store.approve(case, actor=ANA, digest=tried.digest)
    with pytest.raises(InputError, match="approved already; to take it back, withdraw it"):
        store.reject(case, actor=ANA)
    assert store.approve(case, actor=BOB, digest=tried.digest).approved_at == "2026-01-05"
    assert len(desk.journal.corrections.list_kinds()) == 1
    first = store.withdraw(case, actor=BOB)
    assert store.withdraw(case, actor=ANA).withdrawn_by == first.withdrawn_by
    assert ChangeKind.GONE in desk.journal.corrections.list_kinds().values()
    assert [a.state for a in store.list_all()] == [TeamAnswerState.WITHDRAWN]


def test_files_that_people_break_or_edit_are_left_out_and_named(desk: App) -> None:
    case = answered(desk)
    used = in_use(desk, case)
    folder = desk.settings.knowledge
    team = [p for p in load(folder).offered if p.source is PassageSource.TEAM]
    assert [p.heading for p in team] == [QUESTION]
    (folder / FOLDER / "case-77.yaml").write_text("question: [", "utf-8")
    (folder / FOLDER / "mine.yaml").write_text("question: what\n", "utf-8")
    write_team_answer(folder, used.model_copy(update={"answer": "Yes, we do."}))
    now = load(folder)
    assert [p for p in now.offered if p.source is PassageSource.TEAM] == []
    said = "\n".join(now.warnings)
    assert "case-77.yaml, line 2: not valid YAML (a bracket that is not closed?)" in said
    assert "mine.yaml: `case`, `answer`" in said
    assert f"case-{case}.yaml is approved and left out" in said


def test_a_file_that_cannot_be_read_is_named_by_every_command_and_never_replaced(
    desk: App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = answered(desk)
    in_use(desk, case)
    path = desk.settings.knowledge / FOLDER / f"case-{case}.yaml"
    broken = path.read_text("utf-8").replace("answer: ", 'answer: "', 1)
    path.write_text(broken, "utf-8")
    at = Terminal(app=desk, monkeypatch=monkeypatch, capsys=capsys)
    says = f"{path}, line "
    assert says in at.run("eve")[1]
    for verb in ("propose", "try", "approve", "reject", "withdraw"):
        code, said = at.run("eve", verb, str(case), "--yes")
        assert (code, says in said, "Mend the file" in said) == (2, True, True), (verb, said)
    assert path.read_text("utf-8") == broken
    assert not desk.team_answer_review.is_gone(case)


@pytest.mark.parametrize("name", [".#case-{}.yaml", "._case-{}.yaml", ".case-{}.yaml.swp"])
def test_what_an_editor_puts_beside_a_file_is_no_answer(desk: App, name: str) -> None:
    case = answered(desk)
    path = desk.settings.knowledge / FOLDER / name.format(case)
    in_use(desk, case)
    path.symlink_to("ana@host.4711")  # as Emacs marks a file that is being edited
    assert desk.team_answer_review.list_faults() == ()
    (desk.settings.knowledge / FOLDER / f"case-{case} (copy).yaml").write_bytes(
        path.with_name(f"case-{case}.yaml").read_bytes()
    )
    (fault,) = desk.team_answer_review.list_faults()
    assert f"the answer of case {case} stands in case-{case}.yaml. Delete this copy" in fault


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Will you pay for the lock of Miller?", "Miller"),  # behind the greeting of the reply
        ("Did Ruiz pay for a new lock?", "Ruiz"),  # who answered, below the closing phrase
        ("Will you pay for the lock of Zoe Okafor?", "Okafor"),  # the address of the asker
        ("Will you pay for the lock of our Berthold?", "Berthold"),  # who signed the question
    ],
)
def test_the_people_of_a_conversation_are_not_named_to_others(
    desk: App, question: str, name: str
) -> None:
    asks = f"{QUESTION}\n\nThank you,\nBerthold"
    case = answered(desk, text=asks, key="zo.okafor")
    with pytest.raises(InputError, match=f"the question names “{name}”"):
        desk.team_answer_review.propose(case, actor=ANA, question=question)
    made = desk.team_answer_review.propose(case, actor=ANA, question=QUESTION)
    write_team_answer(desk.settings.knowledge, made.model_copy(update={"question": question}))
    edited = desk.team_answer_review.try_out(case)
    with pytest.raises(InputError, match=name):
        desk.team_answer_review.approve(case, actor=BOB, digest=edited.digest)


def test_an_own_words_label_does_not_deny_what_waits_to_answer(desk: App) -> None:
    case = answered(desk)
    (label,) = desk.label_review.propose()
    assert desk.label_review.accept([label.number], actor=BOB) == 1
    learned = desk.settings.knowledge / "exercises" / "learned.yaml"
    assert "label-" in learned.read_text("utf-8")
    later = answered(desk, key="tom")
    desk.team_answer_review.propose(later, actor=ANA)
    assert desk.label_review.propose() == ()
    in_use(desk, case)
    assert "label-" not in learned.read_text("utf-8")


def test_an_erased_person_leaves_no_proposal_and_no_name(either_desk: App, tmp_path: Path) -> None:
    desk = either_desk
    mine, used, named = (
        answered(desk, key="jane"), answered(desk, key="jane2"),
        answered(desk, "Tell Karla Ostrow that we do not pay.", key="other"),
    )  # fmt: skip
    in_use(desk, used)
    desk.team_answer_review.propose(mine, actor=ANA)
    desk.team_answer_review.propose(named, actor=ANA)
    held = find_personal_data(desk, [], ["jane@people.example", "Karla Ostrow"])
    assert held.count()["answers in the knowledge"] == 2
    export_personal_data(desk, held, tmp_path / "given")
    given = json.loads((tmp_path / "given" / "export.json").read_text("utf-8"))
    assert [row["case"] for row in given["answers_in_the_knowledge"]] == [mine]
    erase_personal_data(desk, held)
    assert [a.case for a in desk.team_answer_review.list_all()] == [used]
    waits = answered(desk, key="kim")
    desk.team_answer_review.propose(waits, actor=ANA)
    assert desk.team_answer_review.forget_erased() == 0
    with writing(desk.journal.engine) as db:  # as the retention does
        db.execute(sql.update(outcome).values(question=""))
    assert desk.team_answer_review.forget_erased() == 1
    assert [a.case for a in desk.team_answer_review.list_all()] == [used], "nobody is named in it"


def test_an_answer_approved_while_its_asker_is_erased_stays(desk: App) -> None:
    """Somebody says yes to the list at the terminal after Bob has clicked."""
    case = answered(desk)
    digest = tried_out(desk, case)
    held = find_personal_data(desk, [], ["jane@people.example"])
    desk.team_answer_review.approve(case, actor=BOB, digest=digest)
    erase_personal_data(desk, held)
    assert [a.state for a in desk.team_answer_review.list_all()] == [TeamAnswerState.APPROVED]


def test_an_answer_approved_while_old_questions_are_forgotten_is_not_half_gone(
    desk: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, store = answered(desk), desk.team_answer_review
    digest = tried_out(desk, case)
    with writing(desk.journal.engine) as db:  # as the retention does
        db.execute(sql.update(outcome).values(question=""))
    beside = Beside(lambda: store.approve(case, actor=BOB, digest=digest))
    lock = desk.settings.home / LOCK
    after_call(
        monkeypatch, desk.journal.labels, "list_asked",
        lambda: beside.begin(lambda: is_waited_for(lock)),
    )  # fmt: skip
    assert store.forget_erased() == 1
    beside.end()
    assert [type(error) for error in beside.raised] == [InputError], "Bob is told that it is gone"
    assert desk.journal.corrections.list_kinds() == {}


def tried_out(app: App, case: int) -> str:
    """Propose the answer of a case and try it; its digest."""
    app.team_answer_review.propose(case, actor=ANA)
    return app.team_answer_review.try_out(case).digest


def test_an_answer_in_another_language_goes_to_those_who_read_it(desk: App) -> None:
    case = answered(desk)
    used = in_use(desk, case)
    write_team_answer(desk.settings.knowledge, used.model_copy(update={"language": "fr"}))
    knowledge = load(desk.settings.knowledge)
    passage = knowledge.passages[f"team-{case}"]
    assert knowledge.speaks(passage, "fr")
    assert not knowledge.speaks(passage, "en")
    response = responder_of(knowledge).respond(Message(text=QUESTION))
    assert [o.reason for o in response.outcomes] == ["unsure"]


def test_the_last_lines_name_whose_words_a_reply_has_in_every_language(desk: App) -> None:
    case = answered(desk)
    in_use(desk, case)
    knowledge = load(desk.settings.knowledge)
    outbound = Outbound(knowledge)
    of_team, of_post = knowledge.passages[f"team-{case}"], knowledge.passages[PASSWORD]
    quotes = {
        ReplySources.TEAM: (of_team,), ReplySources.POST: (of_post,),
        ReplySources.BOTH: (of_team, of_post),
    }  # fmt: skip
    for language, templates in knowledge.templates.items():
        assert len(set(templates.footers.values())) == len(ReplySources), language
        for sources, passages in quotes.items():
            response = Response(
                outcomes=(build_answer(*passages),), language=language, knowledge=""
            )
            text = compose_reply(response, knowledge)
            footer = templates.footers[sources]
            assert text.endswith(f"\n\n{footer}\n")
            assert (templates.source_team in text) == (sources is not ReplySources.POST)
            assert outbound.check(text).allowed
            for other in set(templates.footers.values()) - {footer}:
                assert not outbound.check(text.replace(footer, other)).allowed
            drafted = sign_draft(text, templates.footers.values(), language)
            assert footer not in drafted


def test_a_footer_of_a_folders_own_says_for_each_source_what_it_stands_for(desk: App) -> None:
    replies = desk.settings.knowledge / "replies"
    replies.mkdir(exist_ok=True)
    (replies / "en.yaml").write_text("footer: 'Say \"person\".'\n", "utf-8")
    assert set(load(replies.parent).templates["en"].footers.values()) == {'Say "person".'}
    (replies / "en.yaml").write_text("footer_sources:\n  post: from the post\n", "utf-8")
    with pytest.raises(KnowledgeError, match=r"en\.yaml: footer_sources lacks both, team"):
        load(replies.parent)
