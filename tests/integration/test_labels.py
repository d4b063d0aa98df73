"""What people answered is learned once two of them agree, and forgotten with the person who asked."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sql
from typing_extensions import override

from bot.adapters.bm25 import BM25
from bot.answering.responder import Responder
from bot.app import App
from bot.channels.slack.handlers.label_handler import NONE_WAIT, LabelHandler
from bot.cli import main
from bot.commands.privacy import erase_personal_data, find_personal_data
from bot.corpus import Knowledge, load, records_of
from bot.corpus.learned import LEARNED, read_numbers
from bot.corpus.messages import MessageKind
from bot.domain import Escalation, EscalationReason, Message, Priority, Response
from bot.errors import InputError
from bot.journal import CaseAction
from bot.journal.engine import writing
from bot.journal.tables import outcome
from bot.settings import Settings
from bot.staff import label_review
from bot.staff.case_rows import name_topics
from bot.staff.label_review import LabelReview
from tests.servers.slack_limits import view_limits
from tests.support.desk_messages import received
from tests.support.fakes import VerbatimJudge
from tests.support.interleaving import before_call
from tests.support.small_post import CLOSED, HAPPENED, PASSWORD, POST, write

ANA, BOB = "slack:U0ANA", "slack:U0BOB"
QUESTION = "did they get my login details"


class UnsureResponder(Responder):
    """Hands every message over with the same two candidates."""

    candidates = (PASSWORD, CLOSED)

    @override
    def respond(self, message: Message, explain: object = None) -> Response:
        passages = tuple(self.knowledge.passages[i] for i in self.candidates)
        asked = Escalation(
            question=message.text, reason=EscalationReason.UNSURE, priority=Priority.NORMAL,
            probability=0.5, candidates=passages,
        )  # fmt: skip
        return Response(outcomes=(asked,), language="en", knowledge=self.knowledge.version)


def unsure(knowledge: Knowledge) -> UnsureResponder:
    return UnsureResponder(
        knowledge=knowledge, retriever=BM25(records_of(knowledge)), judge=VerbatimJudge(knowledge)
    )


@pytest.fixture
def desk(tmp_path: Path, database_url: str) -> Iterator[App]:
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "knowledge" / "notes.yaml").write_text("links: ['https://x.example/p']\n", "utf-8")
    knowledge = write(tmp_path / "knowledge", POST)
    settings = Settings(
        home=tmp_path / "home", knowledge=knowledge.folder, database_url=database_url,
        slack_staff="U0ANA,U0BOB",
    )  # fmt: skip
    app = App(settings, knowledge=knowledge, responder=unsure(knowledge))
    with closing(app.journal):
        yield app


def answer(
    app: App, text: str = QUESTION, *, action: CaseAction = CaseAction.APPROVED, own: str = ""
) -> int:
    """A message, and Ana's answer to it: the draft, or her own text. Returns the message's id."""
    key = str(len(app.journal.cases.list_open_ids()) + hash(text) % 10**6)
    message = app.desk.store_message(received(text, key, sender=f"{key}@x.example"))
    assert message
    app.desk.decide_message(message)
    case = app.journal.cases.read(app.journal.cases.find_number(message))
    assert case
    assert case.can_approve
    assert app.desk.resolve(case.id, actor=ANA, action=action, text=own or case.draft)
    return message


def draft_with(app: App, *passages: str) -> str:
    """What the desk would draft with these passages."""
    app.responder.candidates = passages  # type: ignore[attr-defined]
    message = app.desk.store_message(received("another", "another", sender="o@x.example"))
    assert message
    app.desk.decide_message(message)
    app.responder.candidates = UnsureResponder.candidates  # type: ignore[attr-defined]
    case = app.journal.cases.read(app.journal.cases.find_number(message))
    assert case
    return case.draft


def test_an_approved_draft_is_learned_once_a_second_person_agrees(desk: App) -> None:
    answer(desk, "Hello,\n\ndid they get my login details?\n\nBest regards,\nJane Miller")
    (label,) = desk.label_review.propose()
    assert label.passages == (PASSWORD, CLOSED)
    assert (label.answered_by, "Miller" in label.question) == (ANA, False)
    with pytest.raises(InputError, match="somebody else has to agree"):
        desk.label_review.accept([label.number], actor=ANA)
    assert desk.label_review.accept([label.number], actor=BOB) == 1
    assert desk.label_review.propose() == ()
    (learned,) = load(desk.settings.knowledge).exercises
    assert learned.gold == ((PASSWORD, CLOSED),)
    assert learned.text.split() == label.question.split()
    with pytest.raises(InputError, match="no label that waits"):
        desk.label_review.accept([label.number], actor=BOB)


def test_a_label_rejected_while_another_person_agrees_is_not_learned(
    desk: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob calls it wrong between Eve's look at the list and her click."""
    answer(desk)
    (label,) = desk.label_review.propose()
    before_call(
        monkeypatch, label_review, "append_labels",
        lambda: desk.label_review.reject([label.number], actor="bob"),
    )  # fmt: skip
    assert desk.label_review.accept([label.number], actor="eve") == 0
    assert read_numbers(desk.settings.knowledge) == frozenset()


