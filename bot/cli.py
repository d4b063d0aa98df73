"""One thin function per command; what a command needs is imported inside it."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bot.errors import DeskError, InputError, MissingError
from bot.files import keep_files_private

if TYPE_CHECKING:
    from bot.app import App

DONE, FAILED, BAD, MISSING = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 a check failed, 2 bad usage or input, 3 something is missing."""
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
    from bot.rendering import as_json, message_of, rows, told
    from bot.wording import word

    app = _app(once=not arguments.jsonl)
    if arguments.jsonl:

        def one(line: object) -> dict[str, Any]:
            response = app.responder.respond(message_of(line))
            return as_json(response, word(response, app.knowledge))

        return _stream(one)
    text = " ".join(arguments.text) or sys.stdin.read()
    message = message_of({"text": text})
    explained: list[str] = []
    show = _explain(explained, app) if arguments.explain else None
    response = app.responder.respond(message, show)
    reply = word(response, app.knowledge)
    if arguments.json:
        print(json.dumps(as_json(response, reply), ensure_ascii=False))
        return DONE
    print(reply)
    lines = [*rows(response), *told(response), *explained]
    print("\n".join(f"# {line}" for line in lines))
    return DONE


def mail_check(arguments: argparse.Namespace) -> int:
    """Say what the desk would do with raw mails; sends nothing, stores nothing."""
    from bot.checking import MailCheck

    with MailCheck(_app()) as check:
        codes = [_checked(check, name, jsonl=arguments.jsonl) for name in arguments.files]
    return max(codes)


def redact(arguments: argparse.Namespace) -> int:
    """Mask secrets."""
    from bot.redact import redact as mask
    from bot.rendering import span_json, text_of

    def one(line: object) -> dict[str, Any]:
        masked = mask(text_of(line))
        return {"text": masked.text, "spans": [span_json(s) for s in masked.spans]}

    return _stream(one) if arguments.jsonl else _single(arguments, lambda text: mask(text).text)


def guard(arguments: argparse.Namespace) -> int:
    """Say whether a text may leave as an automatic reply."""
    from bot.rendering import sized, text_of

    outbound = _app().outbound

    def one(line: object) -> dict[str, Any]:
        check = outbound.check(text_of(line))
        return {"allowed": check.allowed, "why": check.why}

    if arguments.jsonl:
        return _stream(one)
    check = outbound.check(sized(" ".join(arguments.text) or sys.stdin.read()))
    print("allowed" if check.allowed else f"stopped: {check.why}")
    return DONE if check.allowed else FAILED


def index(_arguments: argparse.Namespace) -> int:
    """Bring the index up to date and say what changed."""
    app = _app()
    for warning in app.knowledge.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    changed = app.index()
    print(
        f"knowledge {app.knowledge.version}: {len(app.knowledge.passages)} passages, "
        f"{len(app.knowledge.wordings)} wordings; {changed.added} records added, "
        f"{changed.removed} removed, {changed.kept} unchanged"
    )
    if app.fit is None:
        print("no fit for these questions: strict rules decide; `python -m evals fit` makes one")
    return DONE


def serve(_arguments: argparse.Namespace) -> int:
    """Take mail and answer it until stopped."""
    from bot.demo import serve as run

    return run(_app())


def demo(arguments: argparse.Namespace) -> int:
    """Serve, and play the sample mails through the SMTP port first."""
    from bot.demo import demo as run

    return run(_app(), once=arguments.once)


def send(arguments: argparse.Namespace) -> int:
    """Send a mail to the local intake."""
    from bot.demo import send as run

    run(_app().settings, " ".join(arguments.text) or sys.stdin.read(), sender=arguments.sender)
    print("accepted; the reply goes to the folder mail/sent of the running desk")
    return DONE


def queue(_arguments: argparse.Namespace) -> int:
    """List what waits for a person."""
    from bot.checking import queue_lines

    print("\n".join(queue_lines(_app().journal)))
    return DONE


