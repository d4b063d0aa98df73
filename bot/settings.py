"""Reads the settings from the environment and `.env`; no other module reads them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    SettingsConfigDict,
)

from bot.domain import EscalationReason
from bot.errors import SettingsError
from bot.files import KEY_FILE, find_obstacle, read_key
from bot.resources import shipped_knowledge

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SUBMISSION_PORT = 587
OPENAI_NAME = re.compile(r"(?:gpt-|chatgpt-|o\d)[^:/]*$")
SLACK_PERSON = re.compile(r"[UW][A-Z0-9]{2,20}")
SLACK_CHANNEL = re.compile(r"[CG][A-Z0-9]{2,20}")
LOCAL = "local"
NO_RECEIVER = "none"  # of DESK_AUTHSERV_ID
NOT_IN_NAME = re.compile(r"[\s;,:=\"'#@]")  # of a server
PREFIX = "DESK_"
USUAL_KNOWLEDGE = Path("knowledge")
ENV_FILE = ".env"
MAIL_NEEDS = ("imap_host", "imap_user", "imap_password", "smtp_host", "address")
NO_SETTING = frozenset({"DESK_CMD"})  # read by scripts that run the desk, not by the desk


class MailKind(StrEnum):
    """Where mail comes from: the port and folders of this machine, or an IMAP server."""

    LOCAL = "local"
    IMAP = "imap"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxAccess:
    """The IMAP mailbox: its server and the account that reads it."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    tls: bool = True
    certificates: Path | None = None  # a CA file beside those of the system
    timeout: float = 30.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The SMTP server that delivers our mails, and the account for it."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = True  # implicit on 465, STARTTLS elsewhere; False only for a relay on loopback
    certificates: Path | None = None
    timeout: float = 60.0  # seconds


def _default_knowledge() -> Path:
    """Return `knowledge` in the working directory, or the shipped knowledge where there is none."""
    return USUAL_KNOWLEDGE if USUAL_KNOWLEDGE.is_dir() else shipped_knowledge()


