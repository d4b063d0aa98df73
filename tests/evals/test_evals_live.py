"""Measuring with a model: repeated, with flips and cost; here on a scripted server."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.chat_model import ChatSelector
from bot.app import App
from bot.corpus.messages import MessageKind
from bot.errors import InputError
from bot.llm.consult import ConsultationResult
from evals.live import REPEATS, describe_consultations, describe_worth, live
from evals.measuring.measure import SCRIPTED, EvaluatedDesk, run_case
from evals.measuring.schema import Case, read_cases
from evals.run import run
from tests.servers.model_server import ModelServer, asked, model_server
from tests.support.model_answers import GOLD, KNOWN, asking, entry

CASES = 6


@pytest.fixture
def cases() -> list[Case]:
    found = [p.case for p in read_cases() if p.case.split == "test" and p.case.lang == "en"]
    return [found[0].model_copy(update={"text": KNOWN, "turns": ()}) for _ in range(CASES)]


def desk_of(app: App, server: ModelServer) -> EvaluatedDesk:
    responder = asking(app, server)
    assert isinstance(responder.selector, ChatSelector)
    return EvaluatedDesk(
        knowledge=app.knowledge, responder=responder, model="openai:scripted",
        budget=responder.selector.budget, price=2.0,
    )  # fmt: skip


def test_a_steady_model_flips_nothing_and_its_cost_is_told(app: App, cases: list[Case]) -> None:
    def script(body: dict[str, Any]) -> Any:
        return {"questions": [entry(asked(body))]}

    with model_server(script) as server:
        found = live(cases, desk_of(app, server), threads=3, say=lambda _: None)
        assert len(server.bodies) == 2 * REPEATS * CASES
    assert (found.flips.hits, found.flips.of) == (0, CASES)
    assert [len(each) for each in found.runs] == [CASES] * REPEATS
    assert {seen.parts[0].quoted[0] for each in found.runs for seen in each} == {GOLD}
    assert "36 calls, 0 faults, 3960 tokens, cost 0.0079" in found.line


def test_a_moody_model_flips(app: App, cases: list[Case]) -> None:
    def script(body: dict[str, Any]) -> Any:
        moody = len(server.bodies) > 2 * CASES
        return {
            "questions": [entry(asked(body), "not_in_post", ()) if moody else entry(asked(body))]
        }

    with model_server(script) as server:
        found = live(cases, desk_of(app, server), threads=1, say=lambda _: None)
    assert (found.flips.hits, found.flips.of) == (CASES, CASES)


def test_without_a_model_there_is_nothing_to_measure(app: App, cases: list[Case]) -> None:
    desk = EvaluatedDesk(knowledge=app.knowledge, responder=app.responder)
    with pytest.raises(InputError, match="DESK_MODEL"):
        live(cases, desk, threads=1, say=lambda _: None)
    with pytest.raises(InputError, match="DESK_MODEL"):
        run(["--model", "--slice", cases[0].slice], make=lambda: desk)


def test_a_report_says_how_often_the_model_did_not_decide(app: App, cases: list[Case]) -> None:
    def script(_body: dict[str, Any]) -> Any:
        return 500 if len(server.bodies) > 8 else {"questions": [entry(KNOWN)]}

    with model_server(script) as server:
        desk = desk_of(app, server)
        seen = [run_case(desk, case) for case in cases]
        refused = run_case(desk, cases[0].model_copy(update={"text": "Send me my password."}))
    assert describe_consultations([*seen, refused]) == (
        "asked about 6 of 7 messages, 2 of them decided without it (OpenAIAPIError 2)"
    )


def test_what_a_yes_is_worth_is_measured(app: App, cases: list[Case]) -> None:
    seen = run_case(EvaluatedDesk(knowledge=app.knowledge, responder=app.responder), cases[0])
    yes, no = (
        replace(seen, model=came)
        for came in (ConsultationResult.CONFIRMED, ConsultationResult.DENIED)
    )
    silent = cases[0].model_copy(update={"kind": MessageKind.UNANSWERABLE, "gold": ()})
    said = describe_worth(
        [cases[0]] * 100 + [silent] * 100, [yes] * 95 + [no] * 5 + [yes] * 2 + [no] * 98
    )
    assert "yes to 95 of 100" in said
    assert "to 2 of 100 on which it is silent: worth 2.7 log-odds at least" in said
    assert "too few" in describe_worth([silent], [no])


def test_a_scripted_server_has_no_figures(
    app: App, cases: list[Case], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(body: dict[str, Any]) -> Any:
        return {"questions": [entry(asked(body), "not_in_post", ())]}

    with model_server(script) as server:
        desk = replace(desk_of(app, server), model=f"openai:scripted, {SCRIPTED}")
        chosen = [
            "--author",
            cases[0].author,
            "--slice",
            "off_topic",
            "--out",
            str(tmp_path / "out"),
        ]
        assert run(chosen, make=lambda: desk) == 0
    said = capsys.readouterr().out
    assert "no figures of quality" in said
    assert "decided without it" in said
    assert "worth" not in said
    assert "%" not in said
    assert not (tmp_path / "out").exists()
