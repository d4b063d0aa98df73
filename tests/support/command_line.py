"""Runs a command of the terminal in the process of the test."""

import io

import pytest

from bot.cli import main


def run(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *argv: str,
    stdin: bytes = b"",
) -> tuple[int, str, str]:
    """Run `incident-desk` with these words; its exit code, what it printed, and its errors."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
    code = main(argv)
    said = capsys.readouterr()
    return code, said.out, said.err
