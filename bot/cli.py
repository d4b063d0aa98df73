"""Parses the command line; each command is one function that imports what it needs."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

from bot.errors import DeskError, InputError, MissingError
from bot.files import keep_files_private

if TYPE_CHECKING:
    from bot.app import App

TELEMETRY_OFF = {
    "ANONYMIZED_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "HF_HUB_OFFLINE": "1",
}
DONE, FAILED, BAD, MISSING = 0, 1, 2, 3  # exit codes


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 means done, 1 a failed check, 2 bad usage or input, 3 that something needed is missing.
    """
    arguments = _parser().parse_args(argv)
    keep_files_private()
    try:
        run: Callable[[argparse.Namespace], int] = arguments.run
        return run(arguments)
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


def ask(arguments: argparse.Namespace) -> int:
    """Answer one text, or a stream of lines."""
    from bot.answering.reply import compose_reply
    from bot.commands.public_json import as_json, message_of, rows
    from bot.llm.consult import describe_consultation

    app = _app(once=not arguments.jsonl)
    if arguments.jsonl:

        def one(line: object) -> dict[str, Any]:
            response = app.responder.respond(message_of(line))
            return as_json(response, compose_reply(response, app.knowledge))

        return _stream(one)
    text = " ".join(arguments.text) or sys.stdin.read()
    message = message_of({"text": text})
    explained: list[str] = []
    show = _explain(explained, app) if arguments.explain else None
    response = app.responder.respond(message, show)
    reply = compose_reply(response, app.knowledge)
    if arguments.json:
        _print_json(as_json(response, reply))
        return DONE
    _print(reply)
    lines = [*rows(response), *describe_consultation(response), *explained]
    _print("\n".join(f"# {line}" for line in lines))
    return DONE


def mail_check(arguments: argparse.Namespace) -> int:
    """Say what the desk would do with raw mails; sends nothing, stores nothing."""
    from bot.commands.mail_check import MailCheck

    with MailCheck(_app()) as check:
        codes = [_checked(check, name, jsonl=arguments.jsonl) for name in arguments.files]
    return max(codes)


def redact(arguments: argparse.Namespace) -> int:
    """Mask secrets."""
    from bot.commands.public_json import span_json, text_of
    from bot.redact import redact as mask

    def one(line: object) -> dict[str, Any]:
        masked = mask(text_of(line))
        return {"text": masked.text, "spans": [span_json(s) for s in masked.spans]}

    return _stream(one) if arguments.jsonl else _single(arguments, lambda text: mask(text).text)


def guard(arguments: argparse.Namespace) -> int:
    """Say whether a text may leave as an automatic reply."""
    from bot.commands.public_json import check_size, text_of

    outbound = _app().outbound

    def one(line: object) -> dict[str, Any]:
        check = outbound.check(text_of(line))
        return {"allowed": check.allowed, "why": check.why}

    if arguments.jsonl:
        return _stream(one)
    check = outbound.check(check_size(" ".join(arguments.text) or sys.stdin.read()))
    _print("allowed" if check.allowed else f"stopped: {check.why}")
    return DONE if check.allowed else FAILED


def index(_arguments: argparse.Namespace) -> int:
    """Bring the index up to date, and say what changed and what was learned."""
    from bot.commands.doctor import NOTHING_LEARNED

    app = _app()
    for warning in app.knowledge.warnings:
        _say(f"warning: {warning}")
    changed = app.index()
    _print(
        f"knowledge {app.knowledge.version}: {len(app.knowledge.passages)} passages, "
        f"{len(app.knowledge.wordings)} wordings; {changed.added} records added, "
        f"{changed.removed} removed, {changed.kept} unchanged"
    )
    _print(app.fit.summary if app.fit else NOTHING_LEARNED)
    return DONE


def serve(_arguments: argparse.Namespace) -> int:
    """Take mail and answer it until stopped."""
    from bot.commands.demo import serve as run

    return run(_app())


def demo(arguments: argparse.Namespace) -> int:
    """Serve, and play the sample mails through the SMTP port first."""
    from bot.commands.demo import demo as run

    return run(_app(), once=arguments.once)


def send(arguments: argparse.Namespace) -> int:
    """Send a mail to the local intake."""
    from bot.commands.demo import send as run

    run(_app().settings, " ".join(arguments.text) or sys.stdin.read(), sender=arguments.sender)
    _print("accepted; the reply goes to the folder mail/sent of the running desk")
    return DONE


