"""Parses the commands for the knowledge folder: new, index, knowledge …"""

import argparse
from pathlib import Path

from bot.commands import terminal
from bot.commands.terminal import (
    DONE,
    Subcommands,
    add_command,
    add_group,
    print_json,
    print_rows,
    print_text,
)
from bot.errors import MissingError


def new(arguments: argparse.Namespace) -> int:
    """Make a knowledge folder from a published post, and say what was guessed."""
    from bot.commands.new import fetch, make_folder, read_source

    text = fetch(arguments.url) if arguments.url else read_source(arguments.post)
    for line in make_folder(Path(arguments.folder), text, arguments.url or ""):
        print_text(line)
    return DONE


def index(arguments: argparse.Namespace) -> int:
    """Bring the index up to date, and say what changed and what was learned."""
    from bot.commands.index_update import index_lines

    for line in index_lines(terminal.open_app(), ids=arguments.ids):
        print_text(line)
    return DONE


def knowledge_diff(arguments: argparse.Namespace) -> int:
    """Say what changed from one knowledge folder to another, and what kind of change it is."""
    from bot.commands.recall import diff_lines

    print_text("\n".join(diff_lines(Path(arguments.old), Path(arguments.new))))
    return DONE


def knowledge_recall(arguments: argparse.Namespace) -> int:
    """List who was told what the post no longer says; --send corrects it, each once."""
    from bot.commands import case_review, recall
    from bot.corpus.changes import ChangeKind

    app = terminal.open_app(looks_back=True)
    kinds = ChangeKind.WORDING, ChangeKind.ADDITION, ChangeKind.CORRECTION
    decided = recall.decided_kinds({kind: getattr(arguments, kind) for kind in kinds}, app)
    finder = app.recall(decided)
    entries = list(finder.find())
    if arguments.list:
        recall.write_list([recall.entry_json(entry) for entry in entries], Path(arguments.list))
    if arguments.send:
        done = recall.send_corrections(
            finder, entries, actor=case_review.name_terminal_actor(),
            per_minute=app.limits.corrections_per_minute,
            confirm=lambda shown: terminal.is_agreed(shown, "send these?", unasked=arguments.yes),
        )  # fmt: skip
        print_text(done)
    elif arguments.json:
        for entry in entries:
            print_json(recall.entry_json(entry))
    else:
        print_text("\n".join(recall.recall_lines(finder, entries)))
    return DONE


def knowledge_labels(arguments: argparse.Namespace) -> int:
    """List questions that people answered, and say which of them the desk learns from."""
    from bot.commands import label_lines

    app = terminal.open_app(looks_back=True)
    if arguments.accept or arguments.reject:
        done = label_lines.decide_labels(
            app.label_review, accept=arguments.accept, reject=arguments.reject
        )
        print_rows(done)
        return DONE
    waiting = app.label_review.propose()
    if arguments.json:
        for each in waiting:
            print_json(label_lines.label_json(each))
    else:
        print_rows(label_lines.label_lines(waiting, app.knowledge))
    return DONE


def knowledge_answers(arguments: argparse.Namespace) -> int:
    """List answers of the support team, and say which of them others may get too."""
    from bot.commands import case_review, team_answer_actions

    store, verb = terminal.open_app(looks_back=True).team_answer_review, arguments.verb
    if verb:
        action = team_answer_actions.TeamAnswerAction(
            store=store, case=arguments.case, actor=case_review.name_terminal_actor(),
            confirm=lambda shown: terminal.is_agreed(
                shown, "use this answer?", unasked=arguments.yes
            ),
            question=arguments.question, text=arguments.text,
        )  # fmt: skip
        print_rows(action.perform(team_answer_actions.Verb(verb)))
        return DONE
    for each in store.list_all() if arguments.json else ():
        print_json(each.model_dump(mode="json"))
    if not arguments.json:
        print_rows(team_answer_actions.team_answer_lines(store.list_all()))
    for fault in store.list_faults():
        terminal.say(f"warning: {fault}")
    return DONE


def knowledge_propose(arguments: argparse.Namespace) -> int:
    """Have a language model write how people may ask, into files that a person reviews."""
    from bot.commands import propose

    app = terminal.open_app()
    passages = propose.choose_passages(app.knowledge, arguments.passages)
    model = app.wording_model
    if model is None:
        raise MissingError(propose.NO_MODEL)
    for line in propose.propose_lines(app.knowledge, passages, model.propose):
        print_text(line)
    return DONE


def add_new(commands: Subcommands) -> None:
    making = add_command(commands, "new", new, "incident-desk new acme --post statement.html")
    making.add_argument("folder", metavar="DIR")
    source = making.add_mutually_exclusive_group(required=True)
    source.add_argument("--post", metavar="FILE", help="HTML, Markdown or plain text; - is stdin")
    source.add_argument("--url", metavar="ADDRESS", help="fetch the page, where that is possible")


def add_index(commands: Subcommands) -> None:
    add_command(commands, "index", index, "incident-desk index").add_argument(
        "--ids", action="store_true", help="list the ids of all passages"
    )


def add_knowledge(commands: Subcommands) -> None:
    within = add_group(commands, "knowledge", "what changed, and who was told otherwise")
    comparing = add_command(within, "diff", knowledge_diff, "incident-desk knowledge diff OLD NEW")
    comparing.add_argument("old", metavar="OLD", help="a knowledge folder")
    comparing.add_argument("new", metavar="NEW", help="a knowledge folder")
    _add_recall(within)
    _add_labels(within)
    proposing = add_command(
        within, "propose", knowledge_propose, "incident-desk knowledge propose faq-new-passage"
    )
    proposing.add_argument(
        "passages", nargs="*", metavar="PASSAGE",
        help="ids of passages; without any, those that nobody has written wordings for",
    )  # fmt: skip
    _add_answers(within)


def _add_recall(within: Subcommands) -> None:
    recalling = add_command(
        within, "recall", knowledge_recall, "incident-desk knowledge recall --send"
    )
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


def _add_labels(within: Subcommands) -> None:
    labelling = add_command(
        within, "labels", knowledge_labels, "incident-desk knowledge labels --accept all"
    )
    for verb, help_ in (
        ("accept", "the desk learns from these: all, or numbers such as 3,5"),
        ("reject", "the desk does not learn from these"),
    ):
        labelling.add_argument(f"--{verb}", default="", metavar="LABELS", help=help_)
    labelling.add_argument("--json", action="store_true", help="a JSON object a line")


def _add_answers(within: Subcommands) -> None:
    answering = add_command(
        within, "answers", knowledge_answers, "incident-desk knowledge answers propose 12"
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
