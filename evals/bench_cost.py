"""Measures the CPU time of a mail from mailbox to reply, beside that of the decision alone.

Both are measured in one run on the same texts, a half of the decisions before the mails and a half
after them, so that whatever else the machine does falls on both.
"""

import json
import os
import resource
import tempfile
import threading
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from itertools import islice
from pathlib import Path

from bot.answering.reply import compose_reply
from bot.app import App
from bot.commands.public_json import answer_json_lines, read_line_message, response_json
from bot.domain import Message
from evals.bench_mail import SECONDS, running, twin

WARM = 5  # mails that start the parser's process and fill the caches
TICKS = os.sysconf("SC_CLK_TCK")  # of the clock in /proc, a second


def bench_cost(app: App, texts: Sequence[str], *, mails: int) -> float:
    """Print and return how many times the CPU time of a decision a whole mail takes."""
    replied = (text for text in texts if _is_answered(app, text))
    asked, warm = list(islice(replied, mails)), list(islice(replied, WARM))
    half = len(asked) // 2
    with tempfile.TemporaryDirectory() as folder:
        _decide(app, warm)
        decisions = _decide(app, asked[:half])
        handled = _handle(twin(app, Path(folder) / "mails"), asked, warm)
        decisions += _decide(app, asked[half:])
    ratio = handled / decisions
    print(
        f"CPU of a mail {1000 * handled / len(asked):.1f} ms, of `ask --jsonl` "
        f"{1000 * decisions / len(asked):.1f} ms a message: {ratio:.2f} times"
    )
    return ratio


def cpu_of_all() -> float:
    """Return the CPU seconds of this process and of its children, those that ended too."""
    total = sum(
        getattr(resource.getrusage(who), name)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        for name in ("ru_utime", "ru_stime")
    )
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / TICKS
    return float(total)


def _is_answered(app: App, text: str) -> bool:
    """Return whether a mail with this text gets a reply, so that it can be waited for."""
    return bool(compose_reply(app.responder.respond(Message(text=text)), app.knowledge))


def _decide(app: App, texts: Sequence[str]) -> float:
    """Return the CPU seconds of what `ask --jsonl` does with these texts."""

    def one(line: object) -> dict[str, object]:
        response = app.responder.respond(read_line_message(line))
        return response_json(response, compose_reply(response, app.knowledge))

    lines = [json.dumps({"id": n, "text": text}).encode() for n, text in enumerate(texts)]
    return _measure(lambda: [json.dumps(found) for found, _ in answer_json_lines(lines, one)])


def _handle(app: App, texts: Sequence[str], warm: Sequence[str]) -> float:
    """Return the CPU seconds of a running desk that gets these mails in its mailbox at once."""
    service, seen = running(app)

    def take(mails: Sequence[str], name: str) -> None:
        folder, wanted = app.mail.folder("new"), len(seen) + len(mails)
        for n, text in enumerate(mails):
            folder.add(_raw(text, f"{name}{n}", app.settings.address))
        worker = threading.Thread(target=service.run, kwargs={"until": lambda: len(seen) >= wanted})
        worker.start()
        worker.join(SECONDS)

    try:
        take(warm, "warm")
        return _measure(lambda: take(texts, "person"))
    finally:
        service.close()


def _measure(work: Callable[[], object]) -> float:
    before = cpu_of_all()
    work()
    return cpu_of_all() - before


def _raw(text: str, name: str, to: str) -> bytes:
    mail = EmailMessage()
    mail["From"] = f"{name}@{name}.example"
    mail["To"] = to
    mail["Subject"] = "A question"
    mail["Message-ID"] = f"<{name}@{name}.example>"
    mail.set_content(text)
    return mail.as_bytes()
