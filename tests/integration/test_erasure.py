"""Erasing a person leaves nothing of them in any place, and everybody else's data as it was."""

import io
import json
import stat
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest

from bot.answering.responder import Responder
from bot.app import App
from bot.cli import main
from bot.corpus import Knowledge
from bot.files import KEY_FILE
from bot.journal import OutboxState
from bot.outbound import text_of
from bot.settings import Settings
from bot.text.mentions import ERASED, Mentions
from tests.conftest import KNOWLEDGE, home_of
from tests.support.planted_person import (
    ADDRESS,
    NAME,
    OTHER,
    THIRD,
    TRIAGE,
    WORDS,
    Planted,
    plant,
    sightings,
)
from tests.support.running_desk import app_with, local_mailbox, verbatim_responder

NEEDLES = (ADDRESS, NAME, *WORDS)
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def responder(knowledge: Knowledge) -> Responder:
    return verbatim_responder(knowledge)


@pytest.fixture
def desk(database_url: str, tmp_path: Path, responder: Responder) -> Iterator[App]:
    home = home_of(tmp_path / "home", index=False)
    with app_with(
        Settings(home=home, knowledge=KNOWLEDGE, database_url=database_url), responder
    ) as made:
        yield made


@pytest.fixture
def planted(desk: App) -> Planted:
    return plant(desk)


@pytest.fixture
def run(desk: App, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("bot.commands.terminal.open_app", lambda **_: desk)

    def command(*argv: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO())
        code = main(argv)
        said = capsys.readouterr()
        return code, said.out + said.err

    return command


def mails_of_staff(desk: App, recipient: str) -> list[bytes]:
    mails = desk.journal.mail_outbox.list_in_state(OutboxState.SENT)
    return [mail.body for mail in mails if mail.recipient == recipient and not mail.automatic]


def test_an_erased_person_is_found_nowhere(desk: App, planted: Planted, run: Run) -> None:
    before = sightings(desk, NEEDLES)
    for place in ("message", "outbox", "outcome", "slack_event", "slack_outbox", "conversation"):
        assert any(f"table {place}" in places for places in before.values()), place
    for folder in ("sent", "Processed", "Held", "Dropped"):
        assert any(f"file mail/{folder}/" in each for each in before[ADDRESS]), folder
    assert "file candidates.jsonl" in before[ADDRESS]
    count = desk.journal.count_rows()

    code, said = run("erase", ADDRESS, "--also", NAME, "--yes", "--json")
    receipt = json.loads(said)
    assert (code, receipt["left"]) == (0, []), said
    assert receipt["found"]["messages"] == planted.mails
    assert sightings(desk, NEEDLES) == {needle: [] for needle in NEEDLES}
    stubs = [post for post in desk.journal.slack.list_due() if post.method == "chat.update"]
    assert [(post.channel, post.payload["text"]) for post in stubs] == [(TRIAGE, "Message: erased")]
    assert "erased before" in run("erase", ADDRESS.upper(), "--dry-run")[1]

    after = desk.journal.count_rows()
    assert {name: after[name] for name in ("message", "outcome", "conversation")} == {
        name: count[name] for name in ("message", "outcome", "conversation")
    }, "the numbers stay"
    assert desk.journal.ledger.check().faults == ()
    stage = {i: desk.journal.cases.read(i) for i in range(1, count["escalation"] + 1)}
    assert {i for i, case in stage.items() if case and case.open} == {planted.other_case}
    other = stage[planted.other_case]
    assert other
    assert other.sender == OTHER
    assert ERASED in other.text
    (told,) = mails_of_staff(desk, THIRD)
    assert f"{ERASED} <{ERASED}> asked the same." in text_of(told)
    assert ERASED in str(message_from_bytes(told, policy=SMTP).get_body(("html",)))


def test_a_look_and_an_export_change_nothing_and_tell_nothing_of_others(
    desk: App, planted: Planted, run: Run, tmp_path: Path
) -> None:
    before = sightings(desk, NEEDLES)
    code, said = run("erase", ADDRESS, "--dry-run")
    assert code == 0
    assert f'--also "{NAME}"' in said
    assert "raw mails in sent" in said
    assert run("erase", ADDRESS)[0] == 2, "nobody can be asked"
    out = tmp_path / "export"
    assert run("export", ADDRESS, "--out", str(out))[0] == 0
    told = json.loads((out / "export.json").read_text(encoding="utf-8"))
    assert len(told["messages"]) == planted.mails
    assert len(told["raw_mails"]) == planted.mails + len(told["mails"])
    assert told["numbers"]["named in message.text"] == 1
    everything = "".join(path.read_text(encoding="latin-1") for path in out.rglob("*.*"))
    assert all(needle in everything for needle in NEEDLES)
    assert OTHER not in everything
    assert all(word in (out / "export.txt").read_text(encoding="utf-8") for word in WORDS[::2])
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.rglob("*.*")} == {0o600}
    assert run("export", ADDRESS, "--out", str(out))[0] == 2, "it never writes over an export"
    assert sightings(desk, NEEDLES) == before


def test_a_mail_that_is_not_read_yet_is_not_lost(desk: App, run: Run) -> None:
    local_mailbox(desk).new.add(f"From: {OTHER}\r\n\r\nI am a friend of {ADDRESS}".encode())
    local_mailbox(desk).new.add(f"From: {ADDRESS}\r\n\r\nHello".encode())
    code, said = run("erase", ADDRESS, "--yes")
    assert code == 1
    assert "still named in a mail in new that is not read yet" in said
    (kept,) = local_mailbox(desk).waiting()
    assert OTHER.encode() in kept.raw


def test_the_key_of_the_hashes_is_closed_to_others(desk: App, run: Run) -> None:
    assert run("erase", ADDRESS, "--yes")[0] == 0
    key = desk.settings.home / KEY_FILE
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["ana", "ana@", "@x.example", "a b@x.example"])
def test_what_is_no_address_is_bad_input(run: Run, name: str) -> None:
    code, said = run("erase", name, "--yes")
    assert code == 2
    assert "no e-mail address" in said


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("write to <Ana@X.example>.", True), ("ana@x.example", True), ("joana@x.example", False),
        ("x.ana@x.example", False), ("ana@x.example.com", False), ("Ana\n Zoë Smith", True),
        (json.dumps("ANA ZOË SMITH"), True), ("Anas Zoë Smith", False),
    ],
)  # fmt: skip
def test_a_longer_address_is_somebody_else(text: str, named: bool) -> None:  # noqa: FBT001
    mentions = Mentions(["ana@x.example", "Ana Zoë Smith"])
    assert mentions.are_in(text) == named
    assert (mentions.take_out(text) != text) == named
    assert not mentions.are_in(mentions.take_out(text))
