"""The desk in a browser, asked over its socket: what a person does there, and what others try."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import SMTP

import pytest
from pydantic import SecretStr

from bot.app import App
from bot.channels.slack.views.cards import BROWSER, mention
from bot.channels.web.access import HEADERS, MAX_SESSIONS, Access
from bot.channels.web.trial_mail import NOBODY, compose_trial_mail
from bot.channels.web.views import ago, preview_mail
from bot.commands.demo import LINK_FILE, _keep_link
from bot.errors import SettingsError
from bot.journal import CaseAction
from bot.settings import Settings
from bot.staff.case_actions import BROWSER_ACTOR
from tests.support.fakes import Time
from tests.support.ports import free_port
from tests.support.running_desk import app_with, local_mailbox, running
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until
from tests.support.web_client import Browser
from tests.support.web_stand import (
    DOUBTFUL,
    HOSTILE,
    QUOTED,
    REPLY,
    UNSURE,
    Stand,
    letter,
    told,
    web_stand,
)

PRESS = "I am a journalist with a daily paper. Please send me a statement by five."
PAGES = ("/", "/mails/1", "/queue", "/cases/1", "/cases/1/edit", "/cases/1/details")


@pytest.fixture
def stand(app: App, settings: Settings) -> Iterator[Stand]:
    with web_stand(app, settings) as made:
        yield made


@pytest.fixture
def browser(stand: Stand) -> Browser:
    """Somebody who is signed in."""
    return Browser(stand.link).enter()


def test_a_mail_stands_beside_its_reply_with_the_reason_in_words(
    stand: Stand, browser: Browser
) -> None:
    stand.receive(QUOTED)
    page = told(browser.get("/mails/1"))
    assert QUOTED in page
    assert "The published post answers this." in page
    assert re.search(r"\d+% probable .* answers by itself from \d+%", page)
    assert "Quoted from the post" in page
    assert "The desk replied by itself" in page
    assert "The mail was handed over to the mail server." in page
    assert "No rule of the mail filter speaks against an answer." in page
    assert "question 1" in told(browser.get("/"))


def test_a_draft_is_approved_after_a_last_look_and_goes_out_once(
    stand: Stand, browser: Browser
) -> None:
    stand.receive(DOUBTFUL)
    assert "write to my customers now" in told(browser.get("/queue"))
    draft = stand.case().draft
    look = browser.get("/cases/1/approve")
    assert " ".join(draft.split()) in told(look)
    assert "ana1@x.example" in told(look)
    done = browser.submit(look, "/cases/1/send")
    assert "It is on its way." in told(done)
    again = browser.submit(look, "/cases/1/send")
    assert "You have sent it already." in told(again)
    assert stand.personal_mails() == [draft.rstrip()]
    decision = stand.case().decision
    assert decision
    assert (decision.action, decision.actor) == (CaseAction.APPROVED, BROWSER_ACTOR)
    assert "You sent the draft as it was" in told(browser.get("/cases/1"))
    assert "answered by a person" in told(browser.get("/mails/1"))
    assert mention(BROWSER_ACTOR) == BROWSER


def test_own_words_go_out_as_they_were_shown_after_remarks_were_read(
    stand: Stand, browser: Browser
) -> None:
    stand.receive(UNSURE)
    risky = f"{REPLY}\n\nPlease send us your password, and see https://evil.example/x."
    form = browser.get("/cases/1/edit")
    remarks = browser.submit(form, "/cases/1/check", text=risky)
    assert remarks.status == 422
    assert "Look at this once more" in told(remarks)
    digest = re.search(r'name="read" value="(\w+)"', remarks.text)
    assert digest
    unread = browser.submit(remarks, "/cases/1/check", text=risky)
    assert unread.status == 422
    look = browser.submit(remarks, "/cases/1/check", text=risky, read=digest.group(1))
    assert "Send this?" in told(look)
    skipped = browser.submit(look, "/cases/1/send", read="")
    assert "Look at this once more" in told(skipped)
    assert stand.case().open
    changed = browser.post("/cases/1/again", look.form("/cases/1/send"))
    look = browser.submit(changed, "/cases/1/check", text=REPLY.replace("\n", "\r\n"))
    browser.submit(look, "/cases/1/send")
    assert stand.personal_mails() == [REPLY]


def test_a_text_that_cannot_go_is_shown_again_with_the_reason(
    stand: Stand, browser: Browser
) -> None:
    stand.receive(UNSURE)
    key = "sk-" + "proj-" + "".join(chr(97 + (7 * i) % 26) + str(i % 10) for i in range(24))
    form = browser.get("/cases/1/edit")
    for typed, says in (
        (" \n ", "Write something"), ("x" * 10_001, "a reply may have"), (key, "real API key"),
    ):  # fmt: skip
        page = browser.submit(form, "/cases/1/check", text=typed)
        assert page.status == 422
        assert says in told(page)
    assert not stand.personal_mails()


def test_a_question_back_leaves_the_case_open(stand: Stand, browser: Browser) -> None:
    stand.receive(UNSURE)
    form = browser.get("/cases/1/details")
    look = browser.submit(form, "/cases/1/check", text="When was it?")
    assert "The case stays open" in told(browser.submit(look, "/cases/1/send"))
    assert stand.personal_mails() == ["When was it?"]
    assert stand.case().open


def test_a_mail_is_taken_back_before_it_leaves(stand: Stand, browser: Browser) -> None:
    stand.hold(600.0)
    stand.receive(UNSURE)
    for kind in ("edit", "details"):
        form = browser.get(f"/cases/1/{kind}")
        look = browser.submit(form, "/cases/1/check", text=REPLY)
        assert "For 600 seconds you can still take it back" in told(look)
        sent = browser.submit(look, "/cases/1/send")
        assert "Undo: do not send" in told(sent)
        back = browser.submit(sent, "/cases/1/undo")
        assert "nothing was sent" in told(back)
        assert "/undo" not in back.text
        assert (stand.case().open, stand.case().owner) == (True, BROWSER_ACTOR)
        assert browser.submit(sent, "/cases/1/undo").status == 409
    assert not stand.personal_mails()


def test_a_mail_that_names_no_single_sender_can_only_be_closed(
    stand: Stand, browser: Browser
) -> None:
    stand.receive(UNSURE, 1, **{"from": "<b>Bob</b> <img src=x> <bob@x.example>"})
    page = browser.get("/cases/1")
    assert "The mail names no single sender" in told(page)
    assert "no single sender" in told(browser.get("/queue"))
    for kind in ("approve", "edit", "details"):
        assert f"/cases/1/{kind}" not in page.text
        assert browser.get(f"/cases/1/{kind}").status == 409
    assert "The case is closed" in told(browser.submit(page, "/cases/1/close", action="resolved"))


def test_a_case_is_taken_closed_and_reopened_without_a_mail(stand: Stand, browser: Browser) -> None:
    stand.receive(UNSURE)
    page = browser.submit(browser.get("/cases/1"), "/cases/1/claim")
    assert "You have it" in told(page)
    page = browser.submit(page, "/cases/1/close", action="not_ours")
    assert "The case is closed" in told(page)
    assert "Decided last" in told(browser.get("/queue"))
    page = browser.submit(page, "/cases/1/reopen")
    assert "open again" in told(page)
    page = browser.submit(page, "/cases/1/close", action="resolved")
    decision = stand.case().decision
    assert decision
    assert decision.action is CaseAction.RESOLVED
    assert "You closed it as another team's" in told(page), "what was done stays there to read"
    assert "closed by a person" in told(browser.get("/mails/1"))
    assert not stand.personal_mails()


def test_who_was_slower_is_told_and_keeps_their_text(stand: Stand, browser: Browser) -> None:
    stand.receive(UNSURE)
    look = browser.submit(browser.get("/cases/1/edit"), "/cases/1/check", text=REPLY)
    before = browser.get("/cases/1")
    stand.receive(
        "And one more thing.", 2, **{"from": "ana1@x.example", "in_reply_to": "<1@x.example>"}
    )
    for page in (
        browser.submit(look, "/cases/1/send"),
        browser.submit(before, "/cases/1/close", action="resolved"),
    ):
        assert page.status == 409
        assert "has changed since you opened it" in told(page)
    assert "we name no law firm." in browser.submit(look, "/cases/1/send").text
    assert stand.app.desk.resolve(1, actor="terminal", action=CaseAction.DISMISSED, text="")
    assert browser.get("/cases/1/edit").status == 409
    assert "Somebody at the terminal closed it" in told(browser.get("/cases/1"))
    assert not stand.personal_mails()


def test_a_case_that_no_draft_answers_cannot_be_approved(stand: Stand, browser: Browser) -> None:
    stand.receive(PRESS)
    page = browser.get("/cases/1")
    assert stand.case().reason == "press"
    assert "/approve" not in page.text
    assert "Call first: nobody is named for this" in told(page)
    assert "drafts like this one" not in told(page)
    assert "<textarea" in browser.get("/cases/1/edit").text
    assert not re.search(r"<textarea[^>]*>[^<]", browser.get("/cases/1/edit").text)
    assert "Press" in told(browser.get("/queue"))
    assert browser.get("/cases/1/approve").status == 409
    fields = browser.get("/cases/1/edit").form("/cases/1/check") | {"kind": "approve"}
    assert browser.post("/cases/1/send", fields).status == 409
    assert stand.case().open


def test_a_mail_can_be_written_to_the_desk(stand: Stand, browser: Browser) -> None:
    page = browser.get("/")
    browser.submit(
        page, "/mails", sender="joe@example.org", subject="Keys\r\nBcc: x@y.example", text=QUOTED
    )
    wait_until(lambda: stand.app.journal.mail_outbox.count_by_state() == {"sent": 1})
    shown = told(browser.get("/mails/1"))
    assert "joe@example.org" in shown
    assert "Keys Bcc: x@y.example" in shown


@pytest.mark.parametrize(
    ("sender", "kept"),
    [("joe@example.org", "joe@example.org"), ("", NOBODY), ("no address", NOBODY), ("a@b\r\nX: y", NOBODY), ("x@", NOBODY), ("Ana <ana@x.example>", "ana@x.example")],
)  # fmt: skip
def test_a_trial_mail_has_one_plain_sender(sender: str, kept: str) -> None:
    raw = compose_trial_mail(sender, "s", "t", recipient="desk@example.org")
    parsed = message_from_bytes(raw, policy=SMTP)
    assert (parsed["From"], parsed["X"]) == (kept, None)


def test_only_a_browser_with_the_link_comes_in(stand: Stand, browser: Browser) -> None:
    stand.receive(UNSURE)
    stranger = Browser(stand.link)
    for path in (*PAGES, "/?token=", "/?token=wrong", "/?token=%C3%BC", "/queue?token=x"):
        page = stranger.get(path)
        assert page.status == 401, path
        assert "Open the link" in page.text
        assert "set-cookie" not in page.headers
        assert "law firm" not in page.text
    stranger.cookie = browser.cookie.partition("=")[0] + "=guessed"
    assert stranger.get("/queue").status == 401
    assert stranger.post("/cases/1/close", {"version": stand.case().version}).status == 401
    cookie = browser.cookie_header.lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert browser.cookie.partition("=")[2] not in stand.link


def test_a_foreign_name_that_points_here_leads_nowhere(stand: Stand, browser: Browser) -> None:
    port = browser.port
    link = stand.link.partition(str(port))[2]
    for host in (
        "evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", f"localhost.:{port}",
        f"127.0.0.1.evil.example:{port}", f"[::1]:{port}", f"127.0.0.2:{port}",
    ):  # fmt: skip
        for path in ("/queue", link):
            page = browser.get(path, Host=host)
            assert page.status == 403, host
            assert "set-cookie" not in page.headers
    for name in ("X_Forwarded_For", "X_Forwarded_Host", "Forwarded", "Via", "X_Real_IP"):
        assert browser.get("/queue", **{name: "10.0.0.1"}).status == 403, "a proxy passed it on"
    for host in (f"localhost:{port}", f"LOCALHOST:{port}", f"127.0.0.1:{port}"):
        assert browser.get("/queue", Host=host).status == 200


def test_a_form_of_another_page_does_nothing(stand: Stand, browser: Browser) -> None:
    stand.receive(DOUBTFUL)
    port = browser.port
    fields = browser.get("/cases/1/approve").form("/cases/1/send")
    for name, value in (
        ("Origin", "http://evil.example"), ("Origin", "null"), ("Origin", "http://127.0.0.1:1"),
        ("Origin", f"https://127.0.0.1:{port}"), ("Origin", f"http://localhost:{port}"),
        ("Sec_Fetch_Site", "cross-site"), ("Sec_Fetch_Site", "same-site"),
    ):  # fmt: skip
        page = browser.post("/cases/1/send", fields, **{name: value})
        assert page.status == 403, (name, value)
    assert stand.case().open
    own = {"Origin": f"http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}
    assert browser.post("/cases/1/send", fields, **own).status == 303


def test_a_form_without_its_token_does_nothing(stand: Stand, browser: Browser) -> None:
    stand.receive(DOUBTFUL)
    fields = browser.get("/cases/1/approve").form("/cases/1/send")
    other = Browser(stand.link).enter()
    theirs = other.get("/cases/1/approve").form("/cases/1/send")["form_token"]
    for token in ("", "wrong", "ü", theirs):
        for act in ("send", "close", "claim", "reopen", "check", "again"):
            page = browser.post(f"/cases/1/{act}", fields | {"form_token": token})
            assert page.status == 403, (token, act)
    assert browser.post("/mails", {"text": "x", "form_token": theirs}).status == 403
    for path in ("/cases/1/send", "/cases/1/all", f"/cases/{10**20}", f"/mails/{10**20}"):
        page = browser.get(path)
        assert page.status == 404, path
        assert "To the desk" in page.text
    assert stand.case().open
    assert not stand.case().owner


def test_what_a_mail_holds_is_shown_and_never_run(stand: Stand, browser: Browser) -> None:
    for number, each in enumerate(HOSTILE, 1):
        stand.receive(f"{each}\n{UNSURE}\u202e\x1b[2J", number, subject=each)
    pages = [f"/mails/{n}" for n in range(1, len(HOSTILE) + 1)]
    pages += [
        f"/cases/{n}{act}" for n in range(1, len(HOSTILE) + 1) for act in ("", "/edit", "/details")
    ]
    for path in ("/", "/queue", *pages):
        page = browser.get(path)
        assert page.status == 200, path
        assert "<script" not in page.text
        assert "<img" not in page.text
        assert "<svg" not in page.text
        assert "\u202e" not in page.text
        assert "\x1b" not in page.text
        assert not re.search(r"\son\w+=", re.sub(r">[^<]*<", "><", page.text)), path
        assert not re.search(r'(?:href|action)="(?![/#])', page.text)
    assert "&lt;script&gt;alert(1)" in browser.get("/mails/1").text
    assert "{{ 7 * 7 }}" in browser.get("/mails/4").text


def test_every_answer_binds_the_browser(stand: Stand, browser: Browser) -> None:
    stand.receive(UNSURE)
    stranger = Browser(stand.link)
    for page in (
        *(browser.get(path) for path in (*PAGES, "/desk.css", "/nothing", "/cases/99", "/mails/99")),
        browser.post("/queue", {}), stranger.get("/"), stranger.get("/", Host="evil.example"),
    ):  # fmt: skip
        assert HEADERS.items() <= page.headers.items()
        assert page.headers["connection"] == "close"
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    for path in PAGES:
        text = browser.get(path).text
        assert not re.search(r"\sstyle=|<style|<script|https?://(?!openai)", text), path


def test_a_page_that_breaks_is_one_line_and_a_number(
    stand: Stand,
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks() -> list[int]:
        raise LookupError("text of a mail")

    monkeypatch.setattr(stand.app.journal.cases, "find", breaks)
    for _ in range(3):
        page = browser.get("/queue")
        assert page.status == 500
        assert "Something went wrong (error " in page.text
        assert "text of a mail" not in page.text
    assert [r.message for r in caplog.records].count("a page broke") == 1


@pytest.mark.no_cover
def test_many_mails_and_cases_are_shown_page_by_page(stand: Stand, browser: Browser) -> None:
    for n in range(1, 28):
        local_mailbox(stand.app).new.add(letter(UNSURE, n))
    stand.receive(UNSURE, 28)
    first = browser.get("/")
    assert "Older mails" in first.text
    assert "/mails/28" in first.text
    assert '/mails/1"' in browser.get("/?before=4").text
    assert "Page 2 of 2" in told(browser.get("/queue?page=2"))
    assert "Page 2 of 2" in told(browser.get("/queue?page=99"))
    assert browser.get("/queue?page=%D9%A3").status == 200


def test_the_other_pages_of_the_port_need_no_session(stand: Stand) -> None:
    stranger = Browser(stand.link)
    for path in ("/healthz", "/readyz", "/metrics"):
        assert stranger.get(path, Host="prometheus.example").status == 200


def test_a_run_with_samples_prints_its_link_and_serves_until_it_is_interrupted(
    settings: Settings,
) -> None:
    environment = {
        **os.environ,  # noqa: TID251 - handed on to the child
        "DESK_HOME": str(settings.home),
        "DESK_SMTP_PORT": str(free_port()),
    }
    command = [sys.executable, "-m", "bot.cli", "demo"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout
            said = next(line for line in run.stdout if line.startswith("in your browser:"))
            browser = Browser(said.split()[-1]).enter()
            assert "My API keys" in browser.get("/").text
            run.send_signal(signal.SIGINT)
            assert run.wait(timeout=SAFETY_NET_SECONDS) == 0
        finally:
            run.kill()


def test_a_service_keeps_its_link_in_a_closed_file(
    app: App, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with app_with(settings, app.responder) as own, running(own) as (service, _):
        _keep_link(service)
        path = own.settings.home / LINK_FILE
        Browser(path.read_text().strip()).enter()
        assert path.stat().st_mode & 0o077 == 0
        said = capsys.readouterr().out
    assert str(path) in said
    assert "token" not in said


def test_the_oldest_browser_is_signed_out_for_a_new_one() -> None:
    access = Access()
    sessions = [access.open_session(access.token) for _ in range(MAX_SESSIONS + 1)]
    assert len(set(sessions)) == len(sessions)
    assert sessions[0] not in access._sessions
    assert sessions[-1] in access._sessions


def test_the_pages_are_there_without_slack_and_never_for_a_network() -> None:
    token = SecretStr("x")
    for given, wanted in (
        (Settings(), True), (Settings(web=False), False), (Settings(http_host="::1"), True),
        (Settings(slack_bot_token=token), False), (Settings(slack_bot_token=token, web=True), True),
        (Settings(http_host="0.0.0.0"), False),
    ):  # fmt: skip
        assert given.web_wanted is wanted
    for host in ("0.0.0.0", "10.0.0.1", "::"):
        with pytest.raises(SettingsError, match="DESK_HTTP_HOST"):
            assert Settings(web=True, http_host=host).web_wanted


def test_the_link_names_the_address_of_the_port(app: App, settings: Settings) -> None:
    with app_with(settings.model_copy(update={"http_host": "::1"}), app.responder) as own:
        assert own.web
        assert own.web.link("::1", 8025).startswith("http://[::1]:8025/?token=")
        assert own.web.link("127.0.0.1", 8025).startswith("http://127.0.0.1:8025/?token=")


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="write an IP address of this machine"):
        Settings(http_host="my-server")
    assert Settings(http_host="::").http_reach == "::1"
    assert Settings(http_host="0.0.0.0").http_reach == "127.0.0.1"
    assert Settings(http_host="10.0.0.1").http_reach == "10.0.0.1"


def test_ages_and_first_words_are_short() -> None:
    clock = Time()
    at = clock().isoformat()
    for seconds, says in (
        (1, "just now"), (89, "1 min ago"), (7110, "2 h ago"), (292_800, "3 days ago"),
    ):  # fmt: skip
        clock.forward(seconds)
        assert ago(at, clock()) == says
    assert preview_mail("a\n\n  b") == "a b"
    assert len(preview_mail("word " * 100)) <= 140
