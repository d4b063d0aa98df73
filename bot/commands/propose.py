"""Implements `knowledge propose`: a model proposes wordings, which a person reviews."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from bot.adapters.chat_wordings import ProposedWordings
from bot.corpus import Knowledge
from bot.domain import Passage
from bot.errors import InputError
from bot.files import replace_file

PROPOSED = "proposed"  # a folder in the knowledge folder, which the desk never reads
UNSAFE = re.compile(r"[^\w-]+")  # in the name of a file
HEAD = """\
# A language model wrote this, and nobody has read it: the desk does not use it. Read each line,
# delete what is wrong, and put what is left into a file of the folder questions.
"""
NO_MODEL = (
    "a language model writes these: set DESK_MODEL and the key of its vendor, as in .env.example"
)
NONE_BARE = "every passage has wordings; name passages to have more written for them"
NEXT = "read them, move what is right into the folder questions, then: incident-desk index"
Propose = Callable[[Passage], ProposedWordings]


def choose_passages(knowledge: Knowledge, names: Sequence[str]) -> list[Passage]:
    """Return the passages with these ids; without ids, those for which no wordings exist.

    InputError for an id that the knowledge does not have.
    """
    if unknown := next((name for name in names if name not in knowledge.passages), ""):
        raise InputError(f"{unknown} is no passage; `incident-desk index --ids` lists them")
    if names:
        return [knowledge.passages[name] for name in dict.fromkeys(names)]
    asked = {p for w in knowledge.stated_wordings if w.answers for p in w.passages}
    return [passage for passage in knowledge.offered if passage.id not in asked]


def propose_lines(
    knowledge: Knowledge, passages: Sequence[Passage], propose: Propose
) -> Iterator[str]:
    """Have the model write wordings for each passage, and yield a line about each file written.

    DeskError when the model fails or its budget is spent; files written before stay.
    """
    if not passages:
        yield NONE_BARE
        return
    for passage in passages:
        wordings = _without_known(propose(passage), knowledge)
        path = write_proposal(knowledge.folder, passage, wordings)
        yield (
            f"{path}: {len(wordings.ask)} wordings, {len(wordings.near)} near questions, "
            f"{len(wordings.gaps)} gaps"
        )
    yield NEXT


def write_proposal(folder: Path, passage: Passage, wordings: ProposedWordings) -> Path:
    """Write the proposal for a passage in the format of a questions file, and return its path."""
    rows: list[dict[str, object]] = []
    if wordings.ask:
        near = {"proposed": "\n".join(wordings.near)} if wordings.near else {}
        rows.append(
            {
                "intent": f"proposed-{passage.id}", "answers": [passage.id],
                "ask": {"en": "\n".join(wordings.ask)}, **({"near": near} if near else {}),
            }
        )  # fmt: skip
    if wordings.gaps:
        rows.append(
            {
                "silent": f"gap-{passage.id}", "nearest": passage.id,
                "ask": {"en": "\n".join(wordings.gaps)},
            }
        )  # fmt: skip
    path = folder / PROPOSED / f"{UNSAFE.sub('-', passage.id)}.yaml"
    content = yaml.dump(rows, Dumper=_Blocks, allow_unicode=True, sort_keys=False, width=1000)
    replace_file(path, HEAD + content)
    return path


class _Blocks(yaml.SafeDumper):
    """A YAML dumper that writes wordings one a line, as people write the questions files."""


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Blocks.add_representer(str, _as_block)


def _without_known(proposed: ProposedWordings, knowledge: Knowledge) -> ProposedWordings:
    """Return the proposal without wordings that the questions files already have."""
    known = {wording.text.casefold() for wording in knowledge.stated_wordings}

    def new(lines: Sequence[str]) -> tuple[str, ...]:
        return tuple(line for line in lines if line.casefold() not in known)

    return ProposedWordings(ask=new(proposed.ask), near=new(proposed.near), gaps=new(proposed.gaps))
