"""What is installed and run is pinned: packages by hash, steps of the workflows by commit."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"(?m)^([a-z0-9][a-z0-9._\[\],-]*)==(\S+)(.*(?:\n    .*)*)")
TOOLS = {"hypothesis", "import-linter", "mypy", "pytest", "pytest-socket", "ruff"}


def pinned(name: str) -> dict[str, str]:
    """The version of each package of a lock; each has its hashes."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"(?m)^--|^\s*[^#\s].*://", text), "a lock names no index"
    rows = PINNED.findall(text)
    assert all("--hash=sha256:" in rest for _, _, rest in rows)
    return {package: version for package, version, _ in rows}


def test_an_installation_that_only_runs_the_desk_gets_no_test_tools() -> None:
    whole, runtime = pinned("requirements.lock"), pinned("requirements-runtime.lock")
    assert runtime.items() <= whole.items()
    assert set(runtime).isdisjoint(TOOLS)
    assert set(whole) >= TOOLS
    assert {"chromadb", "publicsuffixlist", "setuptools"} <= set(runtime)


def test_every_step_of_a_workflow_is_pinned_by_commit() -> None:
    steps = [
        line.strip()
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]
    assert steps
    assert [s for s in steps if not re.search(r"uses: [\w./-]+@[0-9a-f]{40}  # v[\d.]+$", s)] == []
