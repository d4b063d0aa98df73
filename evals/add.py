"""Implements `add`: stores a real mail or thread as a masked and checked case.

Besides secrets, names, addresses and numbers of people are masked, because a case is kept for ever.
Nothing is written while a secret detector still finds something in the masked text.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import re2

from bot.corpus.messages import ANSWERED, MessageKind
from bot.errors import InputError
from bot.redact import redact
from bot.resources import parse_yaml
from evals.lint import likeness, normal
from evals.measuring.grade import DeskResult
from evals.measuring.measure import EvaluatedDesk, desk_of_settings, run_case
from evals.measuring.schema import CANARY, CASES, Case, CaseTurn, load_cases

REAL = "real.yaml"
NEAR = 0.5  # likeness from which a case joins the family of its nearest case
HEADER = f"""\
# Real conversations, masked; added by `python -m evals add`.
# EVAL DATA: never index, never copy into knowledge/. canary {CANARY}
cases:
"""
PERSONAL = Path(__file__).parent / "personal.yaml"


def add(argv: Sequence[str], make: Callable[[], EvaluatedDesk] = desk_of_settings) -> int:
    """Append the case and return 0; InputError (exit 2) when a secret would remain."""
    arguments = _parse(argv)
    turns = [
        (role, masked_text(text)) for role, text in read_turns(arguments.source, arguments.line)
    ]
    for _, text in turns:
        refuse_secrets(text)
    desk = make()
    existing = load_cases(arguments.folder)
    case = propose(turns, arguments, desk, existing)
    seen = run_case(desk, case)
    path = arguments.folder / REAL
    before = path.read_text(encoding="utf-8") if path.exists() else HEADER
    row = "  - " + _flow(case) + "\n"
    path.write_text(before + row, encoding="utf-8")
    try:
        load_cases(arguments.folder)
    except InputError:
        _restore(path, before)
        raise
    _tell(case, seen, existing, path, row)
    return 0


def read_turns(source: str, line: int = 0) -> Sequence[tuple[str, str]]:
    """Return the turns (role, text) of a mail or a thread; `-` reads standard input.

    With a `line`, counted from 1, only that line of the file is read. InputError when there is
    nothing to read or no text of a person in it.
    """
    try:
        raw = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}") from None
    if line:
        lines = raw.splitlines()
        if line > len(lines):
            raise InputError(f"{source}: it has {len(lines)} lines, there is no line {line}")
        raw = lines[line - 1]
    if raw.lstrip()[:1] in (b"[", b"{"):
        return _thread(raw, source)
    from bot.channels.mail.intake import question_text
    from bot.channels.mail.parse import parse

    text = question_text(parse(raw)).strip()
    if not text:
        raise InputError(f"{source}: no text that a person wrote was found in the mail")
    return [("user", text)]


def masked_text(text: str) -> str:
    """Return the text with secrets masked, and what identifies people (see `personal.yaml`)."""
    clean = redact(text).text
    for row in parse_yaml(PERSONAL.read_text(encoding="utf-8")):
        clean = re2.sub(row["find"], row["put"], clean)
    return str(clean)


def refuse_secrets(text: str) -> None:
    """Raise InputError when a secret detector still finds something in a masked text."""
    if spans := redact(text).spans:
        kinds = ", ".join(dict.fromkeys(span.kind.value for span in spans))
        raise InputError(
            f"a secret would remain ({kinds}); remove it from the source by hand, then add it again"
        )


def propose(
    turns: Sequence[tuple[str, str]],
    arguments: argparse.Namespace,
    desk: EvaluatedDesk,
    existing: Sequence[Case],
) -> Case:
    """Return the case, with the desk's nearest passages as gold or related, for a person to review.

    InputError when this message is a case already.
    """
    text = turns[-1][1]
    name = "real-" + hashlib.sha256("\n".join(t for _, t in turns).encode()).hexdigest()[:10]
    if any(case.id == name for case in existing):
        raise InputError(f"{name}: this message is a case already")
    near = nearest(text, existing)
    like = near[0] if near and near[1] >= NEAR else None
    row: dict[str, Any] = {
        "id": name,
        "family": like.family if like else name,
        "slice": arguments.slice,
        "author": "real",
        "split": like.split if like else "test",
        "lang": arguments.lang,
        "channel": arguments.channel,
        "kind": arguments.kind,
    }
    if len(turns) > 1:
        row["turns"] = [{"role": r, "text": t} for r, t in turns]
    else:
        row["text"] = text
    probe = Case.model_validate({**row, "kind": MessageKind.UNANSWERABLE})
    passages = [
        list(part.candidates[:2]) for part in run_case(desk, probe).parts if part.candidates
    ]
    if MessageKind(arguments.kind) in ANSWERED:
        row["gold"] = [arguments.gold] if arguments.gold else passages
    else:
        row["related"] = arguments.gold or list(dict.fromkeys(i for p in passages for i in p))
    return Case.model_validate(row)


def nearest(text: str, cases: Sequence[Case]) -> tuple[Case, float] | None:
    """Return the case with the most similar words and its likeness (0 to 1); None for no cases."""
    words = normal(text)
    scored = [(likeness(words, normal(case.text)), case) for case in cases]
    if not scored:
        return None
    best = max(scored, key=lambda pair: pair[0])
    return best[1], best[0]


def _thread(raw: bytes, source: str) -> Sequence[tuple[str, str]]:
    """Return the turns of a JSON thread: a list, or a list under `turns` or `messages`.

    InputError when it is none, or does not end with a message of the user.
    """
    try:
        entries = json.loads(raw)
        rows = (
            (entries.get("turns") or entries["messages"]) if isinstance(entries, dict) else entries
        )
        turns = [(said.role, said.text) for said in map(CaseTurn.model_validate, rows)]
    except (ValueError, TypeError, KeyError):
        raise InputError(
            f'{source}: a thread is [{{"role": "user" or "desk", "text": "…"}}, …]'
        ) from None
    if not turns or turns[-1][0] != "user":
        raise InputError(f"{source}: the last message of the thread must be the user's")
    return turns


def _flow(case: Case) -> str:
    """Return a case as one line of YAML, without defaults and without text filled in from turns."""
    row = case.model_dump(mode="json", exclude_defaults=True)
    if case.turns:
        row.pop("text")
    fields = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in row.items())
    return "{" + ", ".join(fields) + "}"


def _restore(path: Path, before: str) -> None:
    if before == HEADER:
        path.unlink()
    else:
        path.write_text(before, encoding="utf-8")


def _tell(case: Case, seen: DeskResult, existing: Sequence[Case], path: Path, row: str) -> None:
    print(f"{path}\n+{row}", end="")
    print(f"the desk would {seen.decision} ({seen.reason}, p={seen.probability:.2f})")
    if (near := nearest(case.text, existing)) and near[1] >= NEAR:
        print(f"near {near[0].id} ({near[1]:.2f}); it joins the family {near[0].family}")
    print("review gold and related before you commit: they are the desk's own nearest passages")


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m evals add",
        description="Append a real conversation as a masked case.",
        epilog="example: python -m evals add --from mail.eml --kind answerable --slice real",
    )
    parser.add_argument("--from", dest="source", required=True, help="mail.eml, thread.json or -")
    parser.add_argument("--line", type=int, default=0, help="of candidates.jsonl, from 1 on")
    parser.add_argument("--kind", required=True, choices=[k.value for k in MessageKind])
    parser.add_argument("--slice", default="real")
    parser.add_argument("--gold", action="append", default=[], help="a passage that answers")
    parser.add_argument("--lang", default="en")
    parser.add_argument("--channel", default="email", choices=("email", "slack"))
    parser.add_argument("--folder", type=Path, default=CASES)
    return parser.parse_args(argv)
