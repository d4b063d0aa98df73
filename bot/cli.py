"""Runs one command of the terminal: its parser, its exit code, and no traceback whatever fails.

The arguments of each command stand in `bot/commands`, in a module for each group of commands.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from typing_extensions import override

from bot.commands import (
    case_commands,
    knowledge_commands,
    privacy_commands,
    report_commands,
    service_commands,
    text_commands,
)
from bot.commands.terminal import BAD, DONE, FAILED, MISSING, Command, say
from bot.errors import DeskError, InputError, MissingError
from bot.files import keep_files_private
from bot.text.printable import printable_line

# In the order in which `incident-desk --help` lists them.
ADD_COMMANDS = (
    text_commands.add_ask,
    text_commands.add_mail,
    text_commands.add_redact_and_guard,
    knowledge_commands.add_new,
    knowledge_commands.add_index,
    service_commands.add_serve,
    knowledge_commands.add_knowledge,
    service_commands.add_demo,
    service_commands.add_send,
    case_commands.add_queue,
    case_commands.add_case,
    case_commands.add_decide,
    report_commands.add_report,
    report_commands.add_gaps,
    privacy_commands.add_erase,
    privacy_commands.add_export,
    privacy_commands.add_opt_out,
    service_commands.add_backup,
    service_commands.add_restore,
    report_commands.add_ledger,
    service_commands.add_reconcile,
    service_commands.add_doctor,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 means done, 1 a failed check, 2 bad usage or input, 3 that something needed is missing.
    """
    arguments = make_parser().parse_args(argv)
    keep_files_private()
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return DONE
    except BrokenPipeError:
        sys.stderr.close()
        return DONE
    except MissingError as error:
        return _fail(error, MISSING)
    except InputError as error:
        return _fail(error, BAD)
    except DeskError as error:
        return _fail(error, FAILED)
    except OSError as error:
        return _fail(
            MissingError(f"{error.filename or 'the system'}: {error.strerror or error}"), MISSING
        )
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user
        said = str(error).split("\n", 1)[0][:200]
        return _fail(
            DeskError(f"a fault of the desk itself: {type(error).__name__}: {said}"), FAILED
        )


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with every command."""
    parser = _Parser(
        prog="incident-desk",
        description="Answers people affected by an incident from the published post alone.",
    )
    version = f"incident-desk {metadata.version('incident-desk')}"
    parser.add_argument("--version", action="version", version=version)
    parser.add_argument(
        "--knowledge", metavar="DIR", help="the knowledge folder, in place of DESK_KNOWLEDGE"
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for add in ADD_COMMANDS:
        add(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """An argument parser that prints a usage error as one line, as the error quotes the input."""

    @override
    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong, and exit with 2."""
        self.print_usage(sys.stderr)
        self.exit(BAD, f"{self.prog}: error: {printable_line(message)}\n")


def _run(arguments: argparse.Namespace) -> int:
    """Run the command; `--knowledge` sets DESK_KNOWLEDGE, so that child processes get it too."""
    if arguments.knowledge is not None:
        if not Path(arguments.knowledge).is_dir():
            raise InputError(f"--knowledge {arguments.knowledge}: there is no such folder")
        os.environ["DESK_KNOWLEDGE"] = arguments.knowledge  # noqa: TID251 - written, not read
    run: Command = arguments.run
    return run(arguments)


def _fail(error: Exception, code: int) -> int:
    """Print an error as one line, masked because it may quote its input, and return `code`."""
    from bot.redact import redact as mask

    say(f"incident-desk: {mask(str(error)).text}")
    return code


if __name__ == "__main__":
    sys.exit(main())
