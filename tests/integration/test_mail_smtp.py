"""SMTP hand-over against a server that does what each test tells it to."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from bot.channels.mail.smtp import SmtpOut
from bot.errors import DeliveryError, RefusedError, SettingsError, UncertainError
from bot.settings import Relay
from tests.servers.scripted_smtp import Running, Script, running
from tests.support.waiting import SAFETY_NET_SECONDS

MAIL = b"From: d@x.example\r\nAuto-Submitted: auto-replied\r\nMessage-ID: <1@x.example>\r\n\r\nhello\r\n.dot\r\n"
BY_HAND = MAIL.replace(b"Auto-Submitted: auto-replied\r\n", b"")


@pytest.fixture
def server() -> Iterator[Running]:
    yield from running(Script())


def out(port: int, **changes: object) -> SmtpOut:
    relay = replace(Relay(host="127.0.0.1", port=port, tls=False), **changes)  # type: ignore[arg-type]
    return SmtpOut(relay, address="d@x.example")


def test_a_reply_goes_to_the_user_and_a_copy_to_ourselves(server: Running) -> None:
    out(server.port).send(MAIL, recipient="ana@x.example")
    out(server.port).send(BY_HAND, recipient="ana@x.example")
    automatic, staff = server.script.got
    assert (automatic.mail_from, staff.mail_from) == ("<>", "d@x.example")
    assert automatic.rcpt_tos == ["ana@x.example", "d+sent@x.example"]
    assert automatic.content == MAIL
    out(server.port).check()


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (Script(mail="451 later"), DeliveryError),
        (Script(mail="550 never"), RefusedError),
        (Script(rcpt={"ana@x.example": "450 full"}), DeliveryError),
        (Script(rcpt={"ana@x.example": "550 no such user"}), RefusedError),
        (Script(data="452 no room"), DeliveryError),
        (Script(data="554 spam"), RefusedError),
    ],
)
def test_what_the_server_says_decides(script: Script, error: type[Exception]) -> None:
    for found in running(script):
        with pytest.raises(error) as raised:
            out(found.port).send(MAIL, recipient="ana@x.example")
        assert type(raised.value) is error


def test_a_refused_copy_does_not_stop_the_reply() -> None:
    for found in running(Script(rcpt={"d+sent@x.example": "550 no"})):
        out(found.port).send(MAIL, recipient="ana@x.example")
        assert found.script.got[0].rcpt_tos == ["ana@x.example"]


@pytest.mark.parametrize(
    ("until", "error"),
    [
        ("", DeliveryError),
        ("EHLO", DeliveryError),
        ("MAIL", DeliveryError),
        ("RCPT", DeliveryError),
        ("DATA", DeliveryError),
        (".", UncertainError),
    ],
)
def test_a_line_that_breaks_is_uncertain_only_after_the_last_dot(
    until: str, error: type[Exception]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_breaking, args=(listener, until), daemon=True)
        thread.start()
        with pytest.raises(error) as raised:
            out(listener.getsockname()[1]).send(MAIL, recipient="ana@x.example")
        thread.join(SAFETY_NET_SECONDS)
    assert type(raised.value) is error


def _breaking(listener: socket.socket, until: str, times: int = 1) -> None:
    """Speaks SMTP as far as the word `until`, and hangs up when it comes for the nth time."""
    line, _ = listener.accept()
    with line, line.makefile("rb") as read:
        if not until:
            return
        line.sendall(b"220 here\r\n")
        in_data = False
        for told in read:
            word = told.strip().decode()[:4].upper()
            times -= word == until
            if not times or (in_data and told == b".\r\n"):
                return
            if in_data:
                continue
            in_data = word == "DATA"
            line.sendall(b"354 go\r\n" if in_data else b"250 ok\r\n")


def test_nothing_listens(server: Running) -> None:
    with pytest.raises(DeliveryError, match="DESK_SMTP_HOST"):
        out(1).send(MAIL, recipient="ana@x.example")
    assert server.script.got == []


def test_without_tls_nothing_is_sent(server: Running) -> None:
    with pytest.raises(SettingsError, match="offers no TLS"):
        out(server.port, tls=True).check()
    with pytest.raises(DeliveryError, match="offers no TLS"):
        out(server.port, tls=True).send(MAIL, recipient="ana@x.example")
    assert server.script.got == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key), "-out", str(made),
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


def _check(
    _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: object
) -> AuthResult:
    assert isinstance(given, LoginPassword)
    return AuthResult(success=given.password == b"right", handled=False)


def test_starttls_and_login(certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    options = {
        "tls_context": context,
        "require_starttls": True,
        "authenticator": _check,
        "auth_required": True,
    }
    for found in running(Script(), **options):
        good = out(found.port, tls=True, certificates=certificate[0], user="d", password="right")
        good.send(MAIL, recipient="ana@x.example")
        assert len(found.script.got) == 1
        with pytest.raises(SettingsError, match="DESK_SMTP_PASSWORD"):
            out(
                found.port, tls=True, certificates=certificate[0], user="d", password="wrong"
            ).check()
        with pytest.raises(SettingsError, match="certificate"):
            out(found.port, tls=True).check()
        with pytest.raises(SettingsError, match="DESK_SMTP_CA"):
            out(found.port, tls=True, certificates=Path("/nowhere.pem")).check()


@pytest.mark.parametrize(
    ("written", "travels"),
    [
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("ana@BÜCHER.example", "ana@xn--bcher-kva.example"),
        ("ana@例え.テスト", "ana@xn--r8jz45g.xn--zckzah"),
        ("ana@faß.example", "ana@xn--fa-hia.example"),
        ("ana@under_score.example", "ana@under_score.example"),
        ("ana@[192.0.2.1]", "ana@[192.0.2.1]"),
    ],
)
def test_an_international_domain_travels_in_its_ascii_form(written: str, travels: str) -> None:
    for found in running(Script(), enable_SMTPUTF8=False):
        out(found.port).send(MAIL, recipient=written)
        assert found.script.got[0].rcpt_tos[0] == travels


def test_letters_before_the_at_go_out_as_utf8_where_the_server_offers_it() -> None:
    for found in running(Script(), enable_SMTPUTF8=True):
        out(found.port).send(MAIL, recipient="jörg@bücher.example")
        out(found.port).send(MAIL, recipient="ana@x.example")
        international, plain = found.script.got
        assert international.rcpt_tos[0] == "jörg@xn--bcher-kva.example"
        assert "SMTPUTF8" in international.mail_options
        assert plain.mail_options == []


@pytest.mark.parametrize(
    "recipient",
    [
        "jörg@x.example",
        "ana@☃☃☃.example",
        "ana@ü..example",
        "a\udcfcna@x.example",
        "a\r\nb@x.example",
    ],
)
def test_an_address_that_this_server_cannot_be_told_is_refused_for_good(recipient: str) -> None:
    """So that a person gets the case at once; nothing was handed over."""
    for found in running(Script(), enable_SMTPUTF8=False):
        with pytest.raises(RefusedError):
            out(found.port).send(MAIL, recipient=recipient)
        assert found.script.got == []


def test_a_line_that_breaks_on_our_own_copy_is_safe_to_repeat() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_breaking, args=(listener, "RCPT", 2), daemon=True)
        thread.start()
        with pytest.raises(DeliveryError) as raised:
            out(listener.getsockname()[1]).send(MAIL, recipient="ana@x.example")
        thread.join(SAFETY_NET_SECONDS)
    assert type(raised.value) is DeliveryError