def reconcile(_arguments: argparse.Namespace) -> int:
    """Decide and send from the journal what a crash left behind."""
    from bot.checking import reconcile as run

    print("\n".join(run(_app())))
    return DONE


def decide(arguments: argparse.Namespace) -> int:
    """Approve, rewrite or close a waiting case."""
    from bot.checking import decide as run

    print(
        run(
            _app(), arguments.id, text=arguments.text, approve=arguments.approve,
            anyway=arguments.anyway,
        )
    )  # fmt: skip
    return DONE


def doctor(_arguments: argparse.Namespace) -> int:
    """Check what the desk needs."""
    from bot.checking import examine

    findings = list(examine(_app()))
    for finding in findings:
        print(f"{'ok  ' if finding.good else 'FAIL'}  {finding.name:<12}{finding.says}")
    return DONE if all(f.good for f in findings) else FAILED


def _app(*, once: bool = False) -> "App":
    from bot.app import App
    from bot.settings import read_settings
    from bot.telemetry import silence

    silence()
    return App(read_settings(), _say, once=once)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _fail(error: Exception, code: int) -> int:
    """One line, masked: an error may quote what it stumbled over."""
    from bot.redact import redact as mask

    print(f"incident-desk: {mask(str(error)).text}", file=sys.stderr)
    return code


def _stream(one: Callable[[object], dict[str, Any]]) -> int:
    """Answer line by line, in order."""
    from bot.rendering import answered

    code = DONE
    for made, good in answered(sys.stdin.buffer, one):
        code = code if good else BAD
        print(json.dumps(made, ensure_ascii=True), flush=True)
    return code


def _single(arguments: argparse.Namespace, make: Callable[[str], str]) -> int:
    from bot.rendering import sized

    print(make(sized(" ".join(arguments.text) or sys.stdin.read())))
    return DONE


def _checked(check: Any, name: str, *, jsonl: bool) -> int:
    try:
        found = check.file(name)
    except OSError as error:
        found = {"file": name, "error": error.strerror or "cannot be read"}
    if jsonl:
        print(json.dumps(found, ensure_ascii=True), flush=True)
    else:
        said = found.get("error") or f"{found['verdict']:<8}{found['rule']}"
        print(f"{name}: {said}")
    return BAD if "error" in found else DONE


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
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(
        name: str, run: Callable[[argparse.Namespace], int], example: str, into: Any = commands
    ) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = into.add_parser(
            name, help=run.__doc__, description=run.__doc__, epilog=f"example: {example}"
        )
        made.set_defaults(run=run)
        return made

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
        made = add(name, run, f"echo text | incident-desk {name}")
        made.add_argument("text", nargs="*")
        made.add_argument("--jsonl", action="store_true")
    add("index", index, "incident-desk index")
    add("serve", serve, "incident-desk serve")
    add("demo", demo, "incident-desk demo --once").add_argument(
        "--once", action="store_true", help="end after the samples"
    )
    sending = add("send", send, 'incident-desk send "Were my API keys exposed?"')
    sending.add_argument("text", nargs="*")
    sending.add_argument("--from", dest="sender", default="you@example.org")
    add("queue", queue, "incident-desk queue")
    deciding = add("decide", decide, "incident-desk decide 3 --approve")
    deciding.add_argument("id", type=int)
    how = deciding.add_mutually_exclusive_group(required=True)
    how.add_argument("--approve", action="store_true", help="send the draft as it stands")
    how.add_argument("--text", help="send this instead")
    how.add_argument("--dismiss", action="store_true", help="close without a mail")
    deciding.add_argument("--anyway", action="store_true", help="send --text in spite of remarks")
    add("reconcile", reconcile, "incident-desk reconcile")
    add("doctor", doctor, "incident-desk doctor")
    return parser


if __name__ == "__main__":
    sys.exit(main())
