import json
import re
import sys
import tempfile
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from typing_extensions import override

from bot.corpus import load
from bot.domain import EscalationReason
from bot.errors import InputError
from evals import __main__ as command
from evals.gates import GATES as REAL_GATES
from evals.gates import GatesError, read_gates
from evals.measuring.measure import EvaluatedDesk
from evals.measuring.results import Run, results_as_json
from evals.measuring.schema import CasesError
from evals.reporting import console, html_report, markdown_report
from evals.run import RunOptions, measure_run, progress, run
from tests.support.tiny_evals import (
    CASES,
    GATES,
    NAMES,
    PASSWORDS,
    ROTATE,
    Line,
    cases_in,
    desk_in,
    gates_in,
)

OVER = Line(candidates=(NAMES, PASSWORDS), probability=0.2)
ALL = Line(quotes=(NAMES,))


def ran(
    tmp_path: Path, changed: Mapping[str, Line] | None = None, altered: str = "", **more: Any
) -> Run:
    choice = RunOptions(
        cases=cases_in(tmp_path / "cases"), gates=gates_in(tmp_path, more.pop("gates", None)),
        **{"split": "all", **more},
    )  # fmt: skip
    return measure_run(choice, lambda: desk_in(tmp_path / "knowledge", changed, altered))


def argv(tmp_path: Path, *more: str) -> list[str]:
    cases, gates = cases_in(tmp_path / "cases"), gates_in(tmp_path)
    return ["--cases", str(cases), "--gates", str(gates), "--out", str(tmp_path / "out"), *more]


def make_elsewhere() -> EvaluatedDesk:
    """Importable, so that another process can make the same desk."""
    return desk_in(Path(tempfile.mkdtemp()))


def test_a_desk_that_does_everything_right_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(argv(tmp_path), lambda: desk_in(tmp_path / "k")) == 0
    told = capsys.readouterr().out
    assert told.startswith("all gates hold · 7 cases")
    assert "right_en              100.0 % (3/3)" in told


@pytest.mark.parametrize(
    ("changed", "altered", "gate"),
    [
        (dict.fromkeys([c["id"] for c in CASES], ALL), "", "wrong"),  # a threshold of 0
        (dict.fromkeys([c["id"] for c in CASES], OVER), "", "right_en"),  # a threshold of 1
        ({"c-names": Line(quotes=(ROTATE,))}, "", "wrong"),  # a wrong passage
        ({}, "Passwords were in the export.", "citation_valid"),  # a dropped "not"
        ({"c-demand": OVER}, "", "refusal_recall"),  # a refusal rule removed
    ],
)
def test_each_mutation_fails_a_gate(
    tmp_path: Path, changed: dict[str, Line], altered: str, gate: str
) -> None:
    made = ran(tmp_path, changed, altered)
    assert made.code == 1
    assert gate in [c.name for c in made.checked if c.fails]


def test_a_wrong_passage_is_counted_where_it_belongs(tmp_path: Path) -> None:
    made = ran(tmp_path, {"c-names": Line(quotes=(ROTATE,))})
    told = results_as_json(made)
    figures = told["figures"]["test"]
    assert figures["wrong"]["hits"] == 1
    assert figures["wrong"]["of"] == 3
    assert figures["wrong_families"]["hits"] == 1
    assert figures["pairs"]["value"] == 0.0
    assert figures["critical_failed"] == 0
    assert told["confusion"]["answer"]["answer"] == 3
    assert told["languages"]["de"]["right_other"]["value"] == 1.0
    broken = next(c for c in told["cases"] if c["id"] == "c-names")
    assert broken["cause"] == "answered: right passage not among the candidates"
    assert made.gap is None or made.gap < 1


def test_results_repeat_but_for_timings(tmp_path: Path) -> None:
    one, two = results_as_json(ran(tmp_path)), results_as_json(ran(tmp_path))
    assert one.pop("timings")
    two.pop("timings")
    assert json.dumps(one) == json.dumps(two)
    assert "what did the vendor lose" not in json.dumps(one)


def test_several_processes_see_the_same(tmp_path: Path) -> None:
    choice = RunOptions(
        cases=cases_in(tmp_path / "c"), gates=gates_in(tmp_path), split="all", jobs=2
    )
    made = measure_run(choice, make_elsewhere)
    alone = ran(tmp_path)
    assert [(g.case.id, g.verdict) for g in made.graded] == [
        (g.case.id, g.verdict) for g in alone.graded
    ]


