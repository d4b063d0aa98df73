"""Hands mails to the company's SMTP server: over TLS or not at all, each with a copy to ourselves.

The copy to the +sent address is the receipt: when no answer came to the end of a mail, the copy
shows later that the server took it. Both recipients are in one SMTP transaction, so one 250 covers
both.
"""

import smtplib
import ssl
from contextlib import suppress
from email.parser import BytesHeaderParser

from bot.channels.mail.envelope import envelope_address, needs_utf8
from bot.errors import DeliveryError, InputError, RefusedError, SettingsError, UncertainError
from bot.settings import Relay

# SMTP codes from here on are permanent refusals (RFC 5321, section 4.2.1).
FIRST_PERMANENT_CODE = 500
SMTPUTF8_OPTIONS = ("SMTPUTF8", "BODY=8BITMIME")  # RFC 6531, section 3.4


class SmtpOut:
    """Sends mails over SMTP, each over a new connection.

    Few are sent, and a connection kept open could be stale, which would be one more fault.
    """

    def __init__(self, relay: Relay, *, address: str) -> None:
        self.relay = relay
        self.address = address
        local, _, domain = address.rpartition("@")
        self.receipts = f"{local}+sent@{domain}"

    def send(self, mail: bytes, *, recipient: str) -> None:
        """Send a mail; see bot.ports.MailOut. An automatic mail gets the null envelope sender."""
        sender = "" if _is_automatic(mail) else self.address
        try:
            to = envelope_address(recipient)
            with _SmtpConnection(self.relay) as server:
                _send_envelope(server, sender, to)
                _add_own_copy(server, self.receipts)
                _send_content(server, mail)
        except SettingsError as error:
            # The settings were right at the start and may be again: the mail waits.
            raise DeliveryError(str(error)) from None
        except InputError as error:
            raise RefusedError(str(error)) from None

    def check(self) -> None:
        """Connect and log in; SettingsError or DeliveryError says what is wrong."""
        with _SmtpConnection(self.relay) as server:
            server.noop()


