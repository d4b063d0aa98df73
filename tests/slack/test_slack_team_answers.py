"""A person's answer goes into the knowledge by clicks of two people, and out of it by one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bot.app import App
from bot.channels.slack.handlers.team_answer_handler import PROPOSED
from bot.channels.slack.team_answer_posts import TeamAnswerPosts
from bot.channels.slack.views.team_answer_views import render_answer
from bot.corpus.team_answers import (
    FOLDER,
    TeamAnswer,
    TeamAnswerState,
    Trial,
)
from bot.desk import Desk
from bot.errors import MissingError
from bot.staff.team_answer_review import TeamAnswerReview
from tests.servers.slack_limits import limits
from tests.servers.slack_side import ALICE, BOB, EVE, SlackSide
from tests.support.slack_stand import UNSURE, Stand, standing

ANSWER = "We do not name our lawyers. They are paid by the company, not by its customers."
LETTER = f"Hello Ms Miller,\n\n{ANSWER}\n\nBest regards,\nAlice Ng"
MISSING = "the model files are missing"


class Trying:
    """Tries answers without a model: each as it is told to."""

    def __init__(self) -> None:
        self.faults: tuple[str, ...] = ()
        self.missing = False

    def __call__(self, answer: TeamAnswer) -> Trial:
        if self.missing:
            raise MissingError(MISSING)
        return Trial(
            of=answer.digest, at="2026-01-05T09:00:00+00:00", questions=600, answers_itself=True,
            faults=self.faults,
        )  # fmt: skip


@contextmanager
def taking(app: App, tmp_path: Path, side: SlackSide, trying: Trying) -> Iterator[Stand]:
    """A desk with a knowledge folder of its own for what it takes in."""
    folder = tmp_path / "knowledge"
    folder.mkdir()
    knowledge = replace(app.knowledge, folder=folder)

    def answers(desk: Desk) -> TeamAnswerReview:
        return TeamAnswerReview(
            knowledge=knowledge, journal=desk.journal, home=tmp_path, try_answer=trying
        )

    with standing(app, tmp_path, side, "http", team_answers=answers) as made:
        yield made


def answers_of(stand: Stand) -> TeamAnswerReview:
    posts = stand.slack.team_answer_posts
    assert posts
    return posts.answers


def typed(question: str, answer: str) -> dict[str, object]:
    return {"text_0": {"text": {"value": question}}, "text_1": {"text": {"value": answer}}}


def proposed(stand: Stand) -> int:
    """A case whose answer Alice has sent and proposes."""
    case = stand.case()
    stand.reply(ALICE, case, LETTER)
    stand.until(lambda: stand.button_values("take"))
    window = stand.window(ALICE, "take", case)
    done = stand.side.submit(ALICE, window, typed(UNSURE, ANSWER))
    assert done["view"]["blocks"][0]["text"]["text"] == PROPOSED
    return case


def test_the_window_takes_what_was_sent_once_and_shows_no_name(
    app: App, tmp_path: Path, side: SlackSide
) -> None:
    with taking(app, tmp_path, side, Trying()) as stand:
        case = stand.case()
        assert not stand.button_values("take"), "nobody has answered"
        stand.reply(ALICE, case, LETTER)
        stand.until(lambda: stand.button_values("take"))
        stand.says(EVE, "take", stand.value(case), "staff list")
        window = stand.window(ALICE, "take", case)
        shown = json.dumps(window)
        assert (UNSURE in shown, "Miller" in shown) == (True, False)
        wrong = side.submit(ALICE, window, typed(UNSURE, "We name our lawyers."))
        assert "whole sentences" in json.dumps(wrong)
        named = side.submit(ALICE, window, typed("Which law firm does Miller have?", ANSWER))
        assert list(named["errors"]) == ["text_0"], "what is wrong stands below its field"
        assert "names “Miller”" in named["errors"]["text_0"]
        done = side.submit(ALICE, window, typed(UNSURE, ANSWER))
        assert side.submit(ALICE, window, typed(UNSURE, ANSWER)) == done, "sent twice by Slack"
        stand.says(BOB, "take", stand.value(case), "already in")
        assert len(answers_of(stand).list_all()) == 1


def test_another_person_approves_by_a_click_and_anybody_withdraws(
    app: App, tmp_path: Path, side: SlackSide
) -> None:
    with taking(app, tmp_path, side, Trying()) as stand:
        case = proposed(stand)
        stand.until(lambda: stand.shows("Tried beside 600 labelled questions: it may be used"))
        stand.until(lambda: stand.button_values("answer_approve"))
        (value,) = stand.button_values("answer_approve")
        stand.says(ALICE, "answer_approve", value, "somebody else has to approve it")
        stand.says(BOB, "answer_approve", f"{case}:other", "has been edited")
        stand.says(EVE, "answer_approve", value, "staff list")
        side.click(BOB, "answer_approve", value)
        stand.until(lambda: stand.shows(f"<@{BOB}> has approved it"))
        assert not stand.button_values("answer_approve")
        (used,) = answers_of(stand).list_all()
        assert (used.approved_by, used.usable) == (f"slack:{BOB}", True)
        stand.says(BOB, "answer_reject", value, "to take it back, withdraw it")
        side.click(ALICE, "answer_withdraw", stand.button_values("answer_withdraw")[0])
        stand.until(lambda: stand.shows(f"<@{ALICE}> has withdrawn it"))
        assert [a.state for a in answers_of(stand).list_all()] == [TeamAnswerState.WITHDRAWN]
        assert len(stand.mails()) == 1, "nothing was sent but the answer itself"


def test_what_failed_its_trial_or_was_not_tried_has_no_button_to_approve_and_can_be_rejected(
    app: App, tmp_path: Path, side: SlackSide
) -> None:
    trying = Trying()
    trying.missing = True
    with taking(app, tmp_path, side, trying) as stand:
        case = proposed(stand)
        stand.until(lambda: stand.shows(MISSING))
        assert not stand.button_values("answer_approve")
        trying.missing, trying.faults = False, ("3 of 600 labelled questions would get it",)
        answers_of(stand).try_out(case)
        stand.until(lambda: stand.shows("3 of 600 labelled questions would get it"))
        assert not stand.button_values("answer_approve")
        (value,) = stand.button_values("answer_reject")
        side.click(BOB, "answer_reject", value)
        stand.until(lambda: stand.shows(f"<@{BOB}> has rejected it"))
        assert not list((tmp_path / "knowledge" / FOLDER).glob("*"))
        stand.says(ALICE, "answer_reject", value, "no answer of case")


def test_a_card_that_a_crash_kept_from_being_drawn_is_drawn_at_the_next_start(
    app: App, tmp_path: Path, side: SlackSide
) -> None:
    with taking(app, tmp_path, side, Trying()) as stand:
        answers = answers_of(stand)
        journal = stand.desk.journal
        case = stand.case()
        stand.reply(ALICE, case, LETTER)
        made = answers.propose(case, actor=f"slack:{ALICE}")
        stand.until(lambda: stand.button_values("answer_approve"))
        stand.slack.close()  # killed; and what follows happens before it starts again
        answers.approve(case, actor=f"slack:{BOB}", digest=made.digest)
        assert not stand.shows("has approved it")
        posts = TeamAnswerPosts(journal, answers, channel=side.triage)
        posts.work()
        stand.until(lambda: shows_after_posting(stand, "has approved it"))
        file = answers.folder / FOLDER / f"case-{case}.yaml"
        whole = file.read_text("utf-8")
        file.write_text(whole.replace("answer: ", 'answer: "', 1), "utf-8")
        assert "Mend the file" in posts.act("answer_reject", f"{case}:x", actor="slack:U1")
        assert not stand.shows("It is not there any more"), "a broken file is not gone"
        file.unlink()
        assert "Nothing was changed" in posts.act("answer_reject", f"{case}:x", actor="slack:U1")
        gone = "It is not there any more"
        stand.until(lambda: shows_after_posting(stand, gone))


def shows_after_posting(stand: Stand, text: str) -> bool:
    """Make the posts that wait, as no thread does, and look for a text."""
    stand.slack.outbox_worker.drain()
    return stand.shows(text)


def test_cards_of_answers_hold_slacks_limits() -> None:
    long = ("a <b> & *c* " * 400)[:2_000]
    answer = TeamAnswer(
        case=7, question=long[:300], answer=long, language="en", answered_by="slack:U1",
        answered_at="2026-01-05T09:00:00+00:00", proposed_by="terminal", proposed_at="x",
    )  # fmt: skip
    remarks = tuple(long[:400] for _ in range(20))
    trial = Trial(
        of=answer.digest, at="", questions=1, answers_itself=False, remarks=remarks, faults=remarks
    )
    for state in TeamAnswerState:
        for tried in (None, trial):
            drawn = render_answer(answer.model_copy(update={"state": state, "trial": tried}))
            assert limits(drawn.blocks) == ""