def queue(arguments: argparse.Namespace) -> int:
    """List what waits for a person, the most urgent first."""
    from bot.channels.slack.texts import read_staff_texts
    from bot.commands import cases

    app = _app()
    texts = read_staff_texts(app.settings.knowledge)
    wanted = cases.read_filter(
        app.knowledge, unclaimed=arguments.unclaimed, urgent=arguments.urgent,
        topic=arguments.topic, language=arguments.language, find=arguments.find,
    )  # fmt: skip
    asked = (app.journal, texts, app.knowledge, wanted, arguments.page)
    if arguments.json:
        _print_json(cases.queue_json(*asked))
    else:
        _print("\n".join(cases.queue_lines(*asked)))
    return DONE


def case(arguments: argparse.Namespace) -> int:
    """Show all of a case: conversation, reason, candidates, draft, what was done."""
    from bot.commands.cases import case_lines

    _print("\n".join(case_lines(_app(), arguments.id)))
    return DONE


def reconcile(_arguments: argparse.Namespace) -> int:
    """Decide and send from the journal what a crash left behind."""
    from bot.commands.reconcile import reconcile as run

    _print("\n".join(run(_app())))
    return DONE


def decide(arguments: argparse.Namespace) -> int:
    """Approve, rewrite or close a waiting case."""
    from bot.commands import cases

    text = arguments.text if arguments.file is None else cases.read_text_file(arguments.file)
    done = cases.decide(
        _app(), arguments.id, text=text, approve=arguments.approve, anyway=arguments.anyway,
        confirm=lambda shown: _agreed(shown, unasked=arguments.yes),
    )  # fmt: skip
    _print(done)
    return DONE


def report(arguments: argparse.Namespace) -> int:
    """Say what the desk did: mails, answers, cases, times, topics, the model."""
    from pathlib import Path

    from bot.commands.report import read_report, report_html, report_markdown

    app = _app()
    activity = read_report(app, arguments.since)
    if arguments.html:
        Path(arguments.html).write_text(report_html(app, activity), encoding="utf-8")
        _print(f"written to {arguments.html}")
    else:
        _print(report_markdown(app, activity))
    return DONE


def doctor(arguments: argparse.Namespace) -> int:
    """Check what the desk needs."""
    from dataclasses import asdict

    from bot.commands.doctor import run_checks

    findings = list(run_checks(_app()))
    good = all(f.good for f in findings)
    if arguments.json:
        _print_json({"good": good, "findings": [asdict(f) for f in findings]})
    else:
        for finding in findings:
            _print(f"{'ok  ' if finding.good else 'FAIL'}  {finding.name:<12}{finding.says}")
    return DONE if good else FAILED