def test_who_names_a_case_in_place_of_its_label_is_told_the_label(desk: App) -> None:
    answer(desk)
    with desk.journal.engine.begin() as db:
        db.exec_driver_sql("UPDATE outcome SET id=id+10")
    (label,) = desk.label_review.propose()
    assert label.case_id != label.number
    with pytest.raises(InputError, match=f"{label.case_id} is the number of a case; its label is"):
        desk.label_review.accept([label.case_id], actor=BOB)


def test_who_works_alone_may_agree_to_their_own_answers(desk: App) -> None:
    answer(desk)
    alone = LabelReview(
        knowledge=desk.knowledge, journal=desk.journal, outbound=desk.outbound, alone=True
    )
    (label,) = alone.propose()
    assert alone.accept([label.number], actor=ANA) == 1


def test_what_is_sent_word_for_word_answers_and_own_words_say_that_the_post_does_not(
    desk: App,
) -> None:
    other = draft_with(desk, HAPPENED)
    answer(desk, "four five six", action=CaseAction.EDITED, own=f"Dear Ana,\n\n{other}")
    assert desk.label_review.propose() == (), "passages among other words say nothing"
    answer(desk, "one two three", action=CaseAction.EDITED, own="No, they did not. Regards, Ana")
    answer(desk, "seven eight nine", action=CaseAction.EDITED, own=other)
    own_words, another_passage = desk.label_review.propose()
    assert own_words.passages == ()
    assert another_passage.passages == (HAPPENED,)
    numbers = (own_words.number, another_passage.number)
    assert desk.label_review.accept(numbers, actor=BOB) == len(numbers)
    silent, answered = load(desk.settings.knowledge).exercises
    assert (silent.kind, silent.gold) == (MessageKind.UNANSWERABLE, ())
    assert answered.gold == ((HAPPENED,),)


def test_a_passage_that_was_reworded_since_is_not_learned(desk: App, tmp_path: Path) -> None:
    answer(desk)
    reworded = POST.replace("No. Passwords are kept", "No. All passwords are kept")
    knowledge = write(tmp_path / "knowledge", reworded)
    now = LabelReview(knowledge=knowledge, journal=desk.journal, outbound=desk.outbound)
    (label,) = now.propose()
    assert label.passages == (CLOSED,)


def test_a_label_goes_with_the_text_of_who_asked_and_stays_away(desk: App) -> None:
    answer(desk)
    kept = answer(desk, "was the police called that day")
    numbers = [label.number for label in desk.label_review.propose()]
    assert desk.label_review.accept(numbers, actor=BOB) == 2
    with writing(desk.journal.engine) as db:  # as an erasure and the retention do
        db.execute(sql.update(outcome).where(outcome.c.message_id != kept).values(question=""))
    assert desk.label_review.forget_erased() == 1
    (learned,) = load(desk.settings.knowledge).exercises
    assert learned.text == "was the police called that day"
    assert desk.label_review.forget_erased() == 0


