"""Parses the command line; each command is one function that imports what it needs."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from typing_extensions import override

from bot.errors import DeskError, InputError, MissingError
from bot.files import keep_files_private

if TYPE_CHECKING:
    from bot.app import App

DONE, FAILED, BAD, MISSING = 0, 1, 2, 3  # exit codes


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 means done, 1 a failed check, 2 bad usage or input, 3 that something needed is missing.
    """
    arguments = _parser().parse_args(argv)
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
    _print_rows(f"# {line}" for line in lines)
    return DONE


def mail_check(arguments: argparse.Namespace) -> int:
    """Say what the desk would do with raw mails; sends nothing, stores nothing."""
    from bot.commands.mail_check import MailCheck

    with MailCheck(_app()) as check:
        codes = [_checked(check, name, jsonl=arguments.jsonl) for name in arguments.files]
    return max(codes)


def redact(arguments: argparse.Namespace) -> int:
    """Mask secrets; the names of the incident are none."""
    from bot.commands.public_json import span_json, text_of
    from bot.redact import redact as mask

    def one(line: object) -> dict[str, Any]:
        masked = mask(text_of(line))
        return {"text": masked.text, "spans": [span_json(s) for s in masked.spans]}

    with suppress(DeskError):  # masking needs no knowledge, but the incident's names are no secrets
        _ = _app().knowledge
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


def index(arguments: argparse.Namespace) -> int:
    """Bring the index up to date, and say what changed and what was learned."""
    from bot.commands.knowledge import index_lines

    for line in index_lines(_app(), ids=arguments.ids):
        _print(line)
    return DONE


def knowledge_diff(arguments: argparse.Namespace) -> int:
    """Say what changed from one knowledge folder to another, and what kind of change it is."""
    from bot.commands.recall import diff_lines

    _print("\n".join(diff_lines(Path(arguments.old), Path(arguments.new))))
    return DONE


def knowledge_recall(arguments: argparse.Namespace) -> int:
    """List who was told what the post no longer says; --send corrects it, each once."""
    import getpass

    from bot.commands import recall
    from bot.corpus.changes import ChangeKind

    app = _app()
    kinds = ChangeKind.WORDING, ChangeKind.ADDITION, ChangeKind.CORRECTION
    decided = recall.decided_kinds({kind: getattr(arguments, kind) for kind in kinds}, app)
    finder = app.recall(decided)
    entries = list(finder.find())
    if arguments.list:
        recall.write_list([recall.entry_json(each) for each in entries], Path(arguments.list))
    if arguments.send:
        done = recall.send_corrections(
            finder, entries, actor=getpass.getuser(),
            per_minute=app.limits.corrections_per_minute,
            confirm=lambda shown: _agreed(shown, "send these?", unasked=arguments.yes),
        )  # fmt: skip
        _print(done)
    elif arguments.json:
        for each in entries:
            _print_json(recall.entry_json(each))
    else:
        _print("\n".join(recall.recall_lines(finder, entries)))
    return DONE


def knowledge_labels(arguments: argparse.Namespace) -> int:
    """List questions that people answered, and say which of them the desk learns from."""
    from bot.commands import labels

    app = _app()
    if arguments.accept or arguments.reject:
        done = labels.decide_labels(app.learning, accept=arguments.accept, reject=arguments.reject)
        _print_rows(done)
        return DONE
    waiting = app.learning.propose()
    if arguments.json:
        for each in waiting:
            _print_json(labels.label_json(each))
    else:
        _print_rows(labels.label_lines(waiting, app.knowledge))
    return DONE


def knowledge_answers(arguments: argparse.Namespace) -> int:
    """List answers of the support team, and say which of them others may get too."""
    import getpass

    from bot.commands import answers

    store, verb = _app().team_answers, arguments.verb
    if verb:
        act = answers.Act(
            store=store, case=arguments.case, actor=getpass.getuser(),
            confirm=lambda shown: _agreed(shown, "use this answer?", unasked=arguments.yes),
            question=arguments.question, text=arguments.text,
        )  # fmt: skip
        _print_rows(act.do(answers.Verb(verb)))
        return DONE
    for each in store.list_all() if arguments.json else ():
        _print_json(each.model_dump(mode="json"))
    if not arguments.json:
        _print_rows(answers.answer_lines(store.list_all()))
    return DONE


def knowledge_propose(arguments: argparse.Namespace) -> int:
    """Have a language model write how people may ask, into files that a person reviews."""
    from bot.commands import propose

    app = _app()
    passages = propose.choose_passages(app.knowledge, arguments.passages)
    model = app.wording_model
    if model is None:
        raise MissingError(propose.NO_MODEL)
    for line in propose.propose_lines(app.knowledge, passages, model.propose):
        _print(line)
    return DONE


