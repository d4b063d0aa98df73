"""No test may be red because a machine is slow or busy: no assertion is about seconds.

What a test may do instead: wait for a condition (`tests.support.waiting`), compare two amounts of CPU time of
the same run (`tests.support.growth`), count calls, rows or bytes, or move a clock of its own (`tests.support.fakes`).
"""

import ast
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.growth import assert_in_proportion

HERE = Path(__file__).parents[1]
HELPERS = frozenset({"growth.py", "waiting.py"})
CLOCKS = frozenset({"monotonic", "perf_counter", "process_time", "thread_time", "time"})
BOUNDED = frozenset({"join", "result", "settimeout", "wait", "wait_for"})
MEASURED = frozenset({"elapsed", "milliseconds", "ms", "seconds_taken"})
# What looks like a bound and is none, by file: the line's text, and why.
ALLOWED = {
    "servers/slack_side.py": {
        "int(time.time())": "where Slack's message ids begin",
        "int(at or time.time())": "the moment at which Slack signs a request",
    },
    "integration/test_chat_model.py": {
        "deadline=0.5": "the model's, which does not answer before it is over"
    },
    "integration/test_model_aimock.py": {"deadline=0.5": "the same"},
    "slack/test_slack_doctor.py": {
        "time.time() - 900": "a signature made by a wrong clock",
        "int(time.time())": "the moment at which Slack signs a request",
    },
    "slack/test_slack_attack_signatures.py": {
        "int(time.time())": "the moment at which Slack signs a request",
    },
    "slack/test_slack_setup.py": {
        "time.time() - age": "the same",
        "int(time.time())": "the same",
    },
    "servers/mail_servers.py": {"line.settimeout(2)": "one of many tries within the safety net"},
    "integration/test_mail_imap.py": {
        "access(proxy.port, timeout=": "how long the desk waits for a server that stalls for ever",
    },
}


def bounds(source: str) -> Iterator[int]:
    """The lines of `source` that read a clock, or set or assert an amount of seconds."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (_reads_clock(node) or _is_bounded(node)):
            yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (node.lineno for name in node.names if _is_clock(name.name))
        elif isinstance(node, ast.Compare) and _is_measured(node):
            yield node.lineno


def _is_clock(name: str) -> bool:
    return name.removesuffix("_ns") in CLOCKS


def _reads_clock(call: ast.Call) -> bool:
    of = call.func
    return (
        isinstance(of, ast.Attribute)
        and isinstance(of.value, ast.Name)
        and of.value.id == "time"
        and _is_clock(of.attr)
    )


def _is_bounded(call: ast.Call) -> bool:
    """Is a number of seconds written down, after which something is given up?"""
    named = [k.value for k in call.keywords if k.arg in ("timeout", "deadline")]
    bounded = isinstance(call.func, ast.Attribute) and call.func.attr in BOUNDED
    unnamed = call.args if bounded else []
    return any(_number(v) > 0 for v in named) or any(_number(v) >= 1 for v in unnamed)


def _is_measured(compared: ast.Compare) -> bool:
    sides = (compared.left, *compared.comparators)
    names = {n.attr for n in sides if isinstance(n, ast.Attribute)}
    names |= {n.id for n in sides if isinstance(n, ast.Name)}
    return bool(names & MEASURED) and any(_number(side) > 0 for side in sides)


def _number(node: ast.expr) -> float:
    value = node.value if isinstance(node, ast.Constant) else None
    return float(value) if isinstance(value, int | float) else 0.0


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "path", sorted(HERE.rglob("*.py")), ids=lambda path: path.relative_to(HERE).as_posix()
)
def test_no_assertion_is_about_seconds(path: Path) -> None:
    if path.name in HELPERS:
        return
    source = path.read_text(encoding="utf-8")
    lines, allowed = source.splitlines(), ALLOWED.get(path.relative_to(HERE).as_posix(), {})
    found = [
        f"{path.name}:{number}: {lines[number - 1].strip()}"
        for number in sorted(set(bounds(source)))
        if not any(part in lines[number - 1] for part in allowed)
    ]
    assert found == [], "wait for a condition, compare within one run, or count: see this file"


@pytest.mark.parametrize(
    "line",
    [
        "assert time.process_time() - began < 3", "began = time.monotonic()", "time.time_ns()",
        "from time import perf_counter", "child.wait(timeout=20)", "child.wait(20)",
        "thread.join(5)", "settings(deadline=200)", "assert response.milliseconds < 50",
        "line.settimeout(2)", "future.result(10)", "assert 3.0 > elapsed",
    ],
)  # fmt: skip
def test_a_bound_in_seconds_is_seen(line: str) -> None:
    assert list(bounds(line)) == [1]


@pytest.mark.parametrize(
    "line",
    [
        "child.wait(timeout=SAFETY_NET_SECONDS)", "thread.join()", "', '.join(names)",
        "mailbox.wait(0.3)", "settings(deadline=None)", "time.sleep(0.1)", "Cap(seconds=60)",
    ],
)  # fmt: skip
def test_what_is_no_bound_is_left_alone(line: str) -> None:
    assert list(bounds(line)) == []


def test_growth_is_seen_on_any_machine() -> None:
    def work(size: int, power: int) -> int:
        return sum(1 for _ in range(size**power))

    assert_in_proportion(lambda size: partial(work, size, 1), 400_000)
    with pytest.raises(AssertionError, match="times the CPU time"):
        assert_in_proportion(lambda size: partial(work, size, 2), 1_200)
