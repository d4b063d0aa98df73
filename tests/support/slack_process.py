"""A whole desk with Slack in a process of its own, forked from one that has loaded everything.

    echo '{"home": …, "url": …, "port": …, "http": …, "base": …, …}' | python -m tests.support.slack_process

Says the process id of each; not a test by itself.
"""

import json
import os
import secrets
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.kills import ready, say

if TYPE_CHECKING:
    from bot.answering.responder import Responder
    from bot.app import Parts
    from bot.settings import Settings


def settings_of(order: dict[str, Any]) -> "Settings":
    """The settings of a desk; with a `model`, one that a scripted server at that address plays."""
    from pydantic import SecretStr

    from bot.settings import Settings
    from tests.conftest import KNOWLEDGE

    settings = Settings(
        home=Path(order["home"]), knowledge=KNOWLEDGE, database_url=order["url"],
        http_port=order["http"], smtp_port=order["port"], address=order["address"],
        **order.get("mail", {}),
    )  # fmt: skip
    if order.get("model"):
        key = SecretStr(secrets.token_hex(8))
        model = {"model": "openai:scripted", "openai_base_url": order["model"]}
        settings = settings.model_copy(update={**model, "openai_api_key": key})
    return settings


def serve(responder: "Responder", order: dict[str, Any]) -> None:
    """Serve until a signal ends it."""
    from bot.channels.slack import SlackAccess, SlackIntervals
    from bot.limits import shipped_limits
    from bot.serve.maintenance import MaintenanceIntervals
    from bot.serve.service import Service
    from tests.support.slack_app import SlackApp

    access = SlackAccess(
        bot_token=order["bot"], app_token=order["app"], signing_secret=order["secret"],
        channel=order["channel"], staff=frozenset(order["staff"]), base_url=order["base"],
    )  # fmt: skip
    pace = SlackIntervals(
        post=0.02, compare=0.05, socket=0.1, repair=0.2, undo=0.0, backoff=(0.05,)
    )
    given: Parts = {"knowledge": responder.knowledge, "responder": responder}
    if order.get("own_index"):
        given = {}
    if most := order.get("most"):  # answers under each cap
        limits = shipped_limits()
        caps = tuple(replace(cap, most=max(cap.most, most)) for cap in limits.caps)
        given["limits"] = replace(limits, caps=caps)
    app = SlackApp(settings_of(order), access, pace, **given)
    service = Service(app, lambda _handled: None)
    service.maintenance.intervals = MaintenanceIntervals(beat=0.3, send=0.3)
    signal.signal(signal.SIGTERM, lambda *_: service.stop())
    try:
        service.start()
        service.run()
    finally:
        service.close()


def main() -> None:
    """Fork a desk for each line."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    responder = ready()
    say("ready")
    for line in sys.stdin:
        child = os.fork()
        if child:
            say(str(child))
            continue
        code = 4
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            serve(responder, json.loads(line))
            code = 0
        finally:
            os._exit(code)


if __name__ == "__main__":
    main()
