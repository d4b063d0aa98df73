from pathlib import Path

import pytest

from bot.app import App
from bot.settings import Settings
from evals.bench import bench
from evals.bench_mail import bench_mail


def test_bench_prints_ratios_of_one_run(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert settings.home.exists()
    assert bench(["--questions", "6"]) == 0
    out = capsys.readouterr().out
    assert "stock LangChain chain" in out
    assert "ratio of the medians" in out
    assert "cold start" in out


def test_the_running_desk_is_measured(
    app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_home = app.settings.model_copy(update={"home": tmp_path})
    mine = App(own_home, knowledge=app.knowledge, responder=app.responder)
    texts = [f"Were my API keys exposed? I have {n} of them." for n in range(12)]
    bench_mail(mine, texts, mails=12, stored=2_000)
    out = capsys.readouterr().out
    assert "mails a second from SMTP to the reply" in out
    assert "p95" in out
    assert "2000 stored messages" in out
