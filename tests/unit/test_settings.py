"""The settings: which there are, what is wrong with one, and what is missing."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.cli import main
from bot.errors import SettingsError
from bot.settings import MailKind, Settings, read_settings, variable_name
from tests.conftest import ROOT


def example() -> list[tuple[str, str, str]]:
    """Name, value and remark of each setting of .env.example."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    found = re.findall(r"^# (\S.*)\n#([A-Z_]+)=(.*)$", text, re.MULTILINE)
    return [(name, value, remark) for remark, name, value in found]


def test_the_example_lists_every_setting_once_with_a_line_and_no_other() -> None:
    names = [name for name, _, _ in example()]
    assert sorted(names) == sorted(variable_name(field) for field in Settings.model_fields)


def test_the_values_of_the_example_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, _ in example():
        monkeypatch.setenv(name, value)
    found = read_settings()
    for field, info in Settings.model_fields.items():
        assert getattr(found, field) == info.get_default(call_default_factory=True), field


def test_the_example_has_no_remark_behind_a_value() -> None:
    """Systemd, whose service reads this file, takes all behind the sign for the value."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if re.match(r"#[A-Z_]+=.*\s", line)] == []


@pytest.mark.parametrize(
    "name", ["mx.example.org; dmarc=pass", "mx.example.org   # ours", "mx.a.org,mx.b.org", '"mx"']
)
def test_a_receiver_that_is_more_than_a_name_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("DESK_AUTHSERV_ID", name)
    with pytest.raises(SettingsError, match="DESK_AUTHSERV_ID: write the name alone"):
        read_settings()


@pytest.mark.parametrize("name", ["DESK_HOME", "DESK_MODEL_FOLDER"])
def test_a_folder_that_can_never_be_one_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    file, nowhere = tmp_path / "file", tmp_path / "nowhere"
    file.write_text("no folder")
    nowhere.symlink_to(tmp_path / "gone" / "for good")
    for path, obstacle in ((file, file), (file / "below" / "it", file), (nowhere, nowhere)):
        monkeypatch.setenv(name, str(path))
        with pytest.raises(SettingsError, match=f"{name}: write the path of a folder: {obstacle}"):
            read_settings()
    for path in (tmp_path, tmp_path / "made" / "later"):
        monkeypatch.setenv(name, str(path))
        assert str(path) in str(read_settings())


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("DESK_THRESHHOLD", "DESK_THRESHOLD"), ("DESK_IMAP_PASS", "DESK_IMAP_PASSWORD"),
        ("DESK_SLACK_TOKEN", "DESK_SLACK_BOT_TOKEN"), ("desk_adress", "DESK_ADDRESS"),
        ("DESK_DATABASE", "DESK_DATABASE_URL"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_exist_is_an_error_that_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, nearest: str
) -> None:
    monkeypatch.setenv(name, "1")
    assert main(["index"]) == 2
    said = capsys.readouterr().err
    assert f"there is no setting {name.upper()}; the nearest is {nearest}" in said
    assert len(said.strip().splitlines()) == 1


def test_a_setting_that_does_not_exist_is_found_in_the_file_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("DESK_TRESHOLD=0.9\nOTHER=1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="DESK_TRESHOLD; the nearest is DESK_THRESHOLD"):
        read_settings()


def test_what_is_no_setting_of_ours_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DESKTOP_SESSION", "MY_DESK_THRESHHOLD", "DESK_CMD"):
        monkeypatch.setenv(name, "x")
    assert read_settings().threshold is None


def test_everything_that_is_wrong_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MAIL", "pigeon"), ("SMTP_PORT", "many"), ("TRESHOLD", "1")):
        monkeypatch.setenv(f"DESK_{name}", value)
    with pytest.raises(SettingsError) as raised:
        read_settings()
    for name in ("DESK_MAIL: ", "DESK_SMTP_PORT: ", "no setting DESK_TRESHOLD"):
        assert name in str(raised.value)


def test_everything_that_is_missing_is_named_at_once() -> None:
    token = SecretStr("a token")
    settings = Settings(
        mail=MailKind.IMAP, imap_user="desk", slack_bot_token=token, model="gpt-5", model_money=1
    )
    wanted = (
        "DESK_IMAP_HOST", "DESK_IMAP_PASSWORD", "DESK_SMTP_HOST", "DESK_ADDRESS", "OPENAI_API_KEY",
        "DESK_MODEL_PRICE", "DESK_SLACK_CHANNEL", "DESK_SLACK_STAFF", "DESK_SLACK_SIGNING_SECRET",
        "DESK_SLACK_APP_TOKEN",
    )  # fmt: skip
    ways = (
        lambda: settings.imap, lambda: settings.relay, lambda: settings.model_options,
        lambda: settings.model_tokens_paid, settings.check_slack,
    )  # fmt: skip
    for way in ways:
        with pytest.raises(SettingsError) as raised:
            way()
        told = str(raised.value)
        assert [name for name in wanted if name not in told] == []
        assert "DESK_IMAP_USER" not in told
        assert "a token" not in told


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MAIL", "imap", "DESK_MAIL=imap needs DESK_IMAP_HOST, DESK_IMAP_USER"),
        ("MODEL", "gpt-5", "needs OPENAI_API_KEY"),
        ("ALIASES", "nobody", "DESK_ALIASES"),
        ("CALL", "a caller", "DESK_CALL"),
        ("EMBEDDINGS", "elsewhere:small", "DESK_EMBEDDINGS"),
        ("SLACK_BOT_TOKEN", "a token", "DESK_SLACK_CHANNEL"),
    ],
)
def test_serve_stops_at_a_wrong_setting_before_anything_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str, value: str, says: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(f"DESK_{name}", value)
    assert main(["serve"]) == 2
    written = capsys.readouterr()
    assert says in written.err
    assert written.out == ""


def test_what_nobody_asked_for_is_not_missed() -> None:
    settings = Settings()
    assert settings.missing == {}
    assert Settings(slack_bot_token=SecretStr("x"), slack_app_token=SecretStr("y")).missing == {
        "DESK_SLACK_BOT_TOKEN": ("slack_channel", "slack_staff")
    }


def test_contacts_are_read_by_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_CALL", " press=S0PRESS; legal = Dana Reed, +1 555 0100;")
    assert read_settings().contacts == {"press": "S0PRESS", "legal": "Dana Reed, +1 555 0100"}
    for wrong in ("pres=Dana", "press", "press="):
        monkeypatch.setenv("DESK_CALL", wrong)
        with pytest.raises(SettingsError, match=r"DESK_CALL.*REASON=WHO.*press"):
            _ = read_settings().contacts
