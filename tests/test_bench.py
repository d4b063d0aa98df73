import pytest

from bot.settings import Settings
from evals.bench import bench


def test_bench_prints_ratios_of_one_run(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert settings.home.exists()
    assert bench(["--questions", "6"]) == 0
    out = capsys.readouterr().out
    assert "stock LangChain chain" in out
    assert "ratio of the medians" in out
    assert "cold start" in out
