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

DATABASE = "desk.sqlite3"  # in the home
NO_DATA = (
    "note: no desk has kept data in {home} yet. Run this in the folder in which "
    "`incident-desk serve` runs, or set DESK_HOME"
)
DONE, FAILED, BAD, MISSING = 0, 1, 2, 3  # exit codes
Command: TypeAlias = Callable[[argparse.Namespace], int]
Subcommands: TypeAlias = Any  # what `add_subparsers` returns has no public name


def add_command(
    into: Subcommands, name: str, run: Command, example: str
) -> argparse.ArgumentParser:
    """Add a command that calls `run`; the docstring of `run` is its help. Return its parser."""
    command: argparse.ArgumentParser = into.add_parser(
        name, help=run.__doc__, description=run.__doc__, epilog=f"example: {example}"
    )
    command.set_defaults(run=run)
    return command


def add_group(into: Subcommands, name: str, about: str) -> Subcommands:
    """Add a group of commands, such as `knowledge`, and return where its commands are added."""
    return into.add_parser(name, help=about).add_subparsers(required=True, metavar="command")


def open_app(*, once: bool = False, looks_back: bool = False) -> "App":
    """Return the desk as the settings describe it; `once` where a single question is asked.

    A command that `looks_back` at what a desk has done says where none has kept its data yet.
    """
    from bot.app import App
    from bot.infra.telemetry import disable_telemetry
    from bot.settings import read_settings

    settings = read_settings()
    if not settings.telemetry:
        disable_telemetry()
    if looks_back and not settings.database_url and not (settings.home / DATABASE).exists():
        say(NO_DATA.format(home=settings.home.absolute()))
    return App(settings, say, once=once)


def say(line: str) -> None:
    """Print a line for a reader to stderr, so that it does not mix with a command's output."""
    print(printable_line(line), file=sys.stderr, flush=True)


def print_text(text: str) -> None:
    """Print text for a reader, without characters that could control the terminal."""
    print(printable(text), flush=True)


def print_rows(rows: Iterable[str]) -> None:
    """Print rows, each on one line whatever the text in it holds."""
    print_text("\n".join(map(printable_line, rows)))


def print_json(value: dict[str, Any]) -> None:
    """Print JSON for a program as one line of ASCII, whatever its texts hold."""
    print(json.dumps(value, ensure_ascii=True), flush=True)


def is_agreed(description: str, question: str, *, unasked: bool) -> bool:
    """Print `description`, which says what would be done, and return whether the person agrees.

    With `unasked` nobody is asked and the result is True. InputError when stdin is no terminal to
    ask on.
    """
    if not unasked and not sys.stdin.isatty():
        raise InputError("nobody can be asked here; --yes does it without asking")
    print_text(description)
    if unasked:
        return True
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def answer_stream(answer_line: Callable[[object], dict[str, Any]]) -> int:
    """Print the result for each JSON line on stdin, in order, and return the exit code."""
    from bot.commands.public_json import answer_json_lines

    code = DONE
    for answer, good in answer_json_lines(sys.stdin.buffer, answer_line):
        code = code if good else BAD
        print_json(answer)
    return code
