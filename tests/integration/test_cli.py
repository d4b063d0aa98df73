import json
import os
import random
import string
from pathlib import Path

import pytest

from bot.cli import main
from bot.commands.public_json import MAX_CHARACTERS, MAX_TURNS, read_line_message
from bot.domain import Redaction
from bot.infra.telemetry import SWITCHED_OFF
from bot.redact import redact
from tests.support.command_line import run


def test_ask_answers_with_the_faqs_own_sentences(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run(capsys, monkeypatch, "ask", "Were my API keys exposed?")
    assert code == 0
    assert "OpenAI passwords, API keys, payment information, government IDs" in out


def test_ask_json_has_the_public_shape(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = run(capsys, monkeypatch, "ask", "--json", "Were my API keys exposed?")
    made = json.loads(out)
    assert set(made) == {
        "decision",
        "reason",
        "reply",
        "lang",
        "parts",
        "redactions",
        "knowledge",
        "ms",
    }
    (part,) = made["parts"]
    assert set(part) == {
        "question",
        "decision",
        "reason",
        "probability",
        "passages",
        "quotes",
        "candidate",
    }
    assert part["candidate"]["passages"]


def test_ask_explains(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, out, _ = run(capsys, monkeypatch, "ask", "--explain", "Were my API keys exposed?")
    assert "near 0." in out or "near 1." in out
    assert "threshold" in out


def test_a_stream_survives_bad_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        b'{"id": 1, "text": "Were API keys exposed?"}',
        b"not json",
        b'{"id": 2, "text": ""}',
        b'{"id": 3, "text": "' + b"a" * 262_145 + b'"}',
        b'{"id": 4, "text": "nul \\u0000 and \\ud800 lone"}',
        b'{"id": 5, "text": 7}',
        b'{"id": 6, "text": "x", "channel": "fax"}',
        b'{"id": 7, "text": "x", "history": [{"role": "king", "text": "y"}]}',
        b'{"id": 8, "text": "And is it safe?", "history": [{"role": "user", "text": "my key?"}]}',
        b"[1]",
        b"[" * 20_000,
        b"",
        b'{"id": 9, "text": "Should I enable multi-factor authentication for my account?"}',
    ]
    code, out, err = run(capsys, monkeypatch, "ask", "--jsonl", stdin=b"\n".join(lines))
    made = [json.loads(line) for line in out.splitlines()]
    assert code == 2
    assert len(made) == 12
    assert [m["id"] for m in made if "decision" in m] == [1, 4, 8, 9]
    assert all("Traceback" not in json.dumps(m) for m in made)
    assert "Traceback" not in err


def test_of_a_long_history_only_the_newest_turns_are_worked_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    masked: list[int] = []

    def counted(text: str) -> Redaction:
        masked.append(len(text))
        return redact(text)

    monkeypatch.setattr("bot.commands.public_json.redact", counted)
    turn = {"role": "user", "text": "my password is gone " * 100}
    question = "Were my API keys exposed?"
    cases: dict[str, dict[str, object]] = {
        "many": {"history": [turn] * 20_000},
        "long": {"history": [{"role": "user", "text": "a" * 300_000}]},
        "number": {"history": [{"role": "user", "text": 7}]},
    }
    lines = [json.dumps({"id": name, "text": question, **more}) for name, more in cases.items()]
    _, out, _ = run(capsys, monkeypatch, "ask", "--jsonl", stdin="\n".join(lines).encode())
    made = {m["id"]: m for m in map(json.loads, out.splitlines())}
    assert made["many"]["decision"] == "answer"
    assert "262144 characters together" in made["long"]["error"]
    assert "history is" in made["number"]["error"]
    assert len(masked) == 1 + MAX_TURNS, "the texts of the one good line"
    assert sum(masked) <= MAX_CHARACTERS
    numbered = [{"role": "user", "text": f"turn {n}"} for n in range(100)]
    kept = read_line_message({"text": question, "history": numbered}).history
    assert [turn.text for turn in kept] == [f"turn {n}" for n in range(60, 100)]


def test_an_error_of_the_desk_itself_is_masked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-" + "proj-" + "".join(random.Random(4).choices(string.ascii_letters, k=48))

    def broken() -> None:
        raise ValueError(f"unexpected {key}")

    monkeypatch.setattr("bot.settings.read_settings", broken)
    code, _, err = run(capsys, monkeypatch, "ask", "x")
    assert code == 1
    assert "ValueError: unexpected [removed: API key]" in err
    assert key not in err


def test_the_mask_leaves_what_is_wrong_with_a_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_MODEL", "openai:gpt-4o")
    code, _, err = run(capsys, monkeypatch, "ask", "x")
    assert code == 2
    assert "DESK_MODEL=openai:gpt-4o" in err
    assert "OPENAI_API_KEY" in err


def test_redact_and_guard_streams(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-" + "proj-" + "aB3" * 12
    code, out, _ = run(
        capsys,
        monkeypatch,
        "redact",
        "--jsonl",
        stdin=json.dumps({"id": 1, "text": f"my key {key}."}).encode(),
    )
    made = json.loads(out)
    assert code == 0
    assert key not in made["text"]
    assert made["spans"][0]["start"] == 7
    code, out, _ = run(
        capsys, monkeypatch, "guard", "--jsonl", stdin=b'{"id": 1, "text": "Yes."}\n{"id": 2}\n'
    )
    assert code == 2
    assert json.loads(out.splitlines()[0])["allowed"] is False


def test_redact_and_guard_on_one_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(capsys, monkeypatch, "redact", "nothing here")[1] == "nothing here\n"
    assert run(capsys, monkeypatch, "guard", "Yes.")[0] == 1
    assert run(capsys, monkeypatch, "guard", "Hello,")[0] == 0


def test_mail_check(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    letter = tmp_path / "a.eml"
    letter.write_bytes(
        b"From: ana@example.org\r\nTo: incident@desk.example\r\nSubject: keys\r\n\r\nWere my API keys exposed?\r\n"
    )
    away = tmp_path / "b.eml"
    away.write_bytes(
        b"From: bo@example.org\r\nAuto-Submitted: auto-replied\r\nSubject: away\r\n\r\nI am away.\r\n"
    )
    code, out, _ = run(
        capsys,
        monkeypatch,
        "mail",
        "check",
        "--jsonl",
        str(letter),
        str(away),
        str(tmp_path / "gone"),
    )
    first, second, third = (json.loads(line) for line in out.splitlines())
    assert code == 2
    assert (first["verdict"], first["from"]) == ("answer", "ana@example.org")
    assert first["response"]["decision"] == "answer"
    assert (second["verdict"], second["response"]) == ("drop", None)
    assert "error" in third
    _, out, _ = run(capsys, monkeypatch, "mail", "check", str(letter))
    assert "answer" in out


def test_index_is_idempotent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = run(capsys, monkeypatch, "index")
    assert code == 0
    assert "0 records added, 0 removed" in out
    assert "platform.api.com" in err


def test_doctor_queue_decide(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run(capsys, monkeypatch, "doctor")
    assert code == 0, out
    assert "answers from a probability of" in out
    assert "every kind may leave" in out
    assert "nothing waits" in run(capsys, monkeypatch, "queue")[1]
    code, _, err = run(capsys, monkeypatch, "decide", "7", "--approve")
    assert code == 2
    assert "no case 7" in err


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DESK_SMTP_PORT", "many", "DESK_SMTP_PORT"),
        ("DESK_THRESHOLD", "3", "DESK_THRESHOLD"),
        ("DESK_MAIL", "pigeon", "DESK_MAIL"),
        ("DESK_KNOWLEDGE", "nowhere", "incident post is missing"),
    ],
)
def test_a_wrong_setting_is_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    says: str,
) -> None:
    monkeypatch.setenv(name, value)
    code, _, err = run(capsys, monkeypatch, "index")
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_sending_without_a_desk_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_SMTP_PORT", "9")
    code, _, err = run(capsys, monkeypatch, "send", "hello")
    assert code == 3
    assert "incident-desk serve" in err
    assert run(capsys, monkeypatch, "send", stdin=b" ")[0] == 2


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ask", "--help"])
    assert "example:" in capsys.readouterr().out


INHERITED = (
    "LANGSMITH_TRACING", "LANGSMITH_API_KEY", "LANGSMITH_ENDPOINT", "LANGCHAIN_TRACING_V2", "LANGCHAIN_API_KEY",
    "LANGCHAIN_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_TRACES_EXPORTER",
    "CHROMA_OTEL_COLLECTION_ENDPOINT", "ANONYMIZED_TELEMETRY", "LANGSMITH_OTEL_ENABLED", "LANGSMITH_RUNS_ENDPOINTS",
)  # fmt: skip


@pytest.mark.parametrize("wanted", [False, True])
def test_nothing_phones_home_unless_the_owner_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, wanted: bool
) -> None:
    for name in INHERITED:
        monkeypatch.setenv(name, "true")
    for name in SWITCHED_OFF:
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("DESK_TELEMETRY", str(wanted))
    assert run(capsys, monkeypatch, "guard", "x")[0] == 1
    left = {name: os.environ.get(name) for name in INHERITED}  # noqa: TID251 - looked at, not read as a setting
    expected = {name: "true" if wanted else SWITCHED_OFF.get(name) for name in INHERITED}
    assert left == expected
    assert wanted or "true" not in left.values()
