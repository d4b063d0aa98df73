"""compare, add, lint and coverage over the tiny knowledge."""

import io
import json
import random
import shutil
import string
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import bot
from bot.corpus import load
from bot.errors import InputError
from evals import add as adding
from evals import compare as comparing
from evals.add import add, masked_text, refuse_secrets
from evals.compare import Base, compare, compared_with, run_base, worktree
from evals.coverage import coverage
from evals.lint import lint
from evals.measuring.measure import EvaluatedDesk
from evals.measuring.schema import load_cases
from evals.run import RunOptions, measure_run
from tests.support.tiny_evals import (
    CASES,
    NAMES,
    ROTATE,
    Line,
    cases_in,
    desk_in,
    gates_in,
    knowledge_in,
)

OVER = Line(candidates=(ROTATE,), probability=0.1)
# A desk of another day: it quotes one passage whatever is asked.
OLD_APP = f"""
from types import SimpleNamespace
from bot.corpus import load
from bot.domain import Answer, AnswerReason, Response

class App:
    def __init__(self, settings, say=None):
        self.knowledge = load(settings.knowledge)
        self.fit = None
        judge = SimpleNamespace(threshold_for=lambda language: 0.0)
        self.responder = SimpleNamespace(judge=judge, respond=self.respond)

    def respond(self, message):
        told = (self.knowledge.passages[{NAMES!r}],)
        outcome = Answer(question=message.text, reason=AnswerReason.PUBLISHED, probability=1.0,
                         passages=told, candidates=told)
        return Response(outcomes=(outcome,), language="en", knowledge="")
"""
MAIL = """From: Ada Lovelace <ada@firm.example>
To: desk@desk.example
Subject: the incident
Content-Type: text/plain; charset=utf-8

Hello, what did the vendor lose? Write to ada@firm.example or call +49 30 1234567.
{extra}
Best regards,
Ada Lovelace
"""


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@desk.example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose base has the old desk; the working directory of the test."""
    root = tmp_path / "project"
    knowledge_in(root / "knowledge")
    cases_in(root / "evals" / "data" / "cases")
    gates_in(root / "evals")
    shutil.copytree(
        Path(bot.__file__).parent, root / "bot", ignore=shutil.ignore_patterns("__pycache__")
    )
    (root / "bot" / "app" / "__init__.py").write_text(OLD_APP)
    git(root, "init", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-m", "base")
    monkeypatch.chdir(root)
    return root


def head(root: Path, changed: Mapping[str, Line] | None = None) -> EvaluatedDesk:
    return desk_in(root / "knowledge", changed)


def test_compare_counts_what_is_fixed_and_broken(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = tmp_path / "summary.md"
    assert compare(["main", "--summary", str(summary)], lambda: head(project)) == 0
    told = json.loads((project / "evals/reports/results.json").read_text())["comparison"]
    assert told["broken"] == []
    assert "c-names" not in told["fixed"]
    assert {"c-count", "c-both", "c-demand"} <= set(told["fixed"])
    assert "Against main: 6 fixed, 0 broken of 7 shared cases" in summary.read_text()
    assert "against main: 6 fixed" in capsys.readouterr().out
    assert (
        ".."
        not in subprocess.run(
            ["git", "worktree", "list", "--porcelain"], capture_output=True, text=True, check=True
        ).stdout.split("prunable")[0]
    )


def test_a_broken_case_fails_by_the_gates_of_the_base(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lax = {"max_regressions": 99, "gates": {"leaks": {"max": 0}}}
    (project / "evals" / "gates.yaml").write_text(yaml.safe_dump(lax))
    assert compare(["main"], lambda: head(project, {"c-names": OVER})) == 1
    told = capsys.readouterr().out
    assert "this change edits evals/gates.yaml; the gates of main decide" in told
    assert "FAIL regressions" in told
    page = (project / "evals" / "reports" / "report.html").read_text()
    assert "Broken: <span" in page


def test_a_base_that_cannot_run_is_said_and_the_gates_decide(project: Path) -> None:
    (project / "bot" / "app" / "__init__.py").write_text("import nothing_of_this_name")
    git(project, "commit", "-am", "broken")
    assert compare(["main"], lambda: head(project)) == 0
    note = json.loads((project / "evals/reports/results.json").read_text())["comparison"]["note"]
    assert note.startswith("main cannot run these cases: ")
    assert "nothing_of_this_name" in note


def test_a_base_without_bot_or_gates(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(project, "rm", "-r", "-q", "--cached", "bot", "evals")
    git(project, "commit", "-m", "nothing yet")
    assert compare(["main"], lambda: head(project)) == 0
    told = capsys.readouterr().out
    assert "main has no bot yet: nothing to compare with" in told
    assert "main has no evals/gates.yaml; this change's own gates decide" in told


def test_a_base_that_is_not_there_is_bad_input(project: Path) -> None:
    assert project.exists()
    with (
        pytest.raises(InputError, match=r"git merge-base nowhere HEAD: .*; fetch it"),
        worktree("nowhere"),
    ):
        pass


def test_models_are_shared_with_the_base(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_HOME", str(project / "var"))
    (project / "var" / "models").mkdir(parents=True)
    (project / "var" / "models" / "x").write_text("weights")
    comparing._share_models(tmp_path)
    assert (tmp_path / "var" / "models" / "x").read_text() == "weights"
    assert run_base(tmp_path, "other", tmp_path).note == (
        "other has no bot yet: nothing to compare with"
    )


def test_only_shared_cases_are_compared(tmp_path: Path) -> None:
    made = measure_run(
        RunOptions(cases=cases_in(tmp_path / "c"), gates=gates_in(tmp_path)),
        lambda: desk_in(tmp_path / "k", {"c-names": OVER}),
    )
    base = Base(name="b", verdicts={"c-names": "correct", "c-both": "wrong", "gone": "correct"})
    told = compared_with(made, base).comparison
    assert told is not None
    assert (told.fixed, told.broken, told.shared, told.p) == (("c-both",), ("c-names",), 2, 1.0)


def key() -> str:
    drawn = random.Random(7)
    return "sk-proj-" + "".join(drawn.choices(string.ascii_letters + string.digits, k=48))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return cases_in(tmp_path / "cases")


def mail(tmp_path: Path, extra: str = "") -> str:
    path = tmp_path / "mail.eml"
    path.write_text(MAIL.format(extra=extra))
    return str(path)


def added(source: str, folder: Path, tmp_path: Path, *more: str) -> int:
    argv = ["--from", source, "--kind", "answerable", "--folder", str(folder), *more]
    return add(argv, lambda: desk_in(tmp_path / "k"))


def test_a_real_mail_becomes_a_masked_case(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert added(mail(tmp_path, f"My key is {key()}."), folder, tmp_path) == 0
    case = load_cases(folder)[0]
    written = (folder / "real.yaml").read_text()
    for told in ("Ada", "ada@", "1234567", key()[8:]):
        assert told not in written
    assert "[removed: API key]" in case.text
    assert case.gold == ((NAMES, ROTATE),)
    assert (case.slice, case.author, case.split) == ("real", "real", "test")
    assert "the desk would escalate" in capsys.readouterr().out


def test_a_secret_that_would_remain_stops_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "masked_text", lambda text: text)
    with pytest.raises(InputError, match="a secret would remain") as error:
        added(mail(tmp_path, f"My key is {key()}."), folder, tmp_path)
    assert key()[8:] not in str(error.value)
    assert not (folder / "real.yaml").exists()


def test_a_thread_keeps_its_turns_and_comes_from_standard_input(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [
        {"role": "user", "text": "hello"},
        {"role": "desk", "text": "Yes?"},
        {"role": "user", "text": "what did the vendor lose, please?"},
    ]
    stream = io.TextIOWrapper(io.BytesIO(json.dumps({"turns": turns}).encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert added("-", folder, tmp_path, "--gold", NAMES, "--slice", "talks") == 0
    case = load_cases(folder)[0]
    assert [t.role for t in case.turns] == ["user", "desk", "user"]
    assert (case.slice, case.gold) == ("talks", ((NAMES,),))
    assert case.family == "names"  # of its nearest case
    assert case.split == "test"


def test_what_is_not_answered_gets_related_passages(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "t.json"
    source.write_text(json.dumps([{"role": "user", "text": "who was it?"}]))
    argv = ["--from", str(source), "--kind", "unanswerable", "--folder", str(folder)]
    assert add(argv, lambda: desk_in(tmp_path / "k")) == 0
    assert load_cases(folder)[0].related == (NAMES, ROTATE)
    with pytest.raises(InputError, match="is a case already"):
        add(argv, lambda: desk_in(tmp_path / "k"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"messages": [{"role": "robot", "text": "x"}]}', "a thread is"),
        ('{"messages": 1}', "a thread is"),
        ("{}", "a thread is"),
        ("[]", "last message of the thread"),
        ('[{"role": "desk", "text": "x"}]', "last message of the thread"),
        ("From: a@desk.example\n\n", "no text that a person wrote"),
    ],
)
def test_a_source_without_a_question_is_refused(
    folder: Path, tmp_path: Path, content: str, says: str
) -> None:
    source = tmp_path / "source"
    source.write_text(content)
    with pytest.raises(InputError, match=says):
        added(str(source), folder, tmp_path)
    with pytest.raises(InputError, match="No such file"):
        added(str(tmp_path / "absent"), folder, tmp_path)


def test_a_case_that_would_break_the_file_is_taken_back(folder: Path, tmp_path: Path) -> None:
    (folder / "real.yaml").write_text("cases:\n  - {}\n")
    with pytest.raises(InputError):
        added(mail(tmp_path), folder, tmp_path)
    assert (folder / "real.yaml").read_text() == "cases:\n  - {}\n"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("mail Bob.X+1@a-b.example now", "mail [address] now"),
        ("see https://a.example/?t=1, ok", "see [link] ok"),
        ("org-Ab12Cd34 and 10.1.2.3", "[id] and [ip]"),
        ("call (030) 123 456-78.", "call [number]."),
        ("Thanks,\nJosé Müller\n", "Thanks,\n[name]\n"),
        ("My name is Ada Lovelace and", "My name is [name] and"),
        ("Hi, I'm John Miller, 40", "Hi, I'm [name], 40"),
        ("Dear Mr. Tanaka, is it", "Dear Mr. [name], is it"),
        ("Grüße\nMax Mustermann", "Grüße\n[name]"),
        ("Mvg,\nJan de Vries", "Mvg,\n[name]"),
        ("よろしくお願いします。\n田中", "よろしくお願いします。\n[name]"),
        ("from 2001:db8::1 to x@münchen.example", "from [ip] to [address]"),
        ("Thanks\nWere my API keys exposed?", "Thanks\nWere my API keys exposed?"),
        ("Am I affected? I am a Plus user.", "Am I affected? I am a Plus user."),
        ("thanks for the mail of November 9, 2025", "thanks for the mail of November 9, 2025"),
        ("Was it 2025-11-09?", "Was it [number]?"),
    ],
)
def test_what_points_at_people_is_masked(text: str, clean: str) -> None:
    assert masked_text(text) == clean


def test_a_clean_text_passes() -> None:
    refuse_secrets("what was lost?")


def rows(*changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [CASES[0] | dict(change) for change in changes]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([{}, {"id": "two"}], "two: the same text as c-names"),
        ([{"text": "What was lost?"}], "c-names (test) is wording of names in the knowledge"),
        ([{"text": "what do I do with my old keys"}], "c-names (test) is message tiny-1 in the knowledge"),
        ([{"text": "so what do I do with my old keys"}], "c-names (test) is like message tiny-1: 0.88"),
        ([{"vital": ["a penalty"]}], "c-names: no gold passage states 'a penalty'"),
        ([{}], "intent rotate has no near question"),
        ([{}], "intent names has only 1 near questions"),
    ],
)  # fmt: skip
def test_lint_names_what_to_look_at(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: list[dict[str, Any]],
    says: str,
) -> None:
    folder = cases_in(tmp_path / "cases", rows(*changes))
    messages = knowledge_in(tmp_path / "k").folder / "messages"
    messages.mkdir(exist_ok=True)
    (messages / "tiny.yaml").write_text(
        '- {id: tiny-1, author: t, kind: offtopic, text: "What do I do with my old keys?"}\n'
    )
    knowledge = load(messages.parent)
    assert lint(["--cases", str(folder)], lambda: knowledge) == 1
    assert says in capsys.readouterr().out


def test_lint_wants_the_canary_in_cases_and_nowhere_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cases_in(tmp_path / "cases")
    marked = (folder / "tiny.yaml").read_text().splitlines()
    (folder / "tiny.yaml").write_text("\n".join(marked[1:]))
    knowledge = knowledge_in(tmp_path / "k")
    (tmp_path / "k" / "questions" / "extra.yaml").write_text(marked[0] + "\n[]")
    lint(["--cases", str(folder)], lambda: load(knowledge.folder))
    told = capsys.readouterr().out
    assert "tiny.yaml:1: the canary line is missing" in told
    assert "extra.yaml: eval data was copied into the knowledge" in told


def test_a_guard_case_may_stand_in_the_knowledge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cases_in(tmp_path / "cases", rows({"text": "What was lost?", "split": "guard"}))
    knowledge = knowledge_in(tmp_path / "k")
    lint(["--cases", str(folder)], lambda: knowledge)
    assert "in the knowledge" not in capsys.readouterr().out


def test_coverage_names_untouched_passages_and_thin_intents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cases_in(tmp_path / "cases", [CASES[0], CASES[1]])
    knowledge = knowledge_in(tmp_path / "k")
    assert coverage(["--cases", str(folder)], lambda: knowledge) == 1
    told = capsys.readouterr().out
    assert f"passage {ROTATE}: gold of no test case\n" in told
    assert "passage facts-passwords-export: answers no intent" in told
    assert "intent names: only 1 English wordings" in told
    assert "intent rotate: no near question about count" in told
    assert "1 of 3 passages are gold of a test case" in told


def test_full_coverage_is_exit_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    knowledge = knowledge_in(tmp_path / "k")
    assert coverage(["--cases", str(cases_in(tmp_path / "c"))], lambda: knowledge) == 0
    assert "3 of 3 passages" in capsys.readouterr().out
