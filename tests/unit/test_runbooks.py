"""What the runbooks tell somebody to type is accepted, and what they quote is what the desk says."""

import ast
import errno
import os
import re
import shlex
from collections.abc import Iterator

import pytest
import yaml

from bot.cli import make_parser
from tests.conftest import ROOT

PAGE = (ROOT / "bot" / "deploy" / "runbooks.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
ALERT = re.compile(r"(?:[A-Z][a-z]+){3,}")
PAIR = re.compile(r'"(event|task)": "([^"]+)"')
LINE = re.compile(r"(?:ok  |FAIL)  (.{12})(.*)")  # as `doctor` prints it
OTHER_PROGRAMS = {
    "chmod", "cp", "createdb", "curl", "du", "journalctl", "mkdir", "mv", "systemctl",
}  # fmt: skip
SHELL = re.compile(r" [>|] .*")
SHORTEST = 8  # characters of a quoted piece that say something


def product_texts() -> Iterator[str]:
    """Every text in the product's code; what is filled in is a gap."""
    for path in sorted((ROOT / "bot").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
                yield "".join(map(str, parts))


TEXTS = [*product_texts(), os.strerror(errno.ENOSPC)]


def commands() -> Iterator[str]:
    """Each command of a block, and each that stands in a sentence."""
    for kind, block in BLOCK.findall(PAGE):
        yield from block.splitlines() if kind == "sh" else ()
    for code in CODE.findall(BLOCK.sub("", PAGE)):
        if " " in code and code.split()[0] in {"incident-desk", *OTHER_PROGRAMS}:
            yield code


def quotes() -> Iterator[str]:
    """Each line of a block that the desk says, and each piece of one that stands in a sentence."""
    for kind, block in BLOCK.findall(PAGE):
        yield from block.splitlines() if kind == "text" else ()
    known = set(commands())
    for code in CODE.findall(BLOCK.sub("", PAGE)):
        if " " in code and code not in known and not code.isupper():
            yield code


def said_by_the_desk(quoted: str) -> bool:
    """Whether each piece between the gaps of a quoted line stands in a text of the product."""
    pieces = [p.strip(" ;:,.()%…") for p in re.split(r"…|; ", quoted)]
    return all(any(piece in text for text in TEXTS) for piece in pieces if piece)


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_each_command_is_accepted_as_it_is_written(command: str) -> None:
    name, *arguments = shlex.split(SHELL.sub("", command))
    assert name == "incident-desk" or name in OTHER_PROGRAMS
    if name == "incident-desk" and arguments != ["--version"]:
        make_parser().parse_args(arguments)


@pytest.mark.parametrize("quoted", sorted(set(quotes())))
def test_each_line_that_is_quoted_is_what_the_desk_says(quoted: str) -> None:
    if pair := PAIR.fullmatch(quoted):
        assert pair.group(2) in TEXTS
        return
    if line := LINE.fullmatch(quoted):
        assert line.group(1).strip() in TEXTS
        assert said_by_the_desk(line.group(2)), quoted
        return
    if quoted.startswith("FAIL"):
        assert quoted.removeprefix("FAIL").strip() in TEXTS
        return
    assert max(map(len, re.split("…", quoted))) >= SHORTEST
    assert said_by_the_desk(quoted), quoted


def test_a_line_that_the_desk_does_not_say_is_found() -> None:
    assert not said_by_the_desk("… MB free in …: senders are sent away")
    assert said_by_the_desk("… MB free in …: senders are asked to come again; free … MB or more")


def test_each_alert_metric_and_heading_that_is_named_exists() -> None:
    rules = yaml.safe_load((ROOT / "bot" / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert {code for code in CODE.findall(PAGE) if ALERT.fullmatch(code)} <= alerts
    for metric in re.findall(r"\bdesk_[a-z_]+", PAGE):
        assert metric in TEXTS, metric
    headings = {
        re.sub(r"[^\w -]", "", line.strip("# ")).lower().replace(" ", "-")
        for line in re.findall(r"^## .*$", PAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= headings
