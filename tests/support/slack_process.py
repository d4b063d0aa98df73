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

from tests.support.kills import ready, say, serving, warm_up
from tests.support.ports import free_port

if TYPE_CHECKING:
    from bot.answering.responder import Responder
    from bot.app import Parts
    from bot.serve.service import Service
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


def service_of(responder: "Responder", order: dict[str, Any]) -> "Service":
    """The service of the desk that was ordered."""
    from bot.channels.slack import SlackAccess, SlackIntervals
    from bot.corpus.limits import shipped_limits
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
        longest = order.get("longest_retry", max(limits.retry_seconds))
        waits = tuple(min(each, longest) for each in limits.retry_seconds)
        given["limits"] = replace(limits, caps=caps, retry_seconds=waits)
    return serving(SlackApp(settings_of(order), access, pace, **given))


def order_at(home: Path) -> dict[str, Any]:
    """A desk whose Slack does not answer: on port 9 nobody listens."""
    return {
        "home": str(home), "url": f"sqlite:///{home}/desk.sqlite3", "port": free_port(), "http": 0,
        "address": "incident@desk.example", "base": "http://127.0.0.1:9/api/", "bot": "xoxb-0", "app": "",
        "secret": secrets.token_hex(8), "channel": "C0TRIAGE", "staff": ["U0ALICE"],
    }  # fmt: skip


def serve(service: "Service") -> None:
    """Serve until a signal ends it."""
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
    warm_up(lambda home: service_of(responder, order_at(home)))
    say("ready")
    for line in sys.stdin:
        child = os.fork()
        if child:
            say(str(child))
            continue
        code = 4
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            serve(service_of(responder, json.loads(line)))
            code = 0
        finally:
            os._exit(code)


if __name__ == "__main__":
    main()
