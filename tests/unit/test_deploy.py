"""The files to deploy are sound, and speak of settings, metrics and files that exist."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from bot.corpus import Knowledge
from bot.serve.service import Service
from bot.settings import Settings, variable_name
from tests.conftest import KNOWLEDGE, ROOT, home_of
from tests.support.running_desk import app_with, verbatim_responder

DEPLOY = ROOT / "bot" / "deploy"
METRIC = re.compile(r"\bdesk_[a-z_]+")
SUFFIXES = ("_bucket", "_total")  # that Prometheus adds to histograms and counters
MOST_EXPOSED = 2.0  # of 10, by the count of systemd-analyze
UNIT = "incident-desk.service"


def read(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def expressions() -> Iterator[str]:
    """Every expression of the alerts and of the dashboard."""
    for group in yaml.safe_load(read("alerts.yaml"))["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in json.loads(read("dashboard.json"))["panels"]:
        yield from (target["expr"] for target in panel["targets"])


@pytest.fixture
def metrics(tmp_path: Path, knowledge: Knowledge) -> set[str]:
    """The names of all metrics of a desk that uses Slack and a model."""
    token = SecretStr("none")
    settings = Settings(
        home=home_of(tmp_path / "home", index=False), knowledge=KNOWLEDGE, model="openai:none",
        OPENAI_API_KEY="none", slack_bot_token=token, slack_app_token=token,
        slack_channel="C0TRIAGE", slack_staff="U0ALICE",
    )  # type: ignore[call-arg]  # fmt: skip
    with app_with(settings, verbatim_responder(knowledge)) as app:
        service = Service(app, lambda _: None)
        assert service.slack
        service.slack.add_metrics(service.metrics.watch)
        rendered = service.metrics.render().decode()
    return set(re.findall(r"^# TYPE (desk_\w+) ", rendered, re.MULTILINE))


def test_alerts_and_dashboard_speak_of_metrics_that_exist(metrics: set[str]) -> None:
    named = {name for expression in expressions() for name in METRIC.findall(expression)}
    known = metrics | {f"{name}{suffix}" for name in metrics for suffix in SUFFIXES}
    assert named <= known
    shown = {name.removesuffix("_bucket") for name in named}
    optional = {name for name in metrics if "_model_" in name or name.endswith("_created")}
    assert metrics - shown - optional == set(), "a number that nobody looks at"


def test_the_unit_is_accepted_and_hardened(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    unit = tmp_path / UNIT
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", read(UNIT)))
    checked = subprocess.run([analyze, "verify", str(unit)], capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")
    rated = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    level = re.search(r"exposure level for \S+: ([\d.]+)", rated.stdout)
    assert level, rated.stdout + rated.stderr
    assert float(level.group(1)) <= MOST_EXPOSED


def test_a_command_beside_the_service_runs_under_its_account_and_in_its_home(
    tmp_path: Path,
) -> None:
    """The properties of the command on the page are those of the unit, and systemd takes them."""
    command = re.search(r"```sh\n(systemd-run .*?)\n```", read("README.md"), re.DOTALL)
    assert command
    words = shlex.split(command.group(1).replace("\\\n", " "))
    properties = [after for before, after in pairwise(words) if before == "-p"]
    assert len(properties) >= 7
    unit = read(UNIT).splitlines()
    assert [each for each in properties if each not in unit] == []
    home = words[words.index("-E") + 1]
    assert any(line.startswith(f"Environment={home} ") for line in unit)
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    transient = tmp_path / "command.service"
    transient.write_text("\n".join(["[Service]", "ExecStart=/bin/true", *properties, ""]))
    checked = subprocess.run([analyze, "verify", str(transient)], capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_the_unit_allows_what_the_desk_does() -> None:
    """The child that parses mails limits its own memory, which the group @resources holds."""
    filters = re.findall(r"(?m)^SystemCallFilter=(.*)$", read(UNIT))
    assert filters[0] == "@system-service"
    assert not any("@resources" in each for each in filters)


def test_the_image_runs_as_nobody_special_and_copies_what_is_there() -> None:
    lines = read("Containerfile").replace("\\\n", " ").splitlines()
    steps = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    last = [value for name, value in steps if name == "USER"]
    assert last == ["desk"]
    assert {"HEALTHCHECK", "VOLUME", "STOPSIGNAL", "ENTRYPOINT"} <= {name for name, _ in steps}
    for name, value in steps:
        if name == "FROM":
            assert value.startswith("${BASE}"), "the base is the builder's choice"
        if name == "COPY" and not value.startswith("--from"):
            assert [part for part in value.split()[:-1] if not (ROOT / part).exists()] == []


def test_the_image_can_back_up_the_database_that_it_runs_beside() -> None:
    """What `backup` runs is of the version of the server: Debian 13 has PostgreSQL 17."""
    assert "postgresql-client" in read("Containerfile")
    assert "ARG BASE=python:3.12-slim-trixie\n" in read("Containerfile")
    assert "postgres:17}" in read("compose.yaml")


def test_the_services_are_closed_and_share_one_database() -> None:
    told: dict[str, Any] = yaml.safe_load(read("compose.yaml"))
    desk = told["services"]["desk"]
    assert desk["deploy"]["replicas"] == 2
    assert desk["read_only"] is True
    assert desk["cap_drop"] == ["ALL"]
    for service in told["services"].values():
        assert "ports" not in service
        assert "no-new-privileges:true" in service["security_opt"]
        assert service["image"].startswith("${"), "every image can be named from outside"
    volumes = {v.partition(":")[0] for s in told["services"].values() for v in s["volumes"]}
    assert volumes == set(told["volumes"])


@pytest.mark.parametrize("name", sorted(p.name for p in DEPLOY.iterdir() if p.is_file()))
def test_only_settings_that_exist_are_named(name: str) -> None:
    known = {variable_name(field) for field in Settings.model_fields} | {"DESK_IMAGE"}
    assert set(re.findall(r"\bDESK_[A-Z_]*[A-Z](?![A-Z_…])", read(name))) <= known


def test_prometheus_accepts_the_alerts() -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    checked = subprocess.run(
        [tool, "check", "rules", str(DEPLOY / "alerts.yaml")], capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
