"""The terminal: what waits, all of a case, and what a person decides there."""

import getpass
import io
import json
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import sqlalchemy as sql
from typing_extensions import override

from bot.app import App
from bot.cli import main
from bot.commands import terminal
from bot.commands.demo import _show
from bot.domain import EscalationReason
from bot.journal import CaseChange, ReceivedMessage, Stage
from bot.journal.engine import storable, writing
from bot.journal.transcript import read_audit
from bot.serve.service import HandledMail
from bot.settings import Settings, read_settings
from bot.text.unicode import INVISIBLE

QUOTED = "Were OpenAI passwords, API keys, or payment information exposed?"
UNSURE = "Which law firm advises you about the budget of the marketing team?"


class Terminal(io.StringIO):
    """A keyboard with somebody at it."""

    @override
    def isatty(self) -> bool:
        return True


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def desk(app: App, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """A desk of its own on the shared model, which the commands find."""
    made = App(settings, knowledge=app.knowledge, responder=app.responder)
    monkeypatch.setattr("bot.commands.terminal.open_app", lambda **_: made)
    yield made
    made.journal.close()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def command(*argv: str, typed: str | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO() if typed is None else Terminal(typed))
        try:
            code = main(argv)
        except SystemExit as ended:  # a wrong command line
            code = int(str(ended.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def case(desk: App, text: str = QUOTED, n: int = 1, *, subject: str = "", rule: str = "R18") -> int:
    """A case of a held mail, with the draft that the desk makes of it."""
    message_id = desk.desk.store_message(
        ReceivedMessage(
            channel="email",
            thread_key=f"t{n}",
            key=f"k{n}",
            raw_ref="r",
            verdict="hold",
            rule=rule,
            sender=f"ana{n}@x.example",
            headers={"message_id": f"<{n}@x>", "references": "", "subject": subject},
            text=text,
        )
    )
    assert message_id
    desk.desk.decide_message(message_id)
    return next(w.id for w in desk.journal.cases.list_open() if w.message_id == message_id)


def for_reason(desk: App, case_id: int, reason: EscalationReason) -> None:
    with writing(desk.journal.engine) as db:
        row = sql.text("UPDATE escalation SET reason = :reason WHERE id = :id")
        db.execute(row, {"reason": reason.value, "id": case_id})


def test_the_queue_shows_topic_masked_sender_age_first_line_and_draft(desk: App, run: Run) -> None:
    assert run("queue")[1] == "nothing waits for a person\n"
    case(desk, f"{UNSURE}\nA second line.", subject="About lawyers")
    desk.journal.mark_failed(_taken(desk), "broken")
    code, out, _ = run("queue")
    assert code == 0
    for words in (
        "Held for a person",
        "0 min",
        f"“{UNSURE}”",
        "no draft",
        "Unreadable mail",
    ):
        assert words in out, words
    assert "English  a•••@x[.]example" in out
    assert "ana1@" not in out
    assert "A second line." not in out
    for options, shown in (
        (("--language", "German"), "no such case"), (("--urgent",), "no such case"),
        (("--find", "LAW firm"), UNSURE), (("--find", "second ana1@x"), UNSURE),
        (("--find", "no such words"), "no such case"), (("--unclaimed", "--page", "7"), UNSURE),
    ):  # fmt: skip
        assert shown in run("queue", *options)[1], options
    for wrong in (("--topic", "bicycles"), ("--language", "Elvish")):
        code, _, err = run("queue", *wrong)
        assert (code, wrong[1] in err) == (2, True)


def _taken(desk: App) -> int:
    message_id = desk.desk.store_message(
        ReceivedMessage(
            channel="email",
            thread_key="t9",
            key="k9",
            raw_ref="r",
            verdict="answer",
            rule="R18",
            sender="bo@x.example",
            headers={"message_id": "<9@x>", "references": ""},
            text="?",
        )
    )
    assert message_id
    return message_id


def test_the_queue_is_json_for_programs(desk: App, run: Run) -> None:
    number = case(desk)
    _, out, _ = run("queue", "--json")
    (found,) = json.loads(out)["cases"]
    assert (found["id"], found["reason"], found["draft"], found["overdue"]) == (
        number, "held", True, False,
    )  # fmt: skip
    assert found["from"] == "a•••@x[.]example"
    assert run("decide", str(number), "--seen", found["version"], "--dismiss")[0] == 0
    assert out.isascii()


def test_a_case_shows_all_of_it(desk: App, run: Run) -> None:
    number = case(desk, f"{QUOTED}\nA second line.", subject="About lawyers", rule="R7 list")
    code, out, _ = run("case", str(number))
    assert code == 0
    for words in (
        "Normal, held for a person", "ana1@x.example", "A rule keeps this for a person", "Rule: list.",
        "Look at the sender first", "they wrote", "About lawyers", "A second line.", "p=",
        "--- draft", "This is what we have published", "received:hold", "decided",
        f"decide {number} --approve",
    ):  # fmt: skip
        assert words in out, words
    assert run("case", "99")[0] == 2


def test_a_case_shows_what_we_wrote_and_who_decided(desk: App, run: Run) -> None:
    number = case(desk)
    run("decide", str(number), "--text", "We name no law firm.")
    _, out, _ = run("case", str(number))
    assert "--- we wrote" in out
    assert "We name no law firm." in out
    assert f"edited by terminal:{getpass.getuser()}" in out
    assert "decide with" not in out


def test_an_approval_shows_recipient_and_text_and_asks(desk: App, run: Run) -> None:
    number = case(desk)
    draft = desk.journal.cases.list_open()[0].draft
    for typed in ("\n", "n\n", "no way\n", ""):
        code, out, err = run("decide", str(number), "--approve", typed=typed)
        assert code == 1
        assert "to: ana1@x.example" in out
        assert draft.rstrip() in out
        assert "stays open: nothing was sent" in err
    code, out, _ = run("decide", str(number), "--approve", typed="y\n")
    assert (code, desk.journal.cases.list_open()) == (0, [])
    assert "approved, 1 mail sent" in out


def test_without_a_terminal_an_approval_needs_yes(desk: App, run: Run) -> None:
    number = case(desk)
    code, _, err = run("decide", str(number), "--approve")
    assert code == 2
    assert "--yes" in err
    assert len(err.strip().splitlines()) == 1
    assert len(desk.journal.cases.list_open()) == 1
    assert run("decide", str(number), "--approve", "--yes")[0] == 0
    assert desk.journal.cases.list_open() == []


@pytest.mark.parametrize(
    "reason",
    [EscalationReason.PRESS, EscalationReason.LEGAL, EscalationReason.REGULATOR, EscalationReason.DANGER],
)  # fmt: skip
def test_no_draft_answers_press_legal_regulator_or_danger(
    desk: App, run: Run, reason: EscalationReason
) -> None:
    number = case(desk)
    for_reason(desk, number, reason)
    for more in ((), ("--yes",)):
        code, _, err = run("decide", str(number), "--approve", *more, typed="y\n")
        assert code == 2
        assert "--text or --file" in err
    assert "--approve" not in run("case", str(number))[1]
    assert len(desk.journal.cases.list_open()) == 1
    assert run("decide", str(number), "--text", "We will call you.")[0] == 0


def test_a_case_that_changed_while_somebody_was_asked_is_not_sent(
    desk: App, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = case(desk)

    def answers_late(_prompt: str) -> str:
        again = ReceivedMessage(
            channel="email", thread_key="t1", key="k2", raw_ref="r", verdict="answer", rule="R18",
            sender="ana1@x.example", headers={"message_id": "<2@x>", "references": ""}, text="Wait!",
        )  # fmt: skip
        desk.desk.store_message(again)
        return "y"

    monkeypatch.setattr("builtins.input", answers_late)
    code, _, err = run("decide", str(number), "--approve", typed="")
    assert code == 2
    assert "has changed meanwhile" in err
    assert len(desk.journal.cases.list_open()) == 1


def writes_again(desk: App, text: str) -> None:
    """The asker of the first case writes another mail."""
    again = desk.desk.store_message(
        ReceivedMessage(
            channel="email", thread_key="t1", key=f"k{text}", raw_ref="r", verdict="hold",
            rule="R18", sender="ana1@x.example", text=text,
            headers={"message_id": f"<{len(text)}@x>", "references": ""},
        )
    )  # fmt: skip
    assert again
    desk.desk.decide_message(again)


@pytest.mark.parametrize("how", [("--text", "We name no law firm."), ("--dismiss",), ("--approve", "--yes")])  # fmt: skip
def test_who_wrote_again_is_read_before_they_are_answered(
    desk: App, run: Run, how: tuple[str, ...]
) -> None:
    number = str(case(desk))
    writes_again(desk, "It is settled, thank you. Do not write to me.")
    code, _, err = run("decide", number, *how)
    assert (code, "they wrote again" in err) == (2, True)
    seen = run("case", number)[1].partition("--seen ")[2].split()[0]
    writes_again(desk, "Or do write.")
    code, _, err = run("decide", number, "--seen", seen, *how)
    assert (code, "has changed since" in err) == (2, True)
    seen = run("case", number)[1].partition("--seen ")[2].split()[0]
    assert run("decide", number, "--seen", seen, *how)[0] == 0
    assert desk.journal.cases.list_open() == []


def test_a_case_that_a_colleague_has_is_taken_before_it_is_decided(desk: App, run: Run) -> None:
    number = case(desk)
    change = CaseChange(verb="claimed", stage=Stage.CLAIMED, owner="slack:UEVE")
    assert desk.journal.cases.change(number, actor="slack:UEVE", change=change, owner="")
    code, _, err = run("decide", str(number), "--text", "We name no law firm.")
    assert code == 2
    assert "slack:UEVE has case" in err
    assert desk.journal.cases.list_open()
    assert run("decide", str(number), "--take", "--text", "We name no law firm.")[0] == 0
    events = [
        (entry.actor.partition(":")[0], entry.event)
        for entry in read_audit(desk.journal.engine, number)
    ]
    assert [event for event in events if event[0] == "terminal"] == [
        ("terminal", "claimed"), ("terminal", "edited"),
    ]  # fmt: skip


def test_a_secret_is_neither_stored_nor_sent_anyway(desk: App, run: Run) -> None:
    number = case(desk)
    key = "sk-" + "proj-" + "".join(chr(97 + (7 * i) % 26) + str(i % 10) for i in range(24))
    for text, says in ((f"Use {key}, please.", "real API key"), ("x" * 10_001, "may have 10000")):
        code, _, err = run("decide", str(number), "--text", text, "--anyway")
        assert code == 2
        assert says in err
    assert len(desk.journal.cases.list_open()) == 1
    assert desk.journal.count_rows()["outbox"] == 0


def test_the_text_may_come_from_a_file(desk: App, run: Run, tmp_path: Path) -> None:
    number = case(desk)
    letter = tmp_path / "reply.txt"
    assert run("decide", str(number), "--file", str(letter))[0] == 2
    letter.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in run("decide", str(number), "--file", str(letter))[2]
    letter.write_text(" \n")
    assert "empty" in run("decide", str(number), "--file", str(letter))[2]
    letter.write_text("Dear Ana,\n\nwe name no law firm.\n", encoding="utf-8")
    assert "edited, 1 mail sent" in run("decide", str(number), "--file", str(letter))[1]


# Each character of a category that a terminal obeys or does not show; of surrogates and private ones
# some stand for all.
HARMFUL = "".join(
    char
    for code in (
        *range(0xD800),
        0xD800,
        0xDFFF,
        0xE000,
        *range(0xF900, 0x20000),
        *range(0xE0000, 0xF0001),
    )
    if (char := chr(code)) in INVISIBLE
    or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
)
FAKE = "99  page   account takeover"
FAKE_ROWS = "".join(
    f"{end}{FAKE}" for end in ("\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029")
)
SEQUENCES = "".join((
    "\x1bc", "\x1b[2J\x1b[H", "\x1b]0;owned\x07", "\x1b]52;c;ZXZpbA==\x1b\\", "\x9b31m", "\x9d0;owned\x9c",
    "\x1b]8;;https://evil.example\x07here\x1b]8;;\x07", "\x1bP+q544e\x1b\\", "\x1b[1A\x1b[2K", "\b" * 9,
    "\u202eright to left\u202c", "\u2066x\u2069", "\x0e\x0f", "\x1b[6n", "\U000e0041", "\u3164",
))  # fmt: skip
ATTACK = f"{SEQUENCES}{FAKE_ROWS}{HARMFUL}"


def test_nothing_that_is_printed_controls_the_terminal(
    desk: App, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = case(
        desk, f"{UNSURE} {ATTACK}", subject=f"Help {ATTACK}", rule=f"R7 {storable(ATTACK)}"
    )
    desk.journal.append_audit(f"did {storable(ATTACK)}", 1)
    name = "".join(c for c in ATTACK if c not in "/\0" and not "\ud800" <= c <= "\udfff")
    letter = tmp_path / f"a{name[:40]}.eml"
    letter.write_bytes(f"From: a@b.example\r\nSubject: {SEQUENCES}\r\n\r\n{UNSURE}".encode())
    monkeypatch.setattr("bot.commands.terminal.is_agreed", _shows(terminal.print_text))
    printed = [
        run("queue"), run("queue", "--json"), run("case", str(number)), run("ask", f"{UNSURE}{ATTACK}"),
        run("decide", str(number), "--approve", typed="n\n"),
        run("guard", f"x {ATTACK}"), run("mail", "check", str(letter)), run("doctor"),
        run("mail", "check", f"/{ATTACK}".replace("\0", "")), run("mail", "check", str(letter), "--jsonl"),
        run("decide", str(number), "--file", f"/{ATTACK}".replace("\0", "")), run("send", f"x{ATTACK}"),
        run("queue", ATTACK), run("case", ATTACK), run(ATTACK), run("decide", "1", f"--{ATTACK}"),
    ]  # fmt: skip
    monkeypatch.setattr("bot.commands.terminal.open_app", lambda **_: read_settings())
    for setting in ("DESK_LOG", "DESK_THRESHOLD", "DESK_MAIL", "DESK_IMAP_PORT", "DESK_NONE"):
        with monkeypatch.context() as patch:
            patch.setenv(setting, storable(ATTACK.replace("\0", "")))
            printed.append(run("queue"))
    desk_rows = run_demo_rows(ATTACK)
    shows_a_whole_text = run("redact", f"x {ATTACK}")[1]
    for shown in [*(out + err for _, out, err in printed), desk_rows, shows_a_whole_text]:
        wrong = {c for c in shown if c in HARMFUL and c not in "\n\t"}
        assert wrong == set(), shown[:200]
        rows = [line for line in shown.split("\n") if line.lstrip().startswith(FAKE)]
        assert rows == [] or shown is shows_a_whole_text, shown


def _shows(show: Callable[[str], None]) -> Callable[..., bool]:
    """Stands for a person who is shown a draft and refuses."""

    def shown(text: str, *, unasked: bool) -> bool:
        show(text)
        return unasked

    return shown


def run_demo_rows(text: str) -> str:
    """What `demo` prints of a mail with this subject."""
    out = io.StringIO()
    with redirect_stdout(out):
        _show(HandledMail(subject=text, verdict="hold", rule=f"R7 {text}", response=None), [])
    return out.getvalue()


@pytest.mark.usefixtures("desk")
def test_the_doctor_is_json_for_programs(run: Run) -> None:
    code, out, _ = run("doctor", "--json")
    told = json.loads(out)
    assert (code == 0) is told["good"]
    assert {"knowledge", "model", "journal"} <= {f["name"] for f in told["findings"]}
    assert all(set(f) == {"name", "good", "says"} for f in told["findings"])


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("incident-desk 0.")
