"""The only reader of the environment; every setting is optional and begins with DESK_."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import SettingsError


class MailKind(StrEnum):
    LOCAL = "local"


class Settings(BaseSettings):
    """What an operator may set; `.env` in the working directory is read too."""

    model_config = SettingsConfigDict(
        env_prefix="DESK_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    home: Path = Path("var")
    knowledge: Path = Path("knowledge")
    database_url: str = ""
    chroma_url: str = ""
    mail: MailKind = MailKind.LOCAL
    smtp_port: int = Field(default=2525, ge=1, le=65535)
    http_port: int = Field(default=8025, ge=0, le=65535)  # 0: any that is free
    address: str = "incident@desk.example"
    authserv_id: str = ""
    threshold: float | None = Field(default=None, ge=0, le=1)
    log: str = "INFO"

    @property
    def database(self) -> str:
        """SQLAlchemy URL; SQLite in DESK_HOME by default."""
        return self.database_url or f"sqlite:///{self.home / 'desk.sqlite3'}"

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def chroma(self) -> Path:
        return self.home / "chroma"


def read_settings() -> Settings:
    """SettingsError names the variable and what is wrong with it."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"DESK_{name}: {first['msg']}, got {first['input']!r}") from None