def _agreed(shown: str, *, unasked: bool) -> bool:
    """Show what would go out and ask; InputError where nobody can be asked."""
    if not unasked and not sys.stdin.isatty():
        raise InputError("nobody can be asked here; --yes sends the draft without asking")
    _print(shown)
    if unasked:
        return True
    try:
        return input("send this? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _print(text: str) -> None:
    """Print text for a reader, without characters that could control the terminal."""
    from bot.text.printable import printable

    print(printable(text), flush=True)


def _print_json(value: dict[str, Any]) -> None:
    """Print JSON for a program, as one line of ASCII that no text in it can break."""
    print(json.dumps(value, ensure_ascii=True), flush=True)


def _app(*, once: bool = False) -> "App":
    from bot.app import App
    from bot.settings import read_settings

    disable_telemetry()
    return App(read_settings(), _say, once=once)


def disable_telemetry() -> None:
    """Turn off the telemetry of vendors unless the owner turned it on; call it before imports."""
    for name, value in TELEMETRY_OFF.items():
        os.environ.setdefault(name, value)  # noqa: TID251 - a switch that is written, not a setting


def _say(line: str) -> None:
    from bot.text.printable import printable

    print(printable(line), file=sys.stderr, flush=True)


def _fail(error: Exception, code: int) -> int:
    """Print an error as one masked line, for it may quote its input, and return `code`."""
    from bot.redact import redact as mask

    _say(f"incident-desk: {mask(str(error)).text}")
    return code


def _stream(one: Callable[[object], dict[str, Any]]) -> int:
    """Answer the lines on stdin in order and return the exit code."""
    from bot.commands.public_json import answer_lines

    code = DONE
    for answer, good in answer_lines(sys.stdin.buffer, one):
        code = code if good else BAD
        _print_json(answer)
    return code


def _single(arguments: argparse.Namespace, make: Callable[[str], str]) -> int:
    from bot.commands.public_json import check_size

    _print(make(check_size(" ".join(arguments.text) or sys.stdin.read())))
    return DONE


def _checked(check: Any, name: str, *, jsonl: bool) -> int:
    try:
        result = check.file(name)
    except OSError as error:
        result = {"file": name, "error": error.strerror or "cannot be read"}
    if jsonl:
        _print_json(result)
    else:
        line = result.get("error") or f"{result['verdict']:<8}{result['rule_text']}"
        _print(f"{name}: {line}")
    return BAD if "error" in result else DONE


def _explain(into: list[str], app: "App") -> Callable[[Any], None]:
    into.append(f"threshold {app.responder.judge.threshold_for('en'):.3f} for English")

    def note(reading: Any) -> None:
        judged = reading.judgement
        into.append(f"read as {reading.view[:80]!r}: {judged.label}, p={judged.probability:.3f}")
        into.append("  " + ", ".join(f"{name}={value:.2f}" for name, value in judged.features))
        into.extend(
            f"  near {h.cosine:.2f} {h.label}: {h.text[:60]}"
            for h in app.responder.near(reading.view)
        )

    return note


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="incident-desk",
        description="Answers people affected by an incident from the published post alone.",
    )
    version = f"incident-desk {metadata.version('incident-desk')}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(
        name: str, run: Callable[[argparse.Namespace], int], example: str, into: Any = commands
    ) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = into.add_parser(
            name, help=run.__doc__, description=run.__doc__, epilog=f"example: {example}"
        )
        command.set_defaults(run=run)
        return command

    asking = add("ask", ask, 'incident-desk ask "Were my API keys exposed?"')
    asking.add_argument("text", nargs="*")
    asking.add_argument("--json", action="store_true", help="the public JSON")
    asking.add_argument("--explain", action="store_true", help="evidence, probability, threshold")
    asking.add_argument("--jsonl", action="store_true", help="a JSON object a line on stdin")
    mail = commands.add_parser("mail", help="look at raw mails").add_subparsers(
        required=True, metavar="command"
    )
    checking = add("check", mail_check, "incident-desk mail check letter.eml", mail)
    checking.add_argument("files", nargs="+", metavar="FILE")
    checking.add_argument("--jsonl", action="store_true")
    for name, run in (("redact", redact), ("guard", guard)):
        command = add(name, run, f"echo text | incident-desk {name}")
        command.add_argument("text", nargs="*")
        command.add_argument("--jsonl", action="store_true")
    add("index", index, "incident-desk index")
    add("serve", serve, "incident-desk serve")
    add("demo", demo, "incident-desk demo --once").add_argument(
        "--once", action="store_true", help="end after the samples"
    )
    sending = add("send", send, 'incident-desk send "Were my API keys exposed?"')
    sending.add_argument("text", nargs="*")
    sending.add_argument("--from", dest="sender", default="you@example.org")
    queueing = add("queue", queue, "incident-desk queue --topic password --language German")
    queueing.add_argument("--json", action="store_true", help="for programs")
    queueing.add_argument("--unclaimed", action="store_true", help="only cases that nobody has")
    queueing.add_argument("--urgent", action="store_true", help="only urgent cases")
    queueing.add_argument("--topic", default="", help="only cases near this heading of the post")
    queueing.add_argument("--language", default="", help="only cases in this language")
    queueing.add_argument(
        "--find", default="", metavar="WORDS", help="open and decided cases with these words"
    )
    queueing.add_argument("--page", type=int, default=1, help="of a long list")
    add("case", case, "incident-desk case 3").add_argument("id", type=int)
    deciding = add("decide", decide, "incident-desk decide 3 --approve --yes")
    deciding.add_argument("id", type=int)
    how = deciding.add_mutually_exclusive_group(required=True)
    how.add_argument("--approve", action="store_true", help="send the draft as it stands")
    how.add_argument("--text", help="send this instead")
    how.add_argument("--file", help="send the text of this file instead")
    how.add_argument("--dismiss", action="store_true", help="close without a mail")
    deciding.add_argument(
        "--anyway", action="store_true", help="send your own text in spite of remarks"
    )
    deciding.add_argument("--yes", action="store_true", help="send the draft without asking")
    reporting = add("report", report, "incident-desk report --since 7d --html report.html")
    reporting.add_argument("--since", default="7d", help="a day such as 2026-11-24, or 7d, or 12h")
    reporting.add_argument("--html", default="", metavar="FILE", help="write a page with plots")
    add("reconcile", reconcile, "incident-desk reconcile")
    add("doctor", doctor, "incident-desk doctor").add_argument(
        "--json", action="store_true", help="for programs"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
