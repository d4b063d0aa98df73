"""Parses the commands for one person: erase, export, opt-out."""

import argparse
from pathlib import Path

from bot.commands import terminal
from bot.commands.terminal import DONE, FAILED, Subcommands, add_command, print_json, print_text
from bot.errors import DeskError, InputError


def erase(arguments: argparse.Namespace) -> int:
    """Erase everything that is held about a person, after showing it."""
    from dataclasses import asdict

    from bot.commands import privacy

    app = terminal.open_app()
    with app.mail.archives() as archives:
        held = privacy.find_personal_data(app, archives, [arguments.address, *arguments.also])
        description = "\n".join(privacy.describe_personal_data(app, held))
        if arguments.dry_run:
            print_json({"found": held.count()}) if arguments.json else print_text(description)
            return DONE
        if arguments.json and not arguments.yes:
            raise InputError("--json shows nothing to agree to; say --yes, or --dry-run to look")
        if not arguments.json and not terminal.is_agreed(
            description, "erase this?", unasked=arguments.yes
        ):
            raise DeskError("nothing was erased")
        receipt = privacy.erase_personal_data(app, held)
    if arguments.json:
        print_json(asdict(receipt))
    else:
        print_text(f"erased at {receipt.at}; receipt {receipt.person}")
        for place in receipt.left:
            print_text(f"still named in {place}; run the command again when that is done")
    return FAILED if receipt.left else DONE


def export(arguments: argparse.Namespace) -> int:
    """Write what is held about a person to a new folder, as JSON, as text and as mails."""
    from bot.commands import privacy

    app = terminal.open_app()
    with app.mail.archives() as archives:
        held = privacy.find_personal_data(app, archives, [arguments.address, *arguments.also])
        files = privacy.export_personal_data(app, held, Path(arguments.out))
    print_text(f"{len(files)} files in {arguments.out}")
    return DONE


def opt_out(arguments: argparse.Namespace) -> int:
    """Note that a person wants no mail that they did not ask for; replies still go out."""
    from bot.commands import case_review
    from bot.commands.recall import note_opt_out

    address, undo, actor = arguments.address, arguments.undo, case_review.name_terminal_actor()
    print_text(note_opt_out(terminal.open_app(), address, actor=actor, undo=undo))
    return DONE


def add_erase(commands: Subcommands) -> None:
    erasing = add_command(commands, "erase", erase, "incident-desk erase ana@example.org --dry-run")
    _add_person(erasing)
    erasing.add_argument("--dry-run", action="store_true", help="only show what is held")
    erasing.add_argument("--json", action="store_true", help="for programs")
    erasing.add_argument("--yes", action="store_true", help="erase without asking")


def add_export(commands: Subcommands) -> None:
    exporting = add_command(
        commands, "export", export, "incident-desk export ana@example.org --out ana"
    )
    _add_person(exporting)
    exporting.add_argument("--out", required=True, metavar="FOLDER", help="a new folder")


def add_opt_out(commands: Subcommands) -> None:
    opting = add_command(commands, "opt-out", opt_out, "incident-desk opt-out ana@example.org")
    opting.add_argument("address", metavar="ADDRESS")
    opting.add_argument("--undo", action="store_true", help="they want corrections again")


def _add_person(command: argparse.ArgumentParser) -> None:
    command.add_argument("address", metavar="ADDRESS")
    command.add_argument(
        "--also", action="append", default=[], metavar="NAME",
        help="another address or name of the same person; may be repeated",
    )  # fmt: skip
