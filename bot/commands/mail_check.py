"""Implements `mail check`: says what the desk would do with a raw mail."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bot.answering.reply import compose_reply
from bot.app import App
from bot.channels.mail.intake import JudgedMail, judge_mail
from bot.channels.mail.rules import MailVerdict
from bot.channels.mail.sandbox import SafeParser
from bot.commands.public_json import response_json
from bot.domain import Message, describe_rule
from bot.text.language import detect

WITH_RESPONSE = frozenset({MailVerdict.ANSWER, MailVerdict.HOLD})


class MailCheck:
    """Runs mails through parser, rules and responder; stores and sends nothing.

    Use it as a context manager: it holds the child process of the parser.
    """

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

    def check_file(self, name: str) -> dict[str, Any]:
        """Return the public JSON about the mail in a file; OSError when it cannot be read."""
        parsed = judge_mail(Path(name).read_bytes(), self.parser, self.policy)
        verdict = parsed.ruling.verdict
        return {
            "file": name,
            "verdict": verdict.value,
            "rule": parsed.ruling.rule,
            "rule_text": describe_rule(parsed.ruling.rule),
            "visible": parsed.visible,
            "subject": parsed.subject,
            "from": parsed.sender,
            "proof": parsed.proof.words,
            "lang": detect(parsed.redaction.text),
            "response": self._response(parsed) if verdict in WITH_RESPONSE else None,
        }

    def _response(self, parsed: JudgedMail) -> dict[str, Any]:
        message = Message(
            text=parsed.redaction.text, redactions=parsed.redaction.spans,
            subject=parsed.heading, shown=parsed.shown, signature=parsed.signature,
        )  # fmt: skip
        response = self.app.responder.respond(message)
        return response_json(response, compose_reply(response, self.app.knowledge))
