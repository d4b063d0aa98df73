"""What the log of a running desk says: one line at start and stop, one for each decided message."""

import json
import logging
from importlib import metadata
from pathlib import Path

import pytest

from bot.corpus import Knowledge
from bot.settings import Settings
from tests.conftest import KNOWLEDGE, home_of
from tests.support.planted_person import UNSURE, WORDS
from tests.support.running_desk import (
    EXPOSED,
    app_with,
    local_mailbox,
    mail,
    running,
    verbatim_responder,
)
from tests.support.taint import desk_log
from tests.support.waiting import wait_until


def test_start_stop_and_decisions_say_what_happened_and_nothing_of_anybody(
    tmp_path: Path, knowledge: Knowledge, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = Settings(home=home_of(tmp_path / "home", index=False), knowledge=KNOWLEDGE)
    with app_with(settings, verbatim_responder(knowledge)) as app, desk_log() as log:
        for n, text in enumerate((EXPOSED, f"{UNSURE} {WORDS[0]}"), 1):
            local_mailbox(app).new.add(mail(text, n))
        with running(app) as (_, shown):
            wait_until(lambda: len(shown) == 2)
        (case,) = app.journal.cases.list_open_ids()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    started, stopped = (
        next(line for line in lines if line["event"] == event) for event in ("started", "stopped")
    )
    for line in (started, stopped):
        assert (line["version"], line["mode"]) == (metadata.version("incident-desk"), "local")
        assert (line["knowledge"], line["incident"]) == (knowledge.version, knowledge.incident.key)
        assert line["reader"] == app.encoder.name
    answered, escalated = sorted(
        (line for line in lines if line["event"] == "decided"), key=lambda line: line["outcome"]
    )
    assert (answered["outcome"], answered["reason"]) == ("answer", "published")
    assert "case_id" not in answered
    assert (escalated["outcome"], escalated["case_id"]) == ("escalation", case)
    assert all(line["milliseconds"] > 0 for line in (answered, escalated))
    assert not any(word in log.getvalue() for word in ("x.example", WORDS[0], "law firm"))
