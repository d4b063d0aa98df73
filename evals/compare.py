"""Implements `compare BASE`: measures another version and this one on the same cases.

Both run in this job, so that no figures of another machine or day are compared. The gates are those
of the base branch, so that a change cannot lower its own limits.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bot.errors import InputError
from evals.gates import GATES, GateResult, read_gates, regressions
from evals.measuring.measure import EvaluatedDesk, desk_of_settings
from evals.measuring.results import Comparison, Run
from evals.measuring.schema import CASES
from evals.measuring.stats import bootstrap_difference, mcnemar
from evals.reporting import markdown_report
from evals.run import REPORTS, RunOptions, measure_run, write_reports

CORRECT = "correct"
SUMMARY_BYTES = 900_000  # GitHub drops a larger one
SECONDS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The verdicts of the base branch by case id; without any, `note` says why it did not run."""

    name: str
    verdicts: Mapping[str, str]
    note: str = ""


def compare(argv: Sequence[str], make: Callable[[], EvaluatedDesk] = desk_of_settings) -> int:
    """Compare and return 0 when the base's gates hold and few enough cases broke, else 1."""
    arguments = _parse(argv)
    with worktree(arguments.base) as tree:
        own = tree / GATES
        gates = own if own.exists() else GATES
        note = (
            ""
            if own.exists()
            else f"{arguments.base} has no {GATES}; this change's own gates decide"
        )
        head = measure_run(RunOptions(gates=gates, out=arguments.out), make)
        base = run_base(tree, arguments.base, gates)
        compared = compared_with(head, base)
        if own.exists() and GATES.exists() and own.read_bytes() != GATES.read_bytes():
            print(f"this change edits {GATES}; the gates of {arguments.base} decide")
        if note:
            print(note)
        checked = (*compared.checked, *_regressions(compared, gates))
    result = replace(compared, checked=checked)
    write_reports(result, arguments.out)
    if arguments.summary:
        _append(arguments.summary, markdown_report.markdown_page(result))
    return result.code


def compared_with(head: Run, base: Base) -> Run:
    """Return the run of head with its paired comparison to `base` over the test split."""
    pairs = [
        (g.case.family, g.case.id, base.verdicts[g.case.id] == CORRECT, g.correct)
        for g in head.held
        if g.case.id in base.verdicts
    ]
    fixed = tuple(i for _, i, before, after in pairs if after and not before)
    broken = tuple(i for _, i, before, after in pairs if before and not after)
    families: dict[str, list[int]] = {}
    for family, _, before, after in pairs:
        families.setdefault(family, []).append(after - before)
    low, high = bootstrap_difference(families)
    comparison = Comparison(
        base=base.name, shared=len(pairs), fixed=fixed, broken=broken,
        p=mcnemar(len(fixed), len(broken)), low=low, high=high, note=base.note,
    )  # fmt: skip
    return replace(head, comparison=comparison)


@contextmanager
def worktree(base: str) -> Iterator[Path]:
    """Yield a work tree of the merge base with `base`, which is removed afterwards.

    InputError when there is no such commit or git fails.
    """
    commit = _git("merge-base", base, "HEAD", remedy="fetch it, with its history, or name another")
    with tempfile.TemporaryDirectory(prefix="evals-base-") as scratch:
        tree = Path(scratch) / "tree"
        _git("worktree", "add", "--detach", str(tree), commit, remedy="free disk space in TMPDIR")
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree), remedy="run `git worktree prune`")


def run_base(tree: Path, name: str, gates: Path) -> Base:
    """Run head's evals and cases on base's bot and knowledge in a child process."""
    if not (tree / "bot").is_dir() or not (tree / "knowledge").is_dir():
        return Base(name=name, verdicts={}, note=f"{name} has no bot yet: nothing to compare with")
    with tempfile.TemporaryDirectory(prefix="evals-stage-") as scratch:
        stage = Path(scratch)
        (stage / "bot").symlink_to(tree / "bot")
        (stage / "knowledge").symlink_to(tree / "knowledge")
        # Copied, because Python would resolve a link and import head's bot from beside it.
        shutil.copytree(Path(__file__).parent, stage / "evals", ignore=_unwanted)
        _share_models(stage)
        process = subprocess.run(  # noqa: S603 - our own interpreter and arguments
            _command(stage, gates.resolve()),
            cwd=stage, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        results = stage / "out" / "results.json"
        if process.returncode not in (0, 1) or not results.exists():
            said = (process.stderr.strip() or process.stdout.strip()).splitlines()
            why = said[-1] if said else f"exit {process.returncode}"
            return Base(name=name, verdicts={}, note=f"{name} cannot run these cases: {why}")
        cases = json.loads(results.read_text(encoding="utf-8"))["cases"]
    return Base(name=name, verdicts={c["id"]: c["verdict"] for c in cases})


def _command(stage: Path, gates: Path) -> list[str]:
    """Return the child's command; `env` sets its variables, so that ours are left alone."""
    return [
        "env", f"PYTHONPATH={stage}", f"DESK_HOME={stage / 'var'}",
        f"DESK_KNOWLEDGE={stage / 'knowledge'}",
        sys.executable, "-m", "evals", "run", "--cases", str(CASES.resolve()),
        "--gates", str(gates), "--out", str(stage / "out"),
    ]  # fmt: skip


def _share_models(stage: Path) -> None:
    """Copy the model files to the child's home; they are pinned and so the same for both."""
    from bot.settings import read_settings

    models = read_settings().models
    (stage / "var").mkdir()
    if models.is_dir():
        shutil.copytree(models, stage / "var" / "models")


def _regressions(head: Run, gates: Path) -> list[GateResult]:
    comparison = head.comparison
    if comparison is None or comparison.note:
        return []
    return [regressions(read_gates(gates), len(comparison.broken))]


def _unwanted(_folder: str, names: list[str]) -> set[str]:
    return {"reports", "cases", "__pycache__"} & set(names)


def _append(path: Path, page: str) -> None:
    with path.open("a", encoding="utf-8") as out:
        out.write(page[:SUMMARY_BYTES])


def _git(*words: str, remedy: str) -> str:
    process = subprocess.run(  # noqa: S603 - fixed words, no shell
        ["git", *words],  # noqa: S607 - whichever git the developer uses
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if process.returncode:
        said = process.stderr.strip().splitlines()
        raise InputError(f"git {' '.join(words[:3])}: {said[0] if said else 'failed'}; {remedy}")
    return process.stdout.strip()


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m evals compare",
        description="Head against the merge base with BASE, on head's cases, by the base's gates.",
        epilog="example: python -m evals compare origin/main --summary summary.md",
    )
    parser.add_argument("base", help="a branch or commit")
    parser.add_argument("--summary", type=Path, help="append the Markdown summary to this file")
    parser.add_argument("--out", type=Path, default=REPORTS)
    return parser.parse_args(argv)
