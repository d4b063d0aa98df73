"""The desk in a real browser: the whole way by keyboard, and what other pages try there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.app import App
from bot.corpus.team_answers import TeamAnswerState, Trial
from bot.infra.http_server import HttpPort, HttpResponse
from bot.settings import Settings
from bot.staff.case_actions import BROWSER_ACTOR, ReplyKind
from bot.staff.team_answer_review import TeamAnswerReview
from tests.support.chromium import Chromium, chromium, missing
from tests.support.web_stand import DOUBTFUL, HOSTILE, QUOTED, REPLY, UNSURE, Stand, web_stand

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "there")
PHONE, SCREEN = 390, 1200
PAGES = ("/", "/mails/1", "/queue", "/cases/1", "/cases/1/approve", "/cases/1/edit")


@pytest.fixture
def stand(app: App, settings: Settings) -> Iterator[Stand]:
    with web_stand(app, settings) as made:
        yield made


@pytest.fixture
def browser(stand: Stand) -> Iterator[Chromium]:
    """A browser of somebody who has opened the link."""
    with chromium() as made:
        made.open(stand.link)
        made.until("Waiting for a person")
        yield made


def base(stand: Stand) -> str:
    return stand.link.partition("/?")[0]


def test_from_the_users_mail_to_the_users_mail_by_keyboard(stand: Stand, browser: Chromium) -> None:
    assert browser.ask("location.href") == base(stand) + "/"
    assert browser.ask("document.cookie") == ""
    stand.receive(DOUBTFUL)
    browser.press("nav a", "Waiting for a person")
    browser.press(".row", "write to my customers now")
    browser.press("a", "Edit and send")
    browser.type("textarea", f"{REPLY}\nWrite me your password.")
    browser.press("button", "Next: check")
    browser.until("Look at this once more")
    browser.type("textarea", REPLY)
    browser.press("button", "Next: check")
    browser.until("Send this?")
    browser.press("button", "Send now")
    browser.until("The mail was handed over to the mail server.")
    assert stand.personal_mails() == [REPLY]


@pytest.fixture
def answers(stand: Stand, tmp_path: Path) -> TeamAnswerReview:
    """The answers of a folder of its own, after case 1 was answered in a person's own words."""
    made = stand.app.team_answer_review
    made.knowledge = replace(made.knowledge, folder=tmp_path)
    made.try_answer = lambda answer: Trial(
        of=answer.digest, at="2026-11-30", questions=321, answers_itself=True
    )
    stand.receive(DOUBTFUL)
    case = stand.case()
    assert stand.app.web
    assert stand.app.web.actions.send(
        case, ReplyKind.EDIT, actor=BROWSER_ACTOR, text=REPLY, version=case.version
    )
    assert stand.personal_mails() == [REPLY]
    return made


def test_an_answer_is_taken_into_the_knowledge_by_keyboard_and_withdrawn(
    stand: Stand, browser: Chromium, answers: TeamAnswerReview
) -> None:
    browser.open(f"{base(stand)}/cases/1")
    browser.press("a", "Take into the knowledge")
    browser.type("#answer", "we pay for your lawyer.")
    browser.press("button", "Propose it")
    browser.until("this was not sent so")
    browser.type("#answer", "we name no law firm.")
    browser.press("button", "Propose it")
    browser.until("It waits for a second person.")
    browser.press("button", "Try it")
    browser.until("Tried beside 321 labelled questions: it may be used")
    browser.press("button", "Approve")
    browser.until("It is approved.")
    (used,) = answers.list_all()
    assert (used.usable, used.answer) == (True, "we name no law firm.")
    browser.open(f"{base(stand)}/cases/1/take")
    browser.until(f"already in {answers.folder}/approved/case-1.yaml: it is approved")
    browser.size(PHONE)
    assert browser.ask("document.documentElement.scrollWidth") <= PHONE
    browser.press("summary", "Withdraw")
    browser.press("button", "Withdraw it")
    browser.until("It is not quoted any more.")
    assert answers.list_all()[0].state is TeamAnswerState.WITHDRAWN


