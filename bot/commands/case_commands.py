"""Parses the commands for cases: queue, case, decide."""

import argparse

from bot.commands import terminal
from bot.commands.terminal import DONE, Subcommands, add_command, print_json, print_rows, print_text


def queue(arguments: argparse.Namespace) -> int:
    """List what waits for a person, the most urgent first."""
    from bot.commands import case_review
    from bot.staff.staff_texts import read_staff_texts

    app = terminal.open_app(looks_back=True)
    texts = read_staff_texts(app.settings.knowledge)
    wanted = case_review.read_filter(
        app.knowledge, unclaimed=arguments.unclaimed, urgent=arguments.urgent,
        topic=arguments.topic, language=arguments.language, find=arguments.find,
    )  # fmt: skip
    asked = (app.journal, texts, app.knowledge, wanted, arguments.page)
    if arguments.json:
        print_json(case_review.queue_json(*asked))
    else:
        print_rows(case_review.queue_lines(*asked))
    return DONE


def case(arguments: argparse.Namespace) -> int:
    """Show all of a case: conversation, reason, candidates, draft, what was done."""
    from bot.commands.case_review import case_lines

    print_text("\n".join(case_lines(terminal.open_app(looks_back=True), arguments.id)))
    return DONE


def decide(arguments: argparse.Namespace) -> int:
    """Approve, rewrite or close a waiting case."""
    from bot.commands import case_review

    text = arguments.text if arguments.file is None else case_review.read_text_file(arguments.file)
    done = case_review.decide_case(
        terminal.open_app(looks_back=True), arguments.id, text=text, approve=arguments.approve,
        anyway=arguments.anyway, actor=case_review.name_terminal_actor(),
        seen_version=arguments.seen, take=arguments.take,
        confirm=lambda shown: terminal.is_agreed(shown, "send this?", unasked=arguments.yes),
    )  # fmt: skip
    print_text(done)
    return DONE


def add_queue(commands: Subcommands) -> None:
    queueing = add_command(
        commands, "queue", queue, "incident-desk queue --topic password --language German"
    )
    queueing.add_argument("--json", action="store_true", help="for programs")
    queueing.add_argument("--unclaimed", action="store_true", help="only cases that nobody has")
    queueing.add_argument("--urgent", action="store_true", help="only urgent cases")
    queueing.add_argument("--topic", default="", help="only cases near this heading of the post")
    queueing.add_argument("--language", default="", help="only cases in this language")
    queueing.add_argument(
        "--find", default="", metavar="WORDS", help="open and decided cases with these words"
    )
    queueing.add_argument("--page", type=int, default=1, help="of a long list")


def add_case(commands: Subcommands) -> None:
    add_command(commands, "case", case, "incident-desk case 3").add_argument("id", type=int)


def add_decide(commands: Subcommands) -> None:
    deciding = add_command(commands, "decide", decide, "incident-desk decide 3 --approve --yes")
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
