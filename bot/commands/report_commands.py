"""Parses the commands that report what the desk did: report, gaps, ledger …"""

import argparse
import sys
from pathlib import Path

from bot.commands import terminal
from bot.commands.terminal import (
    DONE,
    FAILED,
    Subcommands,
    add_command,
    add_group,
    print_json,
    print_rows,
    print_text,
)


def report(arguments: argparse.Namespace) -> int:
    """Say what the desk did: mails, answers, cases, times, topics, the model."""
    from bot.commands.report import read_report, report_html, report_markdown

    app = terminal.open_app(looks_back=True)
    activity = read_report(app, arguments.since)
    if arguments.html:
        Path(arguments.html).write_text(report_html(app, activity), encoding="utf-8")
        print_text(f"written to {arguments.html}")
    else:
        print_text(report_markdown(app, activity))
    return DONE


def gaps(arguments: argparse.Namespace) -> int:
    """Say what people ask that the desk does not answer, the most frequent first."""
    from bot.commands import gap_report

    app = terminal.open_app(looks_back=True)
    gap_list = gap_report.read_gaps(app, arguments.since)
    if arguments.html:
        Path(arguments.html).write_text(gap_report.gap_page(gap_list, app), encoding="utf-8")
        print_text(f"written to {arguments.html}")
    elif arguments.json:
        for gap in gap_list:
            print_json(gap_report.gap_json(gap))
    else:
        print_rows(gap_report.gap_lines(gap_list, app))
    return DONE


def ledger_verify(arguments: argparse.Namespace) -> int:
    """Check that no entry of the ledger was changed or is missing."""
    checked = terminal.open_app(looks_back=True).journal.ledger.check(arguments.head)
    for fault in checked.faults:
        print_text(f"FAIL  {fault}")
    print_text(f"{checked.entries} entries, head {checked.head}")
    return FAILED if checked.faults else DONE


def ledger_export(arguments: argparse.Namespace) -> int:
    """Write who was told what, when, under which knowledge, by whom approved."""
    from bot.commands.ledger_export import export_ledger

    for line in export_ledger(terminal.open_app(looks_back=True).journal, csv=arguments.csv):
        sys.stdout.write(line)
    return DONE


def add_report(commands: Subcommands) -> None:
    reporting = add_command(
        commands, "report", report, "incident-desk report --since 7d --html report.html"
    )
    reporting.add_argument("--since", default="7d", help="a day such as 2026-11-24, or 7d, or 12h")
    reporting.add_argument("--html", default="", metavar="FILE", help="write a page with plots")


def add_gaps(commands: Subcommands) -> None:
    missing = add_command(commands, "gaps", gaps, "incident-desk gaps --since 30d --html gaps.html")
    missing.add_argument("--since", default="30d", help="a day such as 2026-11-24, or 30d, or 12h")
    shape = missing.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="a JSON object a line")
    shape.add_argument("--html", default="", metavar="FILE", help="write a page with a plot")


def add_ledger(commands: Subcommands) -> None:
    ledgers = add_group(commands, "ledger", "who was told what, as a list; or is it whole?")
    verifying = add_command(ledgers, "verify", ledger_verify, "incident-desk ledger verify")
    verifying.add_argument(
        "--head", default="", metavar="HASH", help="an earlier head, which must still be there"
    )
    add_command(ledgers, "export", ledger_export, "incident-desk ledger export --csv").add_argument(
        "--csv", action="store_true", help="a table in place of a JSON object a line"
    )