def new(arguments: argparse.Namespace) -> int:
    """Make a knowledge folder from a published post, and say what was guessed."""
    from bot.commands.new import fetch, make_folder, read_source

    text = fetch(arguments.url) if arguments.url else read_source(arguments.post)
    for line in make_folder(Path(arguments.folder), text, arguments.url or ""):
        _print(line)
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
    from bot.commands import cases
    from bot.staff.staff_texts import read_staff_texts

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
        _print_rows(cases.queue_lines(*asked))
    return DONE


def case(arguments: argparse.Namespace) -> int:
    """Show all of a case: conversation, reason, candidates, draft, what was done."""
    from bot.commands.cases import case_lines

    _print("\n".join(case_lines(_app(), arguments.id)))
    return DONE


def reconcile(_arguments: argparse.Namespace) -> int:
    """Decide and send from the journal what a crash or an outage left behind."""
    from bot.commands.reconcile import reconcile as run

    _print("\n".join(run(_app())))
    return DONE


def decide(arguments: argparse.Namespace) -> int:
    """Approve, rewrite or close a waiting case."""
    from bot.commands import cases

    text = arguments.text if arguments.file is None else cases.read_text_file(arguments.file)
    done = cases.decide(
        _app(), arguments.id, text=text, approve=arguments.approve, anyway=arguments.anyway,
        actor=cases.name_terminal_actor(), seen=arguments.seen, take=arguments.take,
        confirm=lambda shown: _agreed(shown, "send this?", unasked=arguments.yes),
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


def opt_out(arguments: argparse.Namespace) -> int:
    """Note that a person wants no mail that they did not ask for; replies still go out."""
    import getpass

    from bot.commands.recall import note_opt_out

    address, undo = arguments.address, arguments.undo
    _print(note_opt_out(_app(), address, actor=getpass.getuser(), undo=undo))
    return DONE


def gaps(arguments: argparse.Namespace) -> int:
    """Say what people ask that the desk does not answer, the most frequent first."""
    from bot.commands import gaps as commands

    app = _app()
    found = commands.read_gaps(app, arguments.since)
    if arguments.html:
        Path(arguments.html).write_text(commands.gap_page(found, app), encoding="utf-8")
        _print(f"written to {arguments.html}")
    elif arguments.json:
        for each in found:
            _print_json(commands.gap_json(each))
    else:
        _print_rows(commands.gap_lines(found, app))
    return DONE


def erase(arguments: argparse.Namespace) -> int:
    """Erase everything that is held about a person, after showing it."""
    from dataclasses import asdict

    from bot.commands import privacy

    app = _app()
    with app.mail_archives() as archives:
        held = privacy.find_held(app, archives, [arguments.address, *arguments.also])
        shown = "\n".join(privacy.describe_held(app, held))
        if arguments.dry_run:
            _print_json({"found": held.count()}) if arguments.json else _print(shown)
            return DONE
        if arguments.json and not arguments.yes:
            raise InputError("--json shows nothing to agree to; say --yes, or --dry-run to look")
        if not arguments.json and not _agreed(shown, "erase this?", unasked=arguments.yes):
            raise DeskError("nothing was erased")
        receipt = privacy.erase(app, held)
    if arguments.json:
        _print_json(asdict(receipt))
    else:
        _print(f"erased at {receipt.at}; receipt {receipt.person}")
        for place in receipt.left:
            _print(f"still named in {place}; run the command again when that is done")
    return FAILED if receipt.left else DONE


def export(arguments: argparse.Namespace) -> int:
    """Write what is held about a person to a new folder, as JSON, as text and as mails."""
    from pathlib import Path

    from bot.commands import privacy

    app = _app()
    with app.mail_archives() as archives:
        held = privacy.find_held(app, archives, [arguments.address, *arguments.also])
        files = privacy.export(app, held, Path(arguments.out))
    _print(f"{len(files)} files in {arguments.out}")
    return DONE


def backup(arguments: argparse.Namespace) -> int:
    """Write the whole desk into one file, while it may run."""
    from pathlib import Path

    from bot.commands.backup import backup as run

    _print("\n".join(run(_app(), Path(arguments.file))))
    return DONE


def restore(arguments: argparse.Namespace) -> int:
    """Make the desk of this home from a backup; no desk may be running."""
    from pathlib import Path

    from bot.commands.backup import restore as run

    for line in run(_app(), Path(arguments.file), replace=arguments.replace):
        _print(line)
    return DONE


def ledger_verify(arguments: argparse.Namespace) -> int:
    """Check that no entry of the ledger was changed or is missing."""
    checked = _app().journal.ledger.check(arguments.head)
    for fault in checked.faults:
        _print(f"FAIL  {fault}")
    _print(f"{checked.entries} entries, head {checked.head}")
    return FAILED if checked.faults else DONE


def ledger_export(arguments: argparse.Namespace) -> int:
    """Write who was told what, when, under which knowledge, by whom approved."""
    from bot.commands.ledger import export as run

    for line in run(_app().journal, csv=arguments.csv):
        sys.stdout.write(line)
    return DONE


def doctor(arguments: argparse.Namespace) -> int:
    """Check what the desk needs."""
    from dataclasses import asdict

    from bot.commands.doctor import run_checks

    app = _app()
    if arguments.new_key:
        app.check_installation_key(anew=True)
    findings = list(run_checks(app))
    good = all(f.good for f in findings)
    if arguments.json:
        _print_json({"good": good, "findings": [asdict(f) for f in findings]})
    else:
        for finding in findings:
            _print_rows([f"{'ok  ' if finding.good else 'FAIL'}  {finding.name:<12}{finding.says}"])
    return DONE if good else FAILED


def _agreed(shown: str, question: str, *, unasked: bool) -> bool:
    """Show what would be done and ask; InputError where nobody can be asked."""
    if not unasked and not sys.stdin.isatty():
        raise InputError("nobody can be asked here; --yes does it without asking")
    _print(shown)
    if unasked:
        return True
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line on one line, for it quotes what was typed."""

    @override
    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong, and exit with 2."""
        from bot.text.printable import printable_line

        self.print_usage(sys.stderr)
        self.exit(BAD, f"{self.prog}: error: {printable_line(message)}\n")


def _print(text: str) -> None:
    """Print text for a reader, without characters that could control the terminal."""
    from bot.text.printable import printable

    print(printable(text), flush=True)


def _print_rows(rows: Iterable[str]) -> None:
    """Print rows, each on one line whatever the text in it holds."""
    from bot.text.printable import printable_line

    _print("\n".join(map(printable_line, rows)))


def _print_json(value: dict[str, Any]) -> None:
    """Print JSON for a program, as one line of ASCII that no text in it can break."""
    print(json.dumps(value, ensure_ascii=True), flush=True)


def _app(*, once: bool = False) -> "App":
    from bot.app import App
    from bot.infra.telemetry import disable_telemetry
    from bot.settings import read_settings

    settings = read_settings()
    if not settings.telemetry:
        disable_telemetry()
    return App(settings, _say, once=once)


def _run(arguments: argparse.Namespace) -> int:
    """Run the command, with the knowledge folder that the option names, in its children too."""
    if arguments.knowledge is not None:
        if not Path(arguments.knowledge).is_dir():
            raise InputError(f"--knowledge {arguments.knowledge}: there is no such folder")
        os.environ["DESK_KNOWLEDGE"] = arguments.knowledge  # noqa: TID251 - written, not read
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


def _say(line: str) -> None:
    from bot.text.printable import printable_line

    print(printable_line(line), file=sys.stderr, flush=True)


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
        said = f"{result.get('verdict'):<8}{result.get('rule_text')} ({result.get('proof')})"
        line = result.get("error") or said
        _print_rows([f"{name}: {line}"])
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
    making = add("new", new, "incident-desk new acme --post statement.html")
    making.add_argument("folder", metavar="DIR")
    source = making.add_mutually_exclusive_group(required=True)
    source.add_argument("--post", metavar="FILE", help="HTML, Markdown or plain text; - is stdin")
    source.add_argument("--url", metavar="ADDRESS", help="fetch the page, where that is possible")
    add("index", index, "incident-desk index").add_argument(
        "--ids", action="store_true", help="list the ids of all passages"
    )
    add("serve", serve, "incident-desk serve")
    _add_knowledge(commands, add)
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
    deciding.add_argument(
        "--seen",
        default="",
        metavar="VERSION",
        help="as `incident-desk case` shows it, where they wrote again",
    )
    deciding.add_argument("--take", action="store_true", help="take a case that somebody else has")
    reporting = add("report", report, "incident-desk report --since 7d --html report.html")
    reporting.add_argument("--since", default="7d", help="a day such as 2026-11-24, or 7d, or 12h")
    reporting.add_argument("--html", default="", metavar="FILE", help="write a page with plots")
    missing = add("gaps", gaps, "incident-desk gaps --since 30d --html gaps.html")
    missing.add_argument("--since", default="30d", help="a day such as 2026-11-24, or 30d, or 12h")
    shape = missing.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="a JSON object a line")
    shape.add_argument("--html", default="", metavar="FILE", help="write a page with a plot")
    erasing = add("erase", erase, "incident-desk erase ana@example.org --dry-run")
    exporting = add("export", export, "incident-desk export ana@example.org --out ana")
    for command in (erasing, exporting):
        command.add_argument("address", metavar="ADDRESS")
        command.add_argument(
            "--also", action="append", default=[], metavar="NAME",
            help="another address or name of the same person; may be repeated",
        )  # fmt: skip
    opting = add("opt-out", opt_out, "incident-desk opt-out ana@example.org")
    opting.add_argument("address", metavar="ADDRESS")
    opting.add_argument("--undo", action="store_true", help="they want corrections again")
    exporting.add_argument("--out", required=True, metavar="FOLDER", help="a new folder")
    erasing.add_argument("--dry-run", action="store_true", help="only show what is held")
    erasing.add_argument("--json", action="store_true", help="for programs")
    erasing.add_argument("--yes", action="store_true", help="erase without asking")
    add("backup", backup, "incident-desk backup desk.tar.gz").add_argument("file", metavar="FILE")
    restoring = add("restore", restore, "incident-desk restore desk.tar.gz")
    restoring.add_argument("file", metavar="FILE")
    restoring.add_argument("--replace", action="store_true", help="in the place of what is here")
    ledgers = commands.add_parser(
        "ledger", help="who was told what, as a list; or is it whole?"
    ).add_subparsers(required=True, metavar="command")
    verifying = add("verify", ledger_verify, "incident-desk ledger verify", ledgers)
    verifying.add_argument(
        "--head", default="", metavar="HASH", help="an earlier head, which must still be there"
    )
    add("export", ledger_export, "incident-desk ledger export --csv", ledgers).add_argument(
        "--csv", action="store_true", help="a table in place of a JSON object a line"
    )
    add("reconcile", reconcile, "incident-desk reconcile")
    checking = add("doctor", doctor, "incident-desk doctor")
    checking.add_argument("--json", action="store_true", help="for programs")
    checking.add_argument(
        "--new-key", action="store_true", help="the key of this host counts, the former is lost"
    )
    return parser


