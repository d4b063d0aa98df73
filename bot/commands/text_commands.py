"""Parses the commands that look at texts: ask, mail check, redact, guard."""

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bot.commands import terminal
from bot.commands.terminal import (
    BAD,
    DONE,
    FAILED,
    Subcommands,
    add_command,
    add_group,
    answer_stream,
    print_json,
    print_rows,
    print_text,
)
from bot.errors import DeskError

if TYPE_CHECKING:
    from bot.app import App


def ask(arguments: argparse.Namespace) -> int:
    """Answer one text, or a stream of lines."""
    from bot.answering.reply import compose_reply
    from bot.commands.public_json import read_line_message, response_json, response_lines
    from bot.llm.consult import describe_consultation

    app = terminal.open_app(once=not arguments.jsonl)
    if arguments.jsonl:

        def one(line: object) -> dict[str, Any]:
            response = app.responder.respond(read_line_message(line))
            return response_json(response, compose_reply(response, app.knowledge))

        return answer_stream(one)
    text = " ".join(arguments.text) or sys.stdin.read()
    message = read_line_message({"text": text})
    explained: list[str] = []
    show = _explain(explained, app) if arguments.explain else None
    response = app.responder.respond(message, show)
    reply = compose_reply(response, app.knowledge)
    if arguments.json:
        print_json(response_json(response, reply))
        return DONE
    print_text(reply)
    lines = [*response_lines(response), *describe_consultation(response), *explained]
    print_rows(f"# {line}" for line in lines)
    return DONE


def mail_check(arguments: argparse.Namespace) -> int:
    """Say what the desk would do with raw mails; sends nothing, stores nothing."""
    from bot.commands.mail_check import MailCheck

    with MailCheck(terminal.open_app()) as check:
        codes = [_checked(check, name, jsonl=arguments.jsonl) for name in arguments.files]
    return max(codes)


def redact(arguments: argparse.Namespace) -> int:
    """Mask secrets; the names of the incident are none."""
    from bot.commands.public_json import read_line_text, span_json
    from bot.redact import redact as mask

    def one(line: object) -> dict[str, Any]:
        masked = mask(read_line_text(line))
        return {"text": masked.text, "spans": [span_json(s) for s in masked.spans]}

    with suppress(DeskError):  # optional: with knowledge, the incident's names stay
        _ = terminal.open_app().knowledge
    return (
        answer_stream(one) if arguments.jsonl else _single(arguments, lambda text: mask(text).text)
    )


def guard(arguments: argparse.Namespace) -> int:
    """Say whether a text may leave as an automatic reply."""
    from bot.commands.public_json import check_size, read_line_text

    outbound = terminal.open_app().outbound

    def one(line: object) -> dict[str, Any]:
        check = outbound.check(read_line_text(line))
        return {"allowed": check.allowed, "why": check.why}

    if arguments.jsonl:
        return answer_stream(one)
    check = outbound.check(check_size(" ".join(arguments.text) or sys.stdin.read()))
    print_text("allowed" if check.allowed else f"stopped: {check.why}")
    return DONE if check.allowed else FAILED


def _single(arguments: argparse.Namespace, make: Callable[[str], str]) -> int:
    from bot.commands.public_json import check_size

    print_text(make(check_size(" ".join(arguments.text) or sys.stdin.read())))
    return DONE


def _checked(check: Any, name: str, *, jsonl: bool) -> int:
    try:
        result = check.check_file(name)
    except OSError as error:
        result = {"file": name, "error": error.strerror or "cannot be read"}
    if jsonl:
        print_json(result)
    else:
        said = f"{result.get('verdict'):<8}{result.get('rule_text')} ({result.get('proof')})"
        line = result.get("error") or said
        print_rows([f"{name}: {line}"])
    return BAD if "error" in result else DONE


def _explain(into: list[str], app: "App") -> Callable[[Any], None]:
    into.append(f"threshold {app.responder.judge.threshold_for('en'):.3f} for English")

    def note(reading: Any) -> None:
        judged = reading.judgement
        into.append(f"read as {reading.view[:80]!r}: {judged.label}, p={judged.probability:.3f}")
        into.append("  " + ", ".join(f"{name}={value:.2f}" for name, value in judged.features))
        into.extend(
            f"  near {h.cosine:.2f} {h.label}: {h.text[:60]}"
            for h in app.responder.finder.near(reading.view)
        )

    return note


def add_ask(commands: Subcommands) -> None:
    asking = add_command(commands, "ask", ask, 'incident-desk ask "Were my API keys exposed?"')
    asking.add_argument("text", nargs="*")
    asking.add_argument("--json", action="store_true", help="the public JSON")
    asking.add_argument("--explain", action="store_true", help="evidence, probability, threshold")
    asking.add_argument("--jsonl", action="store_true", help="a JSON object a line on stdin")


def add_mail(commands: Subcommands) -> None:
    mail = add_group(commands, "mail", "look at raw mails")
    checking = add_command(mail, "check", mail_check, "incident-desk mail check letter.eml")
    checking.add_argument("files", nargs="+", metavar="FILE")
    checking.add_argument("--jsonl", action="store_true")


def add_redact_and_guard(commands: Subcommands) -> None:
    for name, run in (("redact", redact), ("guard", guard)):
        command = add_command(commands, name, run, f"echo text | incident-desk {name}")
        command.add_argument("text", nargs="*")
        command.add_argument("--jsonl", action="store_true")