def test_a_partial_run_gates_nothing(tmp_path: Path) -> None:
    made = ran(tmp_path, dict.fromkeys(["c-names"], OVER), slices=("faq",))
    assert made.checked == ()
    assert made.code == 0
    assert "no gate applied" in made.verdict


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"authors": ("nobody",)}, "no case has author 'nobody'; there are tiny"),
        ({"slices": ("nothing",)}, "no case has slice 'nothing'"),
        ({"slices": ("other",), "split": "test"}, "no case is left to run"),
    ],
)
def test_a_choice_that_leaves_nothing_is_an_error(
    tmp_path: Path, choice: dict[str, Any], says: str
) -> None:
    with pytest.raises(CasesError, match=says):
        ran(tmp_path, **choice)


@pytest.mark.parametrize(
    ("gates", "says"),
    [
        (GATES | {"surprise": 1}, "surprise"),
        (GATES | {"gates": {}}, "gates: Dictionary"),
        (GATES | {"gates": {"odd": {"max": 1}}}, "odd: no such figure"),
        (GATES | {"gates": {"wrong": {}}}, "needs min or max"),
        (GATES | {"per_slice": {"none": {"wrong": {"max": 1}}}}, "none: the slice has no case"),
        (GATES | {"per_slice": {"demands": {"right_en": {"min": 1}}}}, "no case of slice demands"),
        (GATES | {"gates": {"right_other": {"min": 1}}}, "no case of split test"),
    ],
)
def test_bad_gates_are_an_error(tmp_path: Path, gates: dict[str, Any], says: str) -> None:
    with pytest.raises(GatesError, match=says):
        ran(tmp_path, gates=gates)


def test_a_gates_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(GatesError, match="No such file"):
        read_gates(tmp_path / "gates.yaml")
    (tmp_path / "gates.yaml").write_text("a: [")
    with pytest.raises(GatesError, match="not valid YAML"):
        read_gates(tmp_path / "gates.yaml")


def test_the_projects_gates_are_sound() -> None:
    gates = read_gates(REAL_GATES)
    assert gates.gates["leaks"].max == 0
    assert gates.gates["wrong_upper95"].max is not None


def test_a_soft_gate_warns_only(tmp_path: Path) -> None:
    soft = GATES | {"gates": {"score": {"min": 2, "max": 3, "soft": True}}, "per_slice": {}}
    made = ran(tmp_path, gates=soft)
    assert not made.checked[0].holds
    assert made.checked[0].limit == "≥ 2 and ≤ 3"
    assert made.code == 0


def test_a_desk_that_answers_nothing_has_no_bound(tmp_path: Path) -> None:
    gates = GATES | {"gates": {"wrong_upper95": {"max": 0.5}}, "per_slice": {}}
    made = ran(tmp_path, dict.fromkeys([c["id"] for c in CASES], OVER), gates=gates)
    assert made.checked[0].value == 1.0
    assert made.code == 1


def test_summary_is_short_and_shows_no_held_out_text(tmp_path: Path) -> None:
    page = markdown_report.markdown_page(
        ran(tmp_path, dict.fromkeys([c["id"] for c in CASES], ALL))
    )
    assert sum(line.startswith("|") for line in page.splitlines()) <= 50
    assert "❌" in page
    assert "c-demand" in page
    assert not any(str(row.get("text", "hello")) in page for row in CASES)
    assert markdown_report.escaped("a|b <c> @d\n`") == "a\\|b &lt;c&gt; &#64;d &#96;"


class Tags(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_needs_nothing_from_outside_and_escapes_texts(tmp_path: Path) -> None:
    run(argv(tmp_path, "--split", "all"), lambda: desk_in(tmp_path / "k", {"c-names": OVER}))
    page = (tmp_path / "out" / "report.html").read_text()
    assert not re.search(r"(?:src|href)=[\"'](?!#)", page)
    assert "url(" not in page
    assert "&lt;b&gt;|@everyone" in page
    seen = Tags()
    seen.feed(page)
    rows = [a for t, a in seen.tags if t == "tr" and "data-verdict" in a]
    assert len(rows) == len(CASES)
    assert {"missed", "correct"} == {a["data-verdict"] for a in rows}
    assert sum(t == "svg" for t, _ in seen.tags) == 2
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "report.html", "results.json", "summary.md",
    }  # fmt: skip


def test_rules_stay_out_of_the_curve(tmp_path: Path) -> None:
    made = ran(tmp_path, {"c-danger": Line(reason=EscalationReason.DANGER, probability=1.0)})
    danger = next(g for g in made.graded if g.case.id == "c-danger")
    assert not danger.seen.open


