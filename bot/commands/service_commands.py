"""Parses the commands that run and maintain the desk: serve, demo, send, backup, doctor …"""

import argparse
import sys
from pathlib import Path

from bot.commands import terminal
from bot.commands.terminal import (
    DONE,
    FAILED,
    Subcommands,
    add_command,
    print_json,
    print_rows,
    print_text,
)


def serve(_arguments: argparse.Namespace) -> int:
    """Take mail and answer it until stopped."""
    from bot.commands.demo import serve_until_stopped

    return serve_until_stopped(terminal.open_app())


def demo(arguments: argparse.Namespace) -> int:
    """Serve, and play the sample mails through the SMTP port first."""
    from bot.commands.demo import run_demo

    return run_demo(terminal.open_app(), once=arguments.once)


def send(arguments: argparse.Namespace) -> int:
    """Send a mail to the local intake."""
    from bot.commands.demo import send_mail

    send_mail(
        terminal.open_app().settings,
        " ".join(arguments.text) or sys.stdin.read(),
        sender=arguments.sender,
    )
    print_text("accepted; the reply goes to the folder mail/sent of the running desk")
    return DONE


def backup(arguments: argparse.Namespace) -> int:
    """Write the whole desk into one file, while it may run."""
    from bot.commands.backup import write_backup

    print_text("\n".join(write_backup(terminal.open_app(), Path(arguments.file))))
    return DONE


def restore(arguments: argparse.Namespace) -> int:
    """Make the desk of this home from a backup; no desk may be running."""
    from bot.commands.backup import restore_backup

    for line in restore_backup(
        terminal.open_app(), Path(arguments.file), replace=arguments.replace
    ):
        print_text(line)
    return DONE


def reconcile(_arguments: argparse.Namespace) -> int:
    """Decide and send from the journal what a crash or an outage left behind."""
    from bot.commands.reconcile import reconcile_journal

    print_text("\n".join(reconcile_journal(terminal.open_app())))
    return DONE


def doctor(arguments: argparse.Namespace) -> int:
    """Check what the desk needs."""
    from dataclasses import asdict

    from bot.commands.doctor import run_checks

    app = terminal.open_app()
    if arguments.new_key:
        app.check_installation_key(anew=True)
    findings = list(run_checks(app))
    good = all(f.good for f in findings)
    if arguments.json:
        print_json({"good": good, "findings": [asdict(f) for f in findings]})
    else:
        for finding in findings:
            print_rows([f"{'ok  ' if finding.good else 'FAIL'}  {finding.name:<12}{finding.says}"])
    return DONE if good else FAILED


def add_serve(commands: Subcommands) -> None:
    add_command(commands, "serve", serve, "incident-desk serve")


def add_demo(commands: Subcommands) -> None:
    add_command(commands, "demo", demo, "incident-desk demo --once").add_argument(
        "--once", action="store_true", help="end after the samples"
    )


def add_send(commands: Subcommands) -> None:
    sending = add_command(commands, "send", send, 'incident-desk send "Were my API keys exposed?"')
    sending.add_argument("text", nargs="*")
    sending.add_argument("--from", dest="sender", default="you@example.org")


def add_backup(commands: Subcommands) -> None:
    saving = add_command(commands, "backup", backup, "incident-desk backup desk.tar.gz")
    saving.add_argument("file", metavar="FILE")


def add_restore(commands: Subcommands) -> None:
    restoring = add_command(commands, "restore", restore, "incident-desk restore desk.tar.gz")
    restoring.add_argument("file", metavar="FILE")
    restoring.add_argument("--replace", action="store_true", help="in the place of what is here")


def add_reconcile(commands: Subcommands) -> None:
    add_command(commands, "reconcile", reconcile, "incident-desk reconcile")


def add_doctor(commands: Subcommands) -> None:
    checking = add_command(commands, "doctor", doctor, "incident-desk doctor")
    checking.add_argument("--json", action="store_true", help="for programs")
    checking.add_argument(
        "--new-key", action="store_true", help="the key of this host counts, the former is lost"
    )
