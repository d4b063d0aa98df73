"""Two hosts share a database, and one loses its line and dies: no mail is lost, and none answered twice."""

from pathlib import Path

import pytest

from bot.settings import Settings
from evals.bench_hosts import run_burst
from tests.conftest import KNOWLEDGE, home_of
from tests.servers import hosts, mail_servers, postgres
from tests.support.slack_stand import QUOTED

WHY = hosts.missing() or mail_servers.missing() or postgres.missing()


@pytest.mark.skipif(bool(WHY), reason=WHY or "there")
def test_of_two_hosts_one_is_pulled_away_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    settings = Settings(home=home_of(tmp_path / "home"), knowledge=KNOWLEDGE)
    burst = run_burst(settings, [QUOTED], mails=6, hosts=2, workers=1, sqlite=False)
    assert (burst.lost, burst.doubled, burst.unanswered - burst.unknown) == (0, 0, 0)
    assert "2 hosts with 1 workers each on postgresql: 6 mails, lost 0" in burst.describe()
    assert burst.cpu_seconds > 0
