"""The IMAP mailbox against a real Dovecot, with a proxy that breaks the line."""

import random
import secrets
import smtplib
import string
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from imapclient import IMAPClient
from pydantic import SecretStr

from bot.app import App
from bot.channels.mail import imap, intake
from bot.channels.mail.imap import ImapMailbox, MailboxError
from bot.channels.mail.rules import MailRuleContext, MailVerdict
from bot.channels.mail.sandbox import SafeParser
from bot.channels.mail.selftest import _describe_quota, selftest
from bot.channels.mail.smtp import SmtpOut
from bot.cli import main
from bot.errors import InputError, SettingsError
from bot.ports import Mail, MailFolder
from bot.serve.service import HandledMail, Service
from bot.settings import MailboxAccess, MailKind, Relay, Settings
from bot.text.mentions import Mentions
from tests.conftest import KNOWLEDGE, home_of
from tests.servers.mail_servers import DESK, USER, Servers, missing, servers
from tests.servers.proxy import Fault, Proxy
from tests.support.waiting import SAFETY_NET_SECONDS, wait_until

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing() or "there"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PASSWORD = "".join(random.Random(7).choices(string.ascii_letters, k=16))


@pytest.fixture(scope="module")
def real() -> Iterator[Servers]:
    with servers(PASSWORD) as found:
        yield found


@pytest.fixture
def proxy(real: Servers) -> Iterator[Proxy]:
    made = Proxy(real.imap)
    yield made
    made.close()


def access(port: object, **changes: object) -> MailboxAccess:
    made = MailboxAccess(host="127.0.0.1", port=1, user=DESK, password=PASSWORD, tls=False)
    changes["port"] = port
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def mailbox(real: Servers) -> Iterator[ImapMailbox]:
    made = ImapMailbox(access(real.imap))
    for mail in made.waiting():
        made.settle(mail.ref, MailFolder.DROPPED)
    yield made
    made.close()


def post(real: Servers, subject: str, text: str = "hello", to: str = DESK) -> str:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = USER, to, subject
    mail["Message-ID"] = f"<{subject}.{secrets.token_hex(8)}@customer.test>"
    mail.set_content(text)
    with smtplib.SMTP("127.0.0.1", real.smtp, timeout=SAFETY_NET_SECONDS) as server:
        server.send_message(mail, from_addr=USER, to_addrs=[to])
    return str(mail["Message-ID"])


def read(mailbox: ImapMailbox, count: int) -> list[Mail]:
    """The mails that wait, once there are so many."""
    found: list[Mail] = []

    def there() -> bool:
        mailbox.wait(0.3)
        with suppress(MailboxError):  # its short time-out is for a server that stalls
            found[:] = mailbox.waiting()
        return len(found) >= count

    wait_until(there)
    assert len(found) == count
    return found


HOUR = 3600.0


def wakes(mailbox: ImapMailbox, act: Callable[[], object]) -> None:
    """AssertionError when `act` does not end a wait that would last for an hour."""
    waiting = threading.Thread(target=mailbox.wait, args=(HOUR,), daemon=True)
    waiting.start()
    wait_until(lambda: mailbox._client and mailbox._client._idle_tag)
    act()
    waiting.join(SAFETY_NET_SECONDS)
    assert not waiting.is_alive()


def folder(real: Servers, name: str, user: str = DESK) -> list[bytes]:
    with IMAPClient("127.0.0.1", real.imap, ssl=False) as client:
        client.login(user, PASSWORD)
        client.select_folder(name, readonly=True)
        uids = client.search()
        return [bytes(m[b"BODY[]"]) for m in client.fetch(uids, ["BODY.PEEK[]"]).values()]


def test_a_mail_waits_until_it_is_settled(real: Servers, mailbox: ImapMailbox) -> None:
    post(real, "first")
    (mail,) = read(mailbox, 1)
    assert b"Subject: first" in mail.raw
    assert [m.ref for m in mailbox.waiting()] == [mail.ref]  # reading changes nothing
    mailbox.settle(mail.ref, MailFolder.HELD)
    mailbox.settle(mail.ref, MailFolder.HELD)
    assert list(mailbox.waiting()) == []
    assert any(b"Subject: first" in raw for raw in folder(real, "Held"))


