"""Forty commands that are given, or have stored, what a terminal would obey; half kept apart.

Whatever a stranger wrote into a mail, or somebody pastes into a command, is printed as text: no
control and no format character, and no line that passes for a row of ours.
"""

import io
import shlex
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from bot.app import App
from bot.cli import main
from bot.journal import ReceivedMessage
from bot.journal.engine import storable
from bot.settings import Settings
from tests.conftest import KNOWLEDGE, home_of
from tests.support.halves import APART, SEEN, halves

UNSURE = "Which law firm advises you about the budget of the marketing team?"
FAKE = "99  page   account takeover"
ROWS = "".join(
    f"{end}{FAKE}" for end in ("\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029")
)
SEQUENCES = (
    "\x05", "\x1b[?1049h", "\x1b#8", "\x1b[1;1r", "\x1b[22;0t", "\x1b]4;1;red\x07", "\x1b]11;#000\x1b\\", "\x1b]777;notify;a;b\x07",
    "\x1b]1337;File=inline=1:AA==\x07", "\x1b_Gf=100;AA==\x1b\\", "\x1bPq#0;2;0;0;0\x1b\\", "\x1b^pm\x1b\\", "\x1bXsos\x1b\\", "\x1b[200~",
    "\x1b[8m", "\x1b[5i", "\x90q\x9c", "\x9e\x9f\x98", "\x9b2J", "\x07\x08\x08\x7f", "\u202d\u202e\u202b\u202a\u202c",
    "\u2066\u2067\u2068\u2069", "\u200e\u200f\u061c", "\u200b\u200c\u200d\u2060\ufeff", "\u00ad\u180e", "\u2061\u2062\u2063\u2064", "\u206a\u206f",
    "\ufff9\ufffa\ufffb", "\ufffe\uffff\U0001ffff", "\ue000\U000f0000\U00100000", "\u0600\u06dd\u070f\u08e2", "\U000110bd\U00013430",
    "\U0001bca0\U0001d173", "\U000e0001\U000e0041\U000e007f", "\u3164\uffa0\u115f\u1160", "\ud800\udfff",
)  # fmt: skip
STORED = storable("".join(SEQUENCES) + ROWS)  # as an argument or a row can carry it
# The first is answered, the second waits for a person.
MESSAGES = (
    ("answer", "ana@x.example", "Were passwords exposed?"),
    ("hold", f'"{STORED}"@x.example', UNSURE),
)
HARMFUL = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))
COMMANDS = (
    "ask {}", "ask --explain {}", "ask --jsonl", "redact {}", "guard {}", "mail check /{}", "mail check LETTER", "mail check LETTER --jsonl",
    "new /nowhere/{} --post LETTER", "new made --post /{}", "new made --url http://127.0.0.1:9/{}", "knowledge diff {} {}",
    "knowledge recall --send --correction {}", "knowledge recall --list /nowhere/{}.csv", "knowledge labels --accept {}",
    "knowledge propose {}", "knowledge answers try 1 --question {}", "knowledge answers propose 1 --text {}", "report --since {}",
    "report --html /nowhere/{}.html", "gaps", "gaps --since {}", "erase {}@x.example --dry-run", "erase a@b.example --also {} --dry-run",
    "export {}@x.example --out /nowhere/{}", "opt-out {}@x.example", "backup /nowhere/{}", "restore /nowhere/{}", "ledger verify --head {}",
    "ledger export --csv", "ledger export", "reconcile", "doctor", "send --from {} x", "queue --topic {}", "queue --language {}",
    "queue --find {}", "--knowledge /{} queue", "decide 1 --text {} --anyway --yes", "case 1 {}",
)  # fmt: skip
KIND = halves(COMMANDS)
WHOLE_TEXT = ("redact", "ask")  # print what they were given, or a reply, line by line


@pytest.fixture(scope="module")
def desk(app: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A desk with an answered and an open case, in which everything that a stranger sets is hostile."""
    home = home_of(tmp_path_factory.mktemp("terminal") / "home")
    made = App(Settings(home=home, knowledge=KNOWLEDGE), responder=app.responder)
    with closing(made.journal):
        for number, (verdict, sender, text) in enumerate(MESSAGES, 1):
            message_id = made.desk.store_message(
                ReceivedMessage(
                    channel="email", thread_key=f"{number}{STORED}", key=f"{number}{STORED}", raw_ref="r",
                    verdict=verdict, rule=f"R7 {STORED}", sender=sender,
                    headers={"message_id": f"<{number}@x>", "subject": f"Help {STORED}", "from": STORED},
                    text=f"{text} {STORED}",
                )
            )  # fmt: skip
            assert message_id
            made.desk.decide_message(message_id)
        made.desk.deliver()
        made.journal.append_audit(f"did {STORED}", 1)
        yield made


@pytest.fixture
def run(
    desk: App, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], str]:
    monkeypatch.setattr("bot.commands.terminal.open_app", lambda **_: desk)
    letter = tmp_path / "letter.eml"
    head = f"From: {STORED} <a@b.example>\r\nSubject: {STORED}\r\n".encode("utf-8", "replace")
    letter.write_bytes(head + f"\r\n{UNSURE} {STORED}\r\n".encode("utf-8", "replace"))

    def command(line: str) -> str:
        words = [w.replace("LETTER", str(letter)).replace("{}", STORED) for w in shlex.split(line)]
        lines = f'{{"id": "{STORED}", "text": "{STORED}"}}\n{STORED}\n'.encode("utf-8", "replace")
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines), encoding="utf-8"))
        with suppress(SystemExit):  # a wrong command line
            main(words)
        said = capsys.readouterr()
        return said.out + said.err

    return command


@pytest.mark.parametrize("half", [SEEN, APART])
def test_no_command_prints_what_a_terminal_obeys(run: Callable[[str], str], half: str) -> None:
    wrong = {}
    for line in KIND[half]:
        shown = run(line)
        if line.endswith("--csv"):  # whose rows end so
            shown = shown.replace("\r\n", "\n")
        assert shown.strip(), line
        found = {c for c in shown if c not in "\n\t" and unicodedata.category(c) in HARMFUL}
        rows = [row for row in shown.split("\n") if row.lstrip().startswith(FAKE)]
        if found or (rows and not line.startswith(WHOLE_TEXT)):
            wrong[line] = (found, rows[:1])
    assert wrong == {}