def test_an_erased_person_leaves_no_label_and_no_name_in_those_of_others(desk: App) -> None:
    answer(desk, "did they get my login details")
    answer(desk, "was Jane Miller told that the police called")
    answer(desk, "was the police called that day")
    numbers = [label.number for label in desk.label_review.propose()]
    assert desk.label_review.accept(numbers, actor=BOB) == 3
    asker = desk.journal.read_message(1).sender
    held = find_personal_data(desk, [], [asker, "Jane Miller"])
    assert held.count()["learned questions"] == 2
    assert erase_personal_data(desk, held).found["learned questions"] == 2
    (learned,) = load(desk.settings.knowledge).exercises
    assert learned.text == "was the police called that day"


ODD = (
    'quotes " and \\ and: # {braces} [a] - & * !tag %',
    "line\u2028breaks\x85and\ttabs\x07and\x1b[31mcolours",
    "emoji 🙂🏽 and הברית and 日本語の質問です",
    "\ufeffmark \u202eturned\u202c and \ud800 half",
)


def test_any_question_can_be_written_and_read_again(desk: App) -> None:
    for text in ODD:
        answer(desk, text.encode("utf-8", "replace").decode())
    numbers = [label.number for label in desk.label_review.propose()]
    assert desk.label_review.accept(numbers, actor=BOB) == len(ODD)
    learned = load(desk.settings.knowledge).exercises
    assert len(learned) == len(ODD)
    assert all(each.kind is MessageKind.ANSWERABLE for each in learned)


def test_in_slack_somebody_else_agrees_to_all_but_what_they_call_wrong(desk: App) -> None:
    handler = LabelHandler(desk.label_review, name_topics(desk.knowledge))
    assert handler.draw_modal(BOB) == NONE_WAIT
    answer(desk)
    answer(desk, "was the police called that day")
    assert handler.draw_modal(ANA) == NONE_WAIT, "she gave these answers herself"
    window = handler.draw_modal(BOB)
    assert isinstance(window, dict)
    drawn = json.dumps(window)
    assert QUESTION in drawn
    assert "Was my password copied?" in drawn
    assert desk.knowledge.passages[PASSWORD].text in drawn, "what was sent can be read"
    assert view_limits(window) == ""
    remembered = json.loads(window["private_metadata"])
    right, wrong = remembered["labels"]
    chosen = {"without": {"choice": {"selected_options": [{"value": str(wrong)}]}}}
    said = handler.submit({"state": {"values": chosen}}, remembered, BOB)
    assert "learns from 1 answer*" in json.dumps(said)
    (learned,) = load(desk.settings.knowledge).exercises
    assert learned.id == f"label-{right}"
    again = handler.submit({"state": {"values": chosen}}, remembered, BOB)
    assert "Nothing was changed now" in json.dumps(again)


def test_the_terminal_lists_accepts_and_rejects(
    desk: App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bot.commands.terminal.open_app", lambda **_: desk)
    assert main(["knowledge", "labels"]) == 0
    assert "no answered question waits" in capsys.readouterr().out
    answer(desk)
    answer(desk, "was the police called that day")
    first, second = (label.number for label in desk.label_review.propose())
    assert main(["knowledge", "labels"]) == 0
    shown = capsys.readouterr().out
    assert QUESTION in shown
    assert "Was my password copied?" in shown
    assert desk.knowledge.passages[PASSWORD].text[:60] in shown, "its words, not its heading alone"
    assert main(["knowledge", "labels", "--accept", "first"]) == 2
    assert main(["knowledge", "labels", "--accept", "all", "--reject", str(second)]) == 0
    assert "1 label is rejected" in capsys.readouterr().out
    content = (desk.settings.knowledge / LEARNED).read_text(encoding="utf-8")
    assert f'"label-{first}"' in content
    assert f'"label-{second}"' not in content
    assert main(["knowledge", "labels", "--json"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("command", [["knowledge", "labels"], ["queue"], ["gaps"]])
def test_a_command_in_the_wrong_folder_says_that_no_desk_has_kept_data_there(
    desk: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DESK_KNOWLEDGE", str(desk.settings.knowledge))
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "elsewhere"))
    main(command)
    assert f"no desk has kept data in {tmp_path / 'elsewhere'} yet" in capsys.readouterr().err
    main(command)
    assert "no desk has kept data" not in capsys.readouterr().err
