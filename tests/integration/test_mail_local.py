"""The local intake takes what real servers take, and loses nothing with a refusal."""

import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from bot.channels.mail.local import Folder, LocalSmtpServer
from bot.channels.mail.parse import parse
from bot.channels.mail.smtp_bounds import MAX_MAIL_BYTES
from tests.support.ports import free_port


class FullFolder(Folder):
    """A folder on a disk that is full."""

    @override
    def add(self, raw: bytes, name: str = "") -> Path:
        raise OSError(28, "No space left on device")


def serving(folder: Folder) -> Iterator[tuple[Folder, smtplib.SMTP]]:
    intake = LocalSmtpServer(folder, free_port())
    intake.start()
    try:
        with smtplib.SMTP("127.0.0.1", intake.port) as client:
            yield folder, client
    finally:
        intake.stop()


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[tuple[Folder, smtplib.SMTP]]:
    yield from serving(Folder(tmp_path / "new"))


@pytest.fixture
def full(tmp_path: Path) -> Iterator[tuple[Folder, smtplib.SMTP]]:
    yield from serving(FullFolder(tmp_path / "new"))


@pytest.mark.parametrize("length", [998, 1001, 5_000, 65_536, 500_000])
def test_a_line_of_any_length_is_taken(taken: tuple[Folder, smtplib.SMTP], length: int) -> None:
    folder, client = taken
    page = b"<p>Were keys exposed?</p><p>" + b"x" * length + b"</p>"
    raw = b"From: ana@example.org\r\nContent-Type: text/html\r\n\r\n" + page + b"\r\n"
    assert client.sendmail("ana@example.org", ["desk@desk.example"], raw) == {}
    stored = next(folder.waiting()).read_bytes()
    assert stored.endswith(raw)
    assert "Were keys exposed?" in parse(stored).text


def test_a_header_line_of_any_length_is_taken(taken: tuple[Folder, smtplib.SMTP]) -> None:
    folder, client = taken
    ids = b" ".join(b"<%d@example.org>" % n for n in range(4000))
    raw = b"From: ana@example.org\r\nReferences: " + ids + b"\r\n\r\nWere keys exposed?\r\n"
    assert client.sendmail("ana@example.org", ["desk@desk.example"], raw) == {}
    (references,) = parse(next(folder.waiting()).read_bytes()).values("references")
    assert references.endswith("<3999@example.org>")


def test_a_mail_that_is_too_large_is_refused_before_it_is_sent(
    taken: tuple[Folder, smtplib.SMTP],
) -> None:
    folder, client = taken
    with pytest.raises(smtplib.SMTPSenderRefused) as caught:
        client.sendmail("ana@example.org", ["desk@desk.example"], b"x" * (MAX_MAIL_BYTES + 1))
    assert caught.value.smtp_code == 552
    assert list(folder.waiting()) == []


def test_a_mail_that_cannot_be_stored_is_tried_again_by_its_sender(
    full: tuple[Folder, smtplib.SMTP],
) -> None:
    _, client = full
    with pytest.raises(smtplib.SMTPDataError) as caught:
        client.sendmail("ana@example.org", ["desk@desk.example"], b"Subject: x\r\n\r\nhi")
    assert caught.value.smtp_code == 452
