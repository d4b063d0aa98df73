"""Holds what the commands of the terminal share: exit codes, output, questions, the desk."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from bot.errors import InputError
from bot.text.printable import printable, printable_line

if TYPE_CHECKING:
    from bot.app import App

DONE, FAILED, BAD, MISSING = 0, 1, 2, 3  # exit codes
Command: TypeAlias = Callable[[argparse.Namespace], int]
Subcommands: TypeAlias = Any  # what `add_subparsers` returns has no public name


def add_command(
    into: Subcommands, name: str, run: Command, example: str
) -> argparse.ArgumentParser:
    """Add a command that `run` does, described by its docstring, and return its parser."""
    command: argparse.ArgumentParser = into.add_parser(
        name, help=run.__doc__, description=run.__doc__, epilog=f"example: {example}"
    )
    command.set_defaults(run=run)
    return command


def add_group(into: Subcommands, name: str, about: str) -> Subcommands:
    """Add a word that further commands follow, such as `knowledge`, and return where they go."""
    return into.add_parser(name, help=about).add_subparsers(required=True, metavar="command")


def open_app(*, once: bool = False) -> "App":
    """Return the desk as the settings describe it; `once` where a single question is asked."""
    from bot.app import App
    from bot.infra.telemetry import disable_telemetry
    from bot.settings import read_settings

    settings = read_settings()
    if not settings.telemetry:
        disable_telemetry()
    return App(settings, say, once=once)


def say(line: str) -> None:
    """Print a line for a reader on stderr, where it does not mix with the output of a command."""
    print(printable_line(line), file=sys.stderr, flush=True)


def print_text(text: str) -> None:
    """Print text for a reader, without characters that could control the terminal."""
    print(printable(text), flush=True)


def print_rows(rows: Iterable[str]) -> None:
    """Print rows, each on one line whatever the text in it holds."""
    print_text("\n".join(map(printable_line, rows)))


def print_json(value: dict[str, Any]) -> None:
    """Print JSON for a program, as one line of ASCII that no text in it can break."""
    print(json.dumps(value, ensure_ascii=True), flush=True)


def is_agreed(shown: str, question: str, *, unasked: bool) -> bool:
    """Show what would be done and ask; InputError where nobody can be asked."""
    if not unasked and not sys.stdin.isatty():
        raise InputError("nobody can be asked here; --yes does it without asking")
    print_text(shown)
    if unasked:
        return True
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def answer_stream(answer_line: Callable[[object], dict[str, Any]]) -> int:
    """Answer the lines on stdin in order and return the exit code."""
    from bot.commands.public_json import answer_lines

    code = DONE
    for answer, good in answer_lines(sys.stdin.buffer, answer_line):
        code = code if good else BAD
        print_json(answer)
    return code