def test_exit_codes_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 2
    assert command.main(["--help"]) == 0
    assert command.main(["dance"]) == 2
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "x.yaml").write_text("cases: []")
    assert command.main(["run", "--cases", str(tmp_path / "cases")]) == 2
    assert command.main(["run", "--gates", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "x.yaml:1: the slice is empty" in told
    assert "Traceback" not in told


def test_a_run_that_breaks_is_exit_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(error: BaseException) -> None:
        def tool(_argv: object) -> int:
            raise error

        monkeypatch.setattr(command, "_tool", lambda _name: tool)

    for error in (ValueError("first\nsecond"), KeyboardInterrupt(), RuntimeError()):
        breaks(error)
        assert command.main(["run"]) == 3
    breaks(InputError("odd"))
    assert command.main(["run"]) == 2
    told = capsys.readouterr().err
    assert "evals: the run broke: ValueError: first\n" in told
    assert "second" not in told


@pytest.mark.parametrize("name", ["run", "compare", "add", "lint", "coverage"])
def test_each_tool_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main([name, "--help"])
    assert stopped.value.code == 0
    assert f"python -m evals {name}" in capsys.readouterr().out


def test_a_gates_edit_is_visible_in_the_stamp(tmp_path: Path) -> None:
    before = ran(tmp_path).stamp
    after = ran(
        tmp_path, gates=yaml.safe_load(yaml.safe_dump(GATES)) | {"max_regressions": 1}
    ).stamp
    assert before["gates"] != after["gates"]
    assert before["cases"] == after["cases"]


def test_a_template_with_a_slot_never_gets_as_far_as_a_gate(tmp_path: Path) -> None:
    def make() -> EvaluatedDesk:
        desk = desk_in(tmp_path / "k")
        path = tmp_path / "k" / "replies" / "en.yaml"
        path.write_text(path.read_text().replace("Hello,", "'Hello {name},'"))
        load(tmp_path / "k")
        return desk

    with pytest.raises(InputError, match="slot"):
        measure_run(RunOptions(cases=cases_in(tmp_path / "c"), gates=gates_in(tmp_path)), make)


def test_the_gap_between_fitted_and_held_out_is_told(tmp_path: Path) -> None:
    fitted = CASES[0] | {"id": "c-fit", "family": "fit", "split": "fit", "pair": ""}
    folder = cases_in(tmp_path / "cases", [*CASES, fitted])
    choice = RunOptions(cases=folder, gates=gates_in(tmp_path), split="all")
    made = measure_run(choice, lambda: desk_in(tmp_path / "k", {"c-both": OVER}))
    assert made.gap == pytest.approx(1 / 3)
    assert "fitted to its own authors" in console.console_report(made)
    assert "+33.3 points ⚠️" in markdown_report.markdown_page(made)
    assert "+33.3 points" in html_report.report_page(made)
    assert "+33.3" not in html_report.report_page(ran(tmp_path, slices=("faq",)))


def test_the_commands_load_what_they_need() -> None:
    for name in command.TOOLS:
        assert callable(command._tool(name))


def test_progress_is_for_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    progress(2)(1)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress(2)(2)
    assert capsys.readouterr().err == "\r2/2 cases\n"


def test_a_clean_sweep_says_so(tmp_path: Path) -> None:
    made = ran(tmp_path)
    assert "Every case is correct." in html_report.report_page(made)
    assert "not correct" not in markdown_report.markdown_page(made)


def test_gates_that_hold_show_the_curve(tmp_path: Path) -> None:
    page = html_report.report_page(ran(tmp_path))
    assert "threshold: 43 % answered, 0.0 % wrong" in page
    assert "threshold 0.50" in page


def test_the_split_confirm_is_measured_beside_the_gated_one_and_gates_nothing(
    tmp_path: Path,
) -> None:
    rows = [
        *CASES,
        {"id": "d-names", "family": "d-names", "slice": "faq", "kind": "answerable",
         "author": "other", "split": "confirm", "text": "unheard of", "gold": [[ROTATE]]},
    ]  # fmt: skip
    choice = RunOptions(cases=cases_in(tmp_path / "cases", rows), gates=gates_in(tmp_path))
    made = measure_run(choice, lambda: desk_in(tmp_path / "knowledge"))
    assert made.code == 0
    assert "d-names" in {g.case.id for g in made.graded}
    assert results_as_json(made)["figures"]["confirm"]["right_en"]["hits"] == 0
    assert results_as_json(made)["slices"]["faq"]["right_en"]["of"] == 3
    assert "split confirm, 1 cases, not gated" in console.console_report(made)
    assert (
        "| | other: 1 | tiny: 7 | split confirm: 1 | split test: 7 |"
        in markdown_report.markdown_page(made)
    )
    alone = measure_run(
        RunOptions(cases=choice.cases, gates=choice.gates, split="confirm"),
        lambda: desk_in(tmp_path / "knowledge"),
    )
    assert [g.case.id for g in alone.graded] == ["d-names"]
    assert not alone.checked
