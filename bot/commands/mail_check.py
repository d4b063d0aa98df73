"""What an operator asks of a raw mail: what the desk would do with it."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bot.answering.reply import compose_reply
from bot.app import App
from bot.channels.mail.intake import Read, read
from bot.channels.mail.rules import MailVerdict
from bot.channels.mail.sandbox import SafeParser
from bot.commands.public_json import as_json
from bot.domain import Message
from bot.text.language import detect

SPOKEN = frozenset({MailVerdict.ANSWER, MailVerdict.HOLD})


class MailCheck:
    """Runs mails through parser, rules and responder; stores and sends nothing."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.parser = SafeParser(app.knowledge.own_words)
        self.policy = app.mail_policy

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.parser.close()

    def file(self, name: str) -> dict[str, Any]:
        """The public JSON of one mail; OSError when the file cannot be read."""
        found = read(Path(name).read_bytes(), self.parser, self.policy)
        verdict = found.ruling.verdict
        return {
            "file": name,
            "verdict": verdict.value,
            "rule": found.ruling.rule,
            "visible": found.visible,
            "subject": found.subject,
            "from": found.sender,
            "lang": detect(found.redaction.text),
            "response": self._response(found) if verdict in SPOKEN else None,
        }

    def _response(self, found: Read) -> dict[str, Any]:
        message = Message(
            text=found.redaction.text, redactions=found.redaction.spans,
            subject=found.heading, shown=found.shown,
        )  # fmt: skip
        response = self.app.responder.respond(message)
        return as_json(response, compose_reply(response, self.app.knowledge))