def test_a_mail_that_is_too_large_to_be_read_whole_is_held(
    real: Servers, mailbox: ImapMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it asks may stand beyond what is read; a person sees its beginning."""
    monkeypatch.setattr(imap, "MAX_MAIL_BYTES", 4000)
    monkeypatch.setattr(imap, "MAX_CUT_BYTES", 2000)
    post(real, "large", "Were API keys exposed? " * 400)
    post(real, "small", "Were API keys exposed?")
    parser = SafeParser()
    context = MailRuleContext(own=frozenset({DESK}), local=True)
    judged = [
        intake.judge_mail(each.raw, parser, context, is_cut=each.is_cut)
        for each in read(mailbox, 2)
    ]
    parser.close()
    assert [each.ruling.verdict for each in judged] == [MailVerdict.HOLD, MailVerdict.ANSWER]
    assert "Were API keys exposed?" in judged[0].redaction.text


def test_a_mail_that_another_worker_moved_is_no_fault_of_the_mailbox(
    real: Servers, mailbox: ImapMailbox
) -> None:
    other = ImapMailbox(access(real.imap))
    for subject in ("one", "two"):
        post(real, subject)
    first, second = read(mailbox, 2)
    line = mailbox._client
    assert [m.ref for m in other.waiting()] == [first.ref, second.ref]
    other.settle(first.ref, MailFolder.PROCESSED)
    mailbox.settle(first.ref, MailFolder.PROCESSED)
    looked = mailbox.waiting()
    assert next(looked).ref == second.ref
    other.settle(second.ref, MailFolder.PROCESSED)
    mailbox.settle(second.ref, MailFolder.PROCESSED)
    assert list(looked) == []
    assert mailbox._client is line, "the connection stays"
    other.close()


def test_new_mail_ends_the_wait(
    real: Servers, mailbox: ImapMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.channels.mail.imap.IDLE_SECONDS", HOUR)
    assert list(mailbox.waiting()) == []
    wakes(mailbox, lambda: post(real, "idle"))
    (mail,) = read(mailbox, 1)
    mailbox.settle(mail.ref, MailFolder.PROCESSED)


def test_a_wait_is_ended_from_another_thread(
    mailbox: ImapMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.channels.mail.imap.IDLE_SECONDS", HOUR)
    list(mailbox.waiting())
    wakes(mailbox, mailbox.wake)


def test_our_own_copy_is_found_in_any_folder(real: Servers, mailbox: ImapMailbox) -> None:
    header = post(real, "copy")
    (mail,) = read(mailbox, 1)
    mailbox.settle(mail.ref, MailFolder.DROPPED)
    assert mailbox.has(header)
    assert not mailbox.has("<never.sent@example.test>")
    assert list(mailbox.waiting()) == []


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.STALL, Fault.GARBAGE, Fault.BYE])
def test_a_broken_line_is_made_anew_and_nothing_is_lost(
    real: Servers, proxy: Proxy, mailbox: ImapMailbox, fault: Fault
) -> None:
    del mailbox  # has emptied the folder
    behind = ImapMailbox(access(proxy.port, timeout=1))
    assert list(behind.waiting()) == []
    header = post(real, f"fault-{fault.name}")
    proxy.fault = fault
    if fault is Fault.DROP:
        proxy.cut()
    behind.wait(0.2)
    for _ in range(2):
        with pytest.raises(MailboxError):
            list(behind.waiting())
    proxy.fault = Fault.NONE
    (mail,) = read(behind, 1)
    assert header.encode() in mail.raw
    behind.settle(mail.ref, MailFolder.PROCESSED)
    assert list(behind.waiting()) == []
    behind.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.LOGIN, MailboxError), (Fault.READ_ONLY, MailboxError)],
)
def test_a_server_that_refuses_for_now_is_tried_again(
    real: Servers, proxy: Proxy, mailbox: ImapMailbox, fault: Fault, error: type[Exception]
) -> None:
    del mailbox
    behind = ImapMailbox(access(proxy.port, timeout=2))
    post(real, f"refused-{fault.name}")
    proxy.fault = fault
    with pytest.raises(error):
        list(behind.waiting())
    proxy.fault = Fault.NONE
    (mail,) = read(behind, 1)
    behind.settle(mail.ref, MailFolder.PROCESSED)
    behind.close()


def test_a_full_mailbox_keeps_the_mail_where_it_is(
    real: Servers, proxy: Proxy, mailbox: ImapMailbox
) -> None:
    behind = ImapMailbox(access(proxy.port, timeout=2))
    post(real, "quota")
    (mail,) = read(behind, 1)
    proxy.fault = Fault.QUOTA
    with pytest.raises(MailboxError, match="no room"):
        behind.settle(mail.ref, MailFolder.PROCESSED)
    proxy.fault = Fault.NONE
    assert [m.ref for m in mailbox.waiting()] == [mail.ref]
    behind.settle(mail.ref, MailFolder.PROCESSED)
    assert list(mailbox.waiting()) == []
    behind.close()


def test_a_line_that_dies_while_a_mail_is_moved(
    real: Servers, proxy: Proxy, mailbox: ImapMailbox
) -> None:
    behind = ImapMailbox(access(proxy.port, timeout=1))
    post(real, "moved")
    (mail,) = read(behind, 1)
    proxy.fault = Fault.DROP
    proxy.cut()
    with pytest.raises(MailboxError):
        behind.settle(mail.ref, MailFolder.PROCESSED)
    proxy.fault = Fault.NONE
    assert [m.ref for m in mailbox.waiting()] == [mail.ref]
    behind.settle(mail.ref, MailFolder.PROCESSED)
    assert list(mailbox.waiting()) == []
    behind.close()


def test_a_folder_made_anew_is_not_taken_for_the_old_one(
    mailbox: ImapMailbox, real: Servers
) -> None:
    post(real, "validity")
    (mail,) = read(mailbox, 1)
    name, _, uid = mail.ref.split("/")
    mailbox.settle(f"{name}/1/{uid}", MailFolder.DROPPED)  # of another UIDVALIDITY: left alone
    assert [m.ref for m in mailbox.waiting()] == [mail.ref]
    mailbox.settle(mail.ref, MailFolder.PROCESSED)


def test_without_move_a_mail_is_copied_and_removed() -> None:
    with servers(PASSWORD, move=False) as old:
        behind = ImapMailbox(access(old.imap))
        assert not behind.can_move()
        post(old, "copied")
        (mail,) = read(behind, 1)
        behind.settle(mail.ref, MailFolder.PROCESSED)
        behind.settle(mail.ref, MailFolder.PROCESSED)
        assert list(behind.waiting()) == []
        assert len(folder(old, "Processed")) == 1
        behind.close()


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"password": "wrong"}, SettingsError, "DESK_IMAP_PASSWORD"),
        ({"user": "nobody@example.test"}, SettingsError, "DESK_IMAP_USER"),
        ({"folder": "Nowhere"}, SettingsError, "DESK_IMAP_FOLDER"),
        ({"port": 1}, MailboxError, "DESK_IMAP_PORT"),
        ({"tls": True}, SettingsError, "DESK_IMAP_PORT"),
        ({"tls": True, "certificates": Path("/nowhere.pem")}, SettingsError, "DESK_IMAP_CA"),
    ],
)
def test_a_wrong_setting_is_named(
    real: Servers, changes: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        list(ImapMailbox(access(**{"port": real.imap, **changes})).waiting())


def test_a_reference_of_another_mailbox_is_bad_input(mailbox: ImapMailbox) -> None:
    with pytest.raises(InputError, match="no place"):
        mailbox.settle("1234.maildir", MailFolder.HELD)


def test_from_smtp_to_the_reply_in_the_users_mailbox(
    real: Servers, mailbox: ImapMailbox, tmp_path: Path
) -> None:
    del mailbox
    settings = Settings(
        home=home_of(tmp_path / "home"), knowledge=KNOWLEDGE, mail=MailKind.IMAP, address=DESK,
        authserv_id="none",
        imap_host="127.0.0.1", imap_port=real.imap, imap_user=DESK, imap_password=SecretStr(PASSWORD),
        imap_tls=False, smtp_host="127.0.0.1", smtp_port=real.smtp, smtp_tls=False, http_port=0,
    )  # fmt: skip
    shown: list[HandledMail] = []
    service = Service(App(settings), shown.append)
    service.start()
    header = post(real, "question", "Were my API keys exposed?")
    try:
        service.run(until=lambda: len(shown) >= 2)
    finally:
        service.close()
    assert [h.verdict for h in shown] == ["answer", "receipt"]
    (reply,) = folder(real, "INBOX", USER)
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"Return-Path: <>" in head
    for line in (b"Auto-Submitted: auto-replied", b"X-Auto-Response-Suppress: All"):
        assert line in head
    assert b"In-Reply-To: " + header.encode() in head
    assert b"API keys" in body
    assert b"hello" not in body
    assert any(b"question" in raw for raw in folder(real, "Processed"))
    assert folder(real, "INBOX") == []


def test_doctor_finds_a_mailbox_that_works(real: Servers, mailbox: ImapMailbox) -> None:
    out = SmtpOut(Relay(host="127.0.0.1", port=real.smtp, tls=False), address=DESK)
    found = {name: good for name, good, _ in selftest(mailbox, out, authserv_id="")}
    names = ("mailbox", "quota", "authserv", "smtp", "receipt")
    assert found == dict.fromkeys(names, True)
    used = mailbox.share_used()
    assert used is not None
    assert used < 0.5


def test_doctor_says_what_is_wrong(real: Servers, mailbox: ImapMailbox) -> None:
    gone = SmtpOut(Relay(host="127.0.0.1", port=1, tls=False), address=DESK)
    found = {n: (good, says) for n, good, says in selftest(mailbox, gone, authserv_id="mx.example")}
    assert not found["authserv"][0]
    assert "DESK_AUTHSERV_ID" in found["authserv"][1]
    assert "DESK_SMTP_HOST" in found["smtp"][1]
    assert [_describe_quota(share)[0] for share in (0.89, 0.9)] == [True, False]
    away = SmtpOut(
        Relay(host="127.0.0.1", port=real.smtp, tls=False), address="elsewhere@customer.test"
    )
    found = {n: (g, s) for n, g, s in selftest(mailbox, away, authserv_id="", seconds=1)}
    assert not found["receipt"][0]
    bad = ImapMailbox(access(real.imap, password="wrong"))
    ((name, good, says),) = selftest(bad, gone, authserv_id="")
    assert (name, good) == ("mailbox", False)
    assert "DESK_IMAP_PASSWORD" in says


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("IMAP_PASSWORD", "wrong", "DESK_IMAP_PASSWORD"),
        ("IMAP_FOLDER", "Nowhere", "DESK_IMAP_FOLDER"),
        ("IMAP_USER", "", "DESK_MAIL=imap needs DESK_IMAP_USER, which is not set"),
        ("IMAP_TLS", "true", "DESK_IMAP_PORT"),
        ("SMTP_HOST", "", "needs DESK_SMTP_HOST, which is not set"),
        ("SMTP_TLS", "true", "offers no TLS"),
        ("ADDRESS", "", "needs DESK_ADDRESS, which is not set"),
        ("IMAP_PORT", "99999", "DESK_IMAP_PORT"),
    ],
)
def test_serve_names_the_variable_that_is_wrong(
    real: Servers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, value: str, says: str,
) -> None:  # fmt: skip
    right = {
        "MAIL": "imap", "ADDRESS": DESK, "IMAP_HOST": "127.0.0.1", "IMAP_PORT": str(real.imap),
        "IMAP_USER": DESK, "IMAP_PASSWORD": PASSWORD, "IMAP_TLS": "false", "HTTP_PORT": "0",
        "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(real.smtp), "SMTP_TLS": "false",
    }  # fmt: skip
    for key, told in (right | {name: value}).items():
        monkeypatch.setenv(f"DESK_{key}", told)
    assert main(["serve"]) == 2
    written = capsys.readouterr()
    said = written.err.strip().splitlines()[-1]
    assert says in said
    assert PASSWORD not in said
    assert "index" not in written.out, "nothing that takes long is begun"


def test_the_mails_of_a_person_are_found_in_every_folder_and_deleted(
    real: Servers, mailbox: ImapMailbox
) -> None:
    person = f"ana.{secrets.token_hex(4)}@customer.test"
    for number, place in enumerate(MailFolder):
        post(real, f"{person} {number}")
        post(real, f"other {number}", f"it is about {'x' * 60} {person}")
        post(real, f"x{person}")
        for mail in read(mailbox, 3):
            mailbox.settle(mail.ref, place)
    post(real, f"waits {person}")
    read(mailbox, 1)
    named = Mentions([person])

    def found() -> list[tuple[str, bool]]:
        return [(mail.folder, mail.waiting) for mail in mailbox.find([person], named.are_in_bytes)]

    assert sorted(found()) == sorted(
        [("INBOX", True), *((place.value, False) for place in MailFolder for _ in range(2))]
    )
    for kept in mailbox.find([person], named.are_in_bytes):
        mailbox.delete(kept.ref)
        mailbox.delete(kept.ref)  # harmless
    assert found() == []
    assert all(folder(real, place.value) for place in MailFolder), "those of others stay"


def test_old_mails_are_deleted_a_few_at_a_time(real: Servers, mailbox: ImapMailbox) -> None:
    places = [MailFolder.DROPPED.value]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    while mailbox.delete_older(places, tomorrow, 500):
        pass
    for number in range(3):
        post(real, f"old {number}")
    for mail in read(mailbox, 3):
        mailbox.settle(mail.ref, MailFolder.DROPPED)
    assert mailbox.delete_older(places, datetime.now(UTC) - timedelta(days=2), 500) == 0
    assert mailbox.delete_older(places, tomorrow, 2) == 2
    (kept,) = (
        each for each in mailbox.list_settled(datetime.now(UTC) - timedelta(days=1))
        if each.folder == MailFolder.DROPPED
    )  # fmt: skip
    mailbox.put_back(kept.ref)
    assert folder(real, MailFolder.DROPPED.value) == []
    (back,) = mailbox.waiting()
    assert back.raw == kept.raw
    mailbox.settle(back.ref, MailFolder.DROPPED)
    assert list(mailbox.waiting()) == [], "it looks into its own folder again"
