"""An SMTP server that says what a test tells it to, and keeps what it was given."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.ports import free_port


@dataclass
class Script:
    """What the server says, and what it got."""

    mail: str = ""
    rcpt: dict[str, str] = field(default_factory=dict)
    data: str = "250 taken"
    got: list[Envelope] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802
        self, _s: SMTP, _c: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.mail or "250 ok"

    async def handle_RCPT(  # noqa: N802
        self, _s: SMTP, _c: Session, envelope: Envelope, address: str, _o: list[str]
    ) -> str:
        said = self.rcpt.get(address, "250 ok")
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, _s: SMTP, _c: Session, envelope: Envelope) -> str:  # noqa: N802
        self.got.append(envelope)
        return self.data


@dataclass
class Running:
    """A server that listens, and its script."""

    script: Script
    port: int


def running(script: Script, **options: object) -> Iterator[Running]:
    """Yield one server that acts by `script`, with these options of the library; then stop it."""
    port = free_port()
    controller = Controller(script, hostname="127.0.0.1", port=port, **options)  # type: ignore[arg-type]
    controller.start()
    yield Running(script, port)
    controller.stop()