def _add_knowledge(commands: Any, add: Callable[..., argparse.ArgumentParser]) -> None:
    changing = commands.add_parser("knowledge", help="what changed, and who was told otherwise")
    within = changing.add_subparsers(required=True, metavar="command")
    comparing = add("diff", knowledge_diff, "incident-desk knowledge diff OLD NEW", within)
    comparing.add_argument("old", metavar="OLD", help="a knowledge folder")
    comparing.add_argument("new", metavar="NEW", help="a knowledge folder")
    recalling = add("recall", knowledge_recall, "incident-desk knowledge recall --send", within)
    for kind, help_ in (
        ("wording", "this passage says the same in other words: nobody is written to"),
        ("addition", "it says more: whoever asked about that is written to"),
        ("correction", "it says something else: whoever was told the old text is written to"),
    ):
        recalling.add_argument(
            f"--{kind}", action="append", default=[], metavar="ID", help=f"{help_}; with --send"
        )
    recalling.add_argument("--list", metavar="FILE", help="write the full list: .csv or .jsonl")
    recalling.add_argument("--json", action="store_true", help="a JSON object a line")
    recalling.add_argument("--send", action="store_true", help="send the corrections")
    recalling.add_argument("--yes", action="store_true", help="without asking")
    labelling = add(
        "labels", knowledge_labels, "incident-desk knowledge labels --accept all", within
    )
    for verb, help_ in (
        ("accept", "the desk learns from these: all, or numbers such as 3,5"),
        ("reject", "the desk does not learn from these"),
    ):
        labelling.add_argument(f"--{verb}", default="", metavar="LABELS", help=help_)
    labelling.add_argument("--json", action="store_true", help="a JSON object a line")
    proposing = add(
        "propose", knowledge_propose, "incident-desk knowledge propose faq-new-passage", within
    )
    proposing.add_argument(
        "passages", nargs="*", metavar="PASSAGE",
        help="ids of passages; without any, those that nobody has written wordings for",
    )  # fmt: skip
    answering = add(
        "answers", knowledge_answers, "incident-desk knowledge answers propose 12", within
    )
    answering.add_argument(
        "verb", nargs="?", choices=("propose", "try", "approve", "reject", "withdraw"),
        help="what to do with the answer of a case; without one all are listed",
    )  # fmt: skip
    answering.add_argument("case", nargs="?", type=int, default=0, help="number of the case")
    answering.add_argument("--question", default="", help="propose it for this question")
    answering.add_argument(
        "--text", default="", help="propose these whole sentences of the answer alone"
    )
    answering.add_argument("--yes", action="store_true", help="without asking")
    answering.add_argument("--json", action="store_true", help="a JSON object a line")


if __name__ == "__main__":
    sys.exit(main())