class _SmtpConnection:
    """A connection that is ready to take a mail, and is closed whatever happens."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.server: smtplib.SMTP | None = None

    def __enter__(self) -> smtplib.SMTP:
        self.server = server = _connect(self.relay)
        try:
            _secure(server, self.relay)
            _login(server, self.relay)
        except BaseException:
            server.close()
            raise
        return server

    def __exit__(self, kind: object, error: object, _trace: object) -> None:
        if self.server is None:
            return
        with suppress(Exception):  # whether the mail was taken is settled by now
            if error is None:
                self.server.quit()
        self.server.close()


def _connect(relay: Relay) -> smtplib.SMTP:
    where = f"{relay.host}:{relay.port}"
    try:
        if relay.tls and relay.port == smtplib.SMTP_SSL_PORT:
            return smtplib.SMTP_SSL(
                relay.host, relay.port, timeout=relay.timeout, context=_context(relay)
            )
        return smtplib.SMTP(relay.host, relay.port, timeout=relay.timeout)
    except ssl.SSLError as error:
        raise _bad_certificate(relay, error) from None
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(
            f"no connection to {where} ({error}); check DESK_SMTP_HOST and DESK_SMTP_PORT"
        ) from None


def _secure(server: smtplib.SMTP, relay: Relay) -> None:
    """Start TLS where the settings want it.

    SettingsError where the server offers none: a mail to a user is never sent in the clear instead.
    """
    if not relay.tls or isinstance(server, smtplib.SMTP_SSL):
        return
    try:
        server.ehlo()
        if not server.has_extn("starttls"):
            raise SettingsError(
                f"DESK_SMTP_HOST: {relay.host}:{relay.port} offers no TLS, so nothing is sent; "
                "use its TLS port"
            )
        server.starttls(context=_context(relay))
        server.ehlo()
    except ssl.SSLError as error:
        raise _bad_certificate(relay, error) from None
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(f"{relay.host}:{relay.port}: no TLS came about ({error})") from None


def _login(server: smtplib.SMTP, relay: Relay) -> None:
    if not relay.user:
        return
    try:
        server.login(relay.user, relay.password)
    except smtplib.SMTPAuthenticationError as error:
        if error.smtp_code < FIRST_PERMANENT_CODE:
            raise DeliveryError(f"{relay.host} takes no login now ({error.smtp_code})") from None
        raise SettingsError(
            f"DESK_SMTP_USER, DESK_SMTP_PASSWORD: {relay.host} refuses the login of {relay.user}"
        ) from None
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(f"{relay.host}: the login failed ({error})") from None


def _send_envelope(server: smtplib.SMTP, sender: str, recipient: str) -> None:
    """Send sender and recipient.

    The mail itself is not sent yet, so it is safe to try again after any fault.
    """
    try:
        server.ehlo_or_helo_if_needed()
        options = _mail_from_options(server, sender, recipient)
        for code, answer in (server.mail(sender, options), server.rcpt(recipient)):
            if code >= FIRST_PERMANENT_CODE:
                raise RefusedError(
                    f"the server refuses it for good: {code} {_server_answer(answer)}"
                )
            if code not in (250, 251):
                raise DeliveryError(
                    f"the server does not take it now: {code} {_server_answer(answer)}"
                )
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(f"the connection broke before the mail was sent ({error})") from None
    except ValueError:  # a lone surrogate in the address, which cannot be sent
        raise RefusedError("the address cannot be written in an SMTP command") from None


def _mail_from_options(server: smtplib.SMTP, sender: str, recipient: str) -> tuple[str, ...]:
    """Return what MAIL FROM has to ask for; RefusedError where the server does not offer it."""
    if smtplib.quoteaddr(recipient) != f"<{recipient}>":  # smtplib would send another address
        raise RefusedError("the address cannot be written in an SMTP command")
    if not (needs_utf8(sender) or needs_utf8(recipient)):
        return ()
    if not server.has_extn("smtputf8"):
        raise RefusedError(
            "the address has letters outside ASCII before its @, and the server of DESK_SMTP_HOST "
            "does not offer SMTPUTF8; write to this person in another way"
        )
    return SMTPUTF8_OPTIONS


def _add_own_copy(server: smtplib.SMTP, receipts: str) -> None:
    """Add our own address as a recipient, for the receipt.

    The server may refuse it: the reply matters more than its receipt.
    """
    try:
        server.rcpt(receipts)
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(f"the connection broke before the mail was sent ({error})") from None


def _send_content(server: smtplib.SMTP, mail: bytes) -> None:
    """Send the content of the mail.

    UncertainError when no answer comes after its last dot, since the server may have taken it.
    """
    try:
        code, answer = server.docmd("data")
        if code != 354:
            raise _refusal(code, answer)
        server.send(_dot_stuffed(mail))
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(f"the connection broke before the last dot ({error})") from None
    try:
        server.send(b".\r\n")
        code, answer = server.getreply()
    except (TimeoutError, OSError, smtplib.SMTPException) as error:
        raise UncertainError(f"no answer after the last dot ({error})") from None
    if code != 250:
        raise _refusal(code, answer)


def _dot_stuffed(mail: bytes) -> bytes:
    """Return the mail with CRLF line ends, and a second dot before each line that begins with
    one.
    """
    lines = mail.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    return b"".join((b"." if x.startswith(b".") else b"") + x + b"\r\n" for x in lines)


def _refusal(code: int, answer: bytes) -> DeliveryError:
    if code >= FIRST_PERMANENT_CODE:
        return RefusedError(f"the server refuses it for good: {code} {_server_answer(answer)}")
    return DeliveryError(f"the server does not take it now: {code} {_server_answer(answer)}")


def _server_answer(answer: bytes) -> str:
    """Return the server's own words, shortened; they may hold an address and stay out of logs."""
    return " ".join(answer.decode("utf-8", "replace").split())[:120]


def _is_automatic(mail: bytes) -> bool:
    head = BytesHeaderParser().parsebytes(mail)
    return str(head.get("Auto-Submitted", "no")).lower() != "no"


def _bad_certificate(relay: Relay, error: ssl.SSLError) -> SettingsError:
    why = getattr(error, "verify_message", "") or error.reason or "TLS failed"
    return SettingsError(
        f"DESK_SMTP_HOST: the certificate of {relay.host} is not valid or it speaks no TLS on "
        f"port {relay.port} ({why}); a private authority goes into DESK_SMTP_CA"
    )


def _context(relay: Relay) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if relay.certificates:
        try:
            context.load_verify_locations(relay.certificates)
        except OSError as error:
            raise SettingsError(f"DESK_SMTP_CA: {relay.certificates}: {error.strerror}") from None
    return context