class Settings(BaseSettings):
    """Everything that an operator may set; `.env` in the working directory is read too.

    Every setting is optional, and its variable begins with DESK_ except where an alias is given.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True, env_ignore_empty=True
    )

    home: Path = Path("var")
    knowledge: Path = Field(default_factory=_default_knowledge)
    model_folder: Path | None = None  # for model files; none: models in home
    database_url: str = ""
    installation_key: SecretStr = SecretStr("")  # instead of the file installation.key in home
    chroma_url: str = ""
    mail: MailKind = MailKind.LOCAL
    smtp_port: int = Field(default=2525, ge=1, le=65535)
    http_host: str = "127.0.0.1"  # address of this machine on which the HTTP port is open
    http_port: int = Field(default=8025, ge=0, le=65535)  # 0: any that is free
    web: bool | None = None  # the desk in a browser; unset: when Slack is not used
    address: str = "incident@desk.example"
    aliases: str = ""  # more addresses that the desk reads, with commas; it writes from address
    imap_host: str = ""
    imap_port: int = Field(default=993, ge=1, le=65535)
    imap_user: str = ""
    imap_password: SecretStr = SecretStr("")
    imap_folder: str = "INBOX"
    imap_tls: bool = True
    imap_ca: Path | None = None
    smtp_host: str = ""  # of the company's server, with DESK_MAIL=imap; smtp_port is then its port
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_tls: bool = True
    smtp_ca: Path | None = None
    authserv_id: str = ""
    threshold: float | None = Field(default=None, ge=0, le=1)
    model: str = ""  # LangChain's name, openai:…; empty: no model
    model_calls: int = Field(default=600, ge=1)  # an hour
    model_tokens: int = Field(default=2_000_000, ge=1)  # an hour
    model_price: float = Field(default=0.0, ge=0)  # for a million tokens, in any money
    model_money: float = Field(default=0.0, ge=0)  # an hour, in the same; 0: no such bound
    embeddings: str = LOCAL  # openai:…; local: our own encoder
    openai_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="OPENAI_API_KEY")
    openai_base_url: str = Field(default="", validation_alias="OPENAI_BASE_URL")
    traces: str = ""  # http://host:4317 of a collector of OpenTelemetry; empty: none are sent
    slack_bot_token: SecretStr = SecretStr("")
    slack_app_token: SecretStr = SecretStr("")  # Socket Mode
    slack_signing_secret: SecretStr = SecretStr("")  # HTTP
    slack_channel: str = ""  # id of the private channel that gets the cards
    slack_staff: str = ""  # ids of the people who may decide, with commas
    slack_oncall: str = ""  # ids of those who are called when nobody takes a case
    call: str = ""  # whom staff call: reason=person or group, with semicolons
    telemetry: bool = False  # True: the tracing variables of libraries are left as they are
    log: str = "INFO"
    # How many days something is kept; 0: for ever.
    keep_mail_days: int = Field(default=90, ge=0)  # raw mails in the folders of DESK_HOME
    # Settled mails on the IMAP server, which is the company's own mailbox: only when asked.
    keep_imap_days: int = Field(default=0, ge=0)
    keep_text_days: int = Field(default=365, ge=0)  # masked texts, subjects and senders
    keep_case_days: int = Field(default=730, ge=0)  # drafts of closed cases
    keep_send_days: int = Field(default=730, ge=0)  # replies as they went out, and to whom
    keep_slack_days: int = Field(default=14, ge=0)  # what came from Slack and was posted there

    @property
    def database(self) -> str:
        """Return the SQLAlchemy URL of the database, by default of SQLite in DESK_HOME."""
        return self.database_url or f"sqlite:///{self.home / 'desk.sqlite3'}"

    @field_validator("home", "model_folder")
    @classmethod
    def _can_be_folder(cls, path: Path | None) -> Path | None:
        if path and (obstacle := find_obstacle(path)):
            raise ValueError(f"write the path of a folder: {obstacle} is none")
        return path

    @field_validator("http_host")
    @classmethod
    def _is_ip_address(cls, host: str) -> str:
        try:
            return str(ip_address(host.strip("[]")))
        except ValueError:
            raise ValueError("write an IP address of this machine, such as 127.0.0.1") from None

    @field_validator("authserv_id")
    @classmethod
    def _is_one_name(cls, name: str) -> str:
        if NOT_IN_NAME.search(name.strip()):
            raise ValueError(
                "write the name alone, as it stands before the first semicolon of "
                "Authentication-Results; with another one every mail would be held"
            )
        return name

    @field_validator("installation_key")
    @classmethod
    def _is_key(cls, key: SecretStr) -> SecretStr:
        if key.get_secret_value() and not read_key(key.get_secret_value()):
            raise ValueError(f"write the content of {KEY_FILE} of one of the hosts")
        return key

    @property
    def http_reach(self) -> str:
        """Return the address at which this machine itself reaches its HTTP port."""
        address = ip_address(self.http_host)
        if not address.is_unspecified:
            return self.http_host
        return "127.0.0.1" if address.version == 4 else "::1"

    @property
    def is_http_local(self) -> bool:
        """Return whether this machine alone reaches the HTTP port."""
        return ip_address(self.http_host).is_loopback

    @property
    def web_wanted(self) -> bool:
        """Return whether the desk is offered in a browser.

        It is for one person on this machine and never open to a network: SettingsError when it is
        asked for on an HTTP port that others can reach.
        """
        if self.web and not self.is_http_local:
            raise SettingsError(
                "DESK_WEB=true needs a DESK_HTTP_HOST of this machine alone, such as 127.0.0.1: "
                "the desk in a browser is not offered to a network"
            )
        return self.is_http_local and (not self.slack if self.web is None else self.web)

    @property
    def own_addresses(self) -> frozenset[str]:
        """Return every address of the desk in lower case; SettingsError for a wrong one."""
        aliases = [each.strip().lower() for each in self.aliases.split(",") if each.strip()]
        for each in aliases:
            local, _, domain = each.rpartition("@")
            if not local or not domain or " " in each:
                raise SettingsError(f"DESK_ALIASES: {each!r} is no address")
        return frozenset({self.address.lower(), *aliases})

    @property
    def receiver(self) -> str:
        """Return the server whose authentication results are believed; empty where there is none.

        `none` is no server: with it the owner says that mail of unproven senders is answered.
        """
        return "" if self.accepts_any_sender else self.authserv_id.strip()

    @property
    def accepts_any_sender(self) -> bool:
        """Return whether the owner accepts that nobody authenticates senders."""
        return self.authserv_id.strip().lower() == NO_RECEIVER

    @property
    def needs_receiver(self) -> bool:
        """Return whether mail is held because no server that authenticates senders is set."""
        return self.mail is MailKind.IMAP and not self.authserv_id.strip()

    @property
    def imap(self) -> MailboxAccess:
        """Return the IMAP mailbox; SettingsError names what is missing for DESK_MAIL=imap."""
        self._check_complete("DESK_MAIL")
        return MailboxAccess(
            host=self.imap_host, port=self.imap_port, user=self.imap_user,
            password=self.imap_password.get_secret_value(), folder=self.imap_folder,
            tls=self.imap_tls, certificates=self.imap_ca,
        )  # fmt: skip

    @property
    def relay(self) -> Relay:
        """Return the company's SMTP server; its port is 587 unless DESK_SMTP_PORT names one."""
        self._check_complete("DESK_MAIL")
        chosen = "smtp_port" in self.model_fields_set
        return Relay(
            host=self.smtp_host, port=self.smtp_port if chosen else SUBMISSION_PORT,
            user=self.smtp_user, password=self.smtp_password.get_secret_value(),
            tls=self.smtp_tls, certificates=self.smtp_ca,
        )  # fmt: skip

    @property
    def model_name(self) -> str:
        """Return the model with its vendor, which is added to the bare names of OpenAI's models."""
        return f"openai:{self.model}" if OPENAI_NAME.match(self.model) else self.model

    @property
    def model_options(self) -> dict[str, str]:
        """Return what the vendor of the model needs besides its name; SettingsError for no key."""
        if not self.model_name.startswith("openai:"):
            return {}
        self._check_complete("DESK_MODEL")
        key = self.openai_api_key.get_secret_value()
        return {"api_key": key} | (
            {"base_url": self.openai_base_url} if self.openai_base_url else {}
        )

    @property
    def model_tokens_paid(self) -> int:
        """Return the tokens an hour that both bounds allow, on tokens and on money.

        SettingsError when there is a bound on money and no price.
        """
        if not self.model_money:
            return self.model_tokens
        self._check_complete("DESK_MODEL_MONEY")
        return max(1, min(self.model_tokens, int(1e6 * self.model_money / self.model_price)))

    @property
    def own_embeddings(self) -> bool:
        """Return whether vectors come from the encoder on this machine."""
        return self.embeddings == LOCAL

    @property
    def openai_embeddings(self) -> tuple[str, str]:
        """Return OpenAI's embedding model and its key; SettingsError for another vendor."""
        vendor, _, model = self.embeddings.partition(":")
        if vendor != "openai" or not model:
            raise SettingsError(
                f"DESK_EMBEDDINGS: {self.embeddings!r} is not known; say {LOCAL} or name a "
                "model of OpenAI, such as openai:text-embedding-3-small"
            )
        self._check_complete("DESK_EMBEDDINGS")
        return model, self.openai_api_key.get_secret_value()

    @property
    def slack(self) -> bool:
        """Return whether Slack is used."""
        return bool(self.slack_bot_token.get_secret_value())

    def slack_people(self, name: str) -> tuple[str, ...]:
        """Return the ids in `slack_staff` or `slack_oncall`; SettingsError for a wrong one."""
        people = tuple(each.strip() for each in getattr(self, name).split(",") if each.strip())
        for each in people:
            if not SLACK_PERSON.fullmatch(each):
                raise SettingsError(
                    f"DESK_{name.upper()}: {each!r} is no member id; copy it from the profile, "
                    "it begins with U or W"
                )
        return people

    @property
    def contacts(self) -> dict[EscalationReason, str]:
        """Return whom staff call, by reason; SettingsError for a reason that there is not."""
        contacts = {}
        for each in filter(str.strip, self.call.split(";")):
            reason, _, who = (part.strip() for part in each.partition("="))
            if reason not in list(EscalationReason) or not who:
                raise SettingsError(
                    f"DESK_CALL: {each.strip()!r} is not REASON=WHO; the reasons are "
                    f"{', '.join(EscalationReason)}, and several are separated by semicolons"
                )
            contacts[EscalationReason(reason)] = who
        return contacts

    def check_slack(self) -> None:
        """Raise SettingsError for Slack settings that are missing or cannot be right."""
        self._check_complete("DESK_SLACK_BOT_TOKEN")
        self.slack_people("slack_staff")
        self.slack_people("slack_oncall")
        if not SLACK_CHANNEL.fullmatch(self.slack_channel):
            raise SettingsError(
                f"DESK_SLACK_CHANNEL: {self.slack_channel!r} is no channel id; it begins with C or "
                "G and stands at the end of the channel's details"
            )

    def check(self) -> None:
        """Raise SettingsError for what is missing or cannot be right, by the settings alone.

        It takes no time, so that a command which runs the desk can begin with it.
        """
        if missing := self.missing:
            raise self._error_for(missing)
        _ = self.own_addresses, self.web_wanted, self.contacts
        if not self.own_embeddings:
            _ = self.openai_embeddings
        if self.slack:
            self.check_slack()

    @property
    def missing(self) -> dict[str, tuple[str, ...]]:
        """Return the fields that are not set, by the variable that needs them."""
        key = ("openai_api_key",)
        entry = () if self._set("slack_app_token") else ("slack_signing_secret",)
        needs = {
            "DESK_MAIL": MAIL_NEEDS if self.mail is MailKind.IMAP else (),
            "DESK_MODEL": key if self.model_name.startswith("openai:") else (),
            "DESK_MODEL_MONEY": ("model_price",) if self.model_money else (),
            "DESK_EMBEDDINGS": key if self.embeddings.startswith("openai:") else (),
            "DESK_SLACK_BOT_TOKEN": ("slack_channel", "slack_staff", *entry) if self.slack else (),
        }
        missing = {by: tuple(n for n in names if not self._set(n)) for by, names in needs.items()}
        return {by: names for by, names in missing.items() if names}

    def _set(self, name: str) -> bool:
        value = getattr(self, name)
        given = value.get_secret_value() if isinstance(value, SecretStr) else value
        return bool(given) and (name != "address" or name in self.model_fields_set)

    def _check_complete(self, wanted: str) -> None:
        """Raise SettingsError where `wanted` lacks something; it names everything missing."""
        missing = self.missing
        if wanted in missing:
            raise self._error_for(missing)

    def _error_for(self, missing: Mapping[str, tuple[str, ...]]) -> SettingsError:
        lines = (self._describe_missing(by, names) for by, names in missing.items())
        return SettingsError(". ".join(lines))

    def _describe_missing(self, by: str, names: tuple[str, ...]) -> str:
        """Say what the variable `by` needs, without the value of a secret."""
        value = getattr(self, by.removeprefix(PREFIX).lower())
        wish = by if isinstance(value, SecretStr) else f"{by}={value}"
        listed = ", ".join(variable_name(name) for name in names)
        if "slack_signing_secret" in names:
            listed += " (or DESK_SLACK_APP_TOKEN, for Socket Mode)"
        return f"{wish} needs {listed}, which {'are' if len(names) > 1 else 'is'} not set"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return every password, key and token, also those within URLs: no text may hold one."""
        values = [getattr(self, name) for name in type(self).model_fields]
        urls = (_password(url) for url in (self.database_url, self.chroma_url))
        hidden = (v.get_secret_value() for v in values if isinstance(v, SecretStr))
        return tuple(secret for secret in (*hidden, *urls) if secret)

    @property
    def models(self) -> Path:
        """Return the folder for model files."""
        return self.model_folder or self.home / "models"

    @property
    def chroma(self) -> Path:
        """Return the folder of the embedded index."""
        return self.home / "chroma"


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:  # a wrong URL; connecting to it raises the error
        return ""


def variable_name(field: str) -> str:
    """Return the environment variable of a field of `Settings`."""
    return str(Settings.model_fields[field].validation_alias or f"{PREFIX}{field.upper()}")


def describe_unknown(names: Iterable[str]) -> Iterator[str]:
    """Yield a remark for each unknown name that begins with DESK_, with the nearest setting."""
    known = {variable_name(field) for field in Settings.model_fields}
    for name in dict.fromkeys(names):
        if name.startswith(PREFIX) and name not in known | NO_SETTING:
            nearest = get_close_matches(name, sorted(known), n=1, cutoff=0.0)
            yield f"there is no setting {name}; the nearest is {nearest[0]}"


def read_settings() -> Settings:
    """Return the settings; SettingsError names every variable that is wrong or unknown."""
    sources = (EnvSettingsSource(Settings), DotEnvSettingsSource(Settings))
    faults = list(describe_unknown(name.upper() for source in sources for name in source.env_vars))
    try:
        settings = Settings()
    except ValidationError as error:
        faults += [_fault(detail) for detail in error.errors()]
        raise SettingsError(". ".join(faults)) from None
    if faults:
        raise SettingsError(". ".join(faults))
    return _with_own_home(settings)


def _with_own_home(settings: Settings) -> Settings:
    """Give an incident that is not the one in ./knowledge a home of its own, unless one is set.

    So several incidents live side by side without any further setting; they share model files.
    """
    chosen = settings.knowledge.resolve()
    usual = "knowledge" not in settings.model_fields_set or chosen == _default_knowledge().resolve()
    if usual or "home" in settings.model_fields_set:
        return settings
    home = settings.home / "incidents" / chosen.name
    return settings.model_copy(update={"home": home, "model_folder": settings.models})


def _fault(detail: "ErrorDetails") -> str:
    name = "_".join(str(part) for part in detail["loc"])
    shown = variable_name(name) if name in Settings.model_fields else name.upper()
    says = detail["msg"].removeprefix("Value error, ")  # how pydantic begins what we say
    field = Settings.model_fields.get(name)
    if field and field.annotation is SecretStr:
        return f"{shown}: {says}"
    return f"{shown}: {says}, got {detail['input']!r}"