def test_nobody_approves_what_they_proposed_or_what_was_edited_since(
    stand: Stand, browser: Chromium, answers: TeamAnswerReview
) -> None:
    answers.alone = False
    said = "we name no law firm."
    answers.propose(1, actor=BROWSER_ACTOR, answer=said)
    answers.try_out(1)
    browser.open(f"{base(stand)}/answers")
    browser.press("button", "Approve")
    browser.until("you proposed this answer; somebody else has to approve it")
    browser.press("summary", "Reject")
    browser.press("button", "Delete it")
    browser.until("None has been taken in yet.")
    answers.propose(1, actor="slack:U0ANA", answer=said, question="which law firm do you have?")
    answers.try_out(1)
    browser.open(f"{base(stand)}/answers")
    answers.reject(1, actor="slack:U0ANA")
    answers.propose(1, actor="slack:U0ANA", answer=said, question="who are your lawyers?")
    answers.try_out(1)
    browser.press("button", "Approve")
    browser.until("has been edited since it was shown")
    assert answers.list_all()[0].state is TeamAnswerState.PENDING


def test_the_pages_fit_a_phone_and_have_a_dark_form(stand: Stand, browser: Chromium) -> None:
    stand.receive(f"{UNSURE} {'x' * 300} https://a.example/{'y' * 300}")
    for path in PAGES:
        for width in (PHONE, SCREEN):
            browser.size(width)
            browser.open(base(stand) + path)
            assert browser.ask("document.documentElement.scrollWidth") <= width, path
    colours = []
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        browser.open(base(stand) + "/queue")
        colours.append(browser.ask("getComputedStyle(document.body).backgroundColor"))
    light, dark = (sum(map(int, each.strip("rgb()").split(","))) for each in colours)
    assert 4 * dark < light


def test_nothing_of_a_mail_runs_in_the_browser(stand: Stand, browser: Chromium) -> None:
    for number, each in enumerate(HOSTILE, 1):
        stand.receive(f"{each}\n{UNSURE}", number, subject=each)
    for number in range(1, len(HOSTILE) + 1):
        for path in (f"/mails/{number}", f"/cases/{number}", f"/cases/{number}/edit"):
            browser.open(base(stand) + path)
            assert "law firm" in browser.text()
            assert browser.ask("document.scripts.length + document.images.length") == 0
    assert browser.dialogs == []


def test_another_page_can_neither_frame_the_desk_nor_send_its_forms(
    stand: Stand, browser: Chromium
) -> None:
    stand.receive(UNSURE)
    version = stand.case().version
    page = (
        f"<iframe src='{base(stand)}/cases/1'></iframe><form method=post "
        f"action='{base(stand)}/cases/1/close'><input name=version value={version}></form>"
    ).encode()
    stranger = HttpPort(0)
    stranger.get("/", lambda: HttpResponse(body=page, kind="text/html"))
    stranger.start()
    try:
        for name in ("localhost", "127.0.0.1"):  # the second one gets the cookie along
            browser.open(f"http://{name}:{stranger.port}/")
            tree = browser.call("Page.getFrameTree")["frameTree"]
            frames = [each["frame"]["url"] for each in tree.get("childFrames", ())]
            assert frames == ["chrome-error://chromewebdata/"] * (name == "127.0.0.1")
            browser.ask("document.forms[0].submit()")
            browser.until("This form was sent by another page.")
        assert stand.case().open
    finally:
        stranger.stop()


def test_a_name_of_a_stranger_that_points_here_leads_nowhere(
    stand: Stand, browser: Chromium
) -> None:
    stand.receive(QUOTED)
    port = base(stand).rpartition(":")[2]
    browser.open(f"http://evil.localhost:{port}/mails/1")
    browser.until("Open the desk by the address that it printed")
    assert QUOTED not in browser.text()
