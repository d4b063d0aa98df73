"""Those who share a database have one key; a host with another one says so and how to mend it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Thread

import pytest
from pydantic import SecretStr

from bot.app import App
from bot.cli import main
from bot.commands.doctor import run_checks
from bot.corpus import Knowledge
from bot.errors import SettingsError
from bot.files import KEY_FILE, read_installation_key
from bot.journal import Journal
from bot.serve.service import Service
from bot.settings import Settings, read_settings
from tests.conftest import KNOWLEDGE, home_of

OTHER = "is not that of the desks which share its database"


@contextmanager
def host(home: Path, url: str, knowledge: Knowledge, *, key: str = "") -> Iterator[App]:
    settings = Settings(
        home=home_of(home), knowledge=KNOWLEDGE, database_url=url, installation_key=SecretStr(key)
    )
    app = App(settings, knowledge=knowledge)
    yield app
    app.journal.close()


def test_a_host_with_another_key_does_not_start_and_doctor_names_the_remedy(
    database_url: str, tmp_path: Path, knowledge: Knowledge
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with host(one, database_url, knowledge) as first, host(two, database_url, knowledge) as second:
        first.check_installation_key()
        with pytest.raises(SettingsError, match=OTHER) as raised:
            Service(second, lambda _handled: None).start()
        (line,) = str(raised.value).splitlines()
        assert "DESK_INSTALLATION_KEY" in line
        assert str(two) in line
        told = {finding.name: finding for finding in run_checks(second)}
        assert OTHER in told["key"].says
        assert first.installation_key.hex() not in line
        assert second.installation_key.hex() not in line
        assert "key" not in {finding.name for finding in run_checks(first)}
    (two / KEY_FILE).write_bytes((one / KEY_FILE).read_bytes())
    with host(two, database_url, knowledge) as second:
        second.check_installation_key()


def test_the_setting_wins_over_the_file_and_is_one_of_the_secrets(
    database_url: str, tmp_path: Path, knowledge: Knowledge
) -> None:
    key = read_installation_key(tmp_path / "one").hex()
    with host(tmp_path / "one", database_url, knowledge) as first:
        first.check_installation_key()
    with host(tmp_path / "two", database_url, knowledge, key=key) as second:
        second.check_installation_key()
        assert second.installation_key.hex() == key
        assert key in second.settings.secrets
        assert not (tmp_path / "two" / KEY_FILE).exists()


def test_a_setting_that_is_no_key_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DESK_INSTALLATION_KEY", "half of a key")
    with pytest.raises(
        SettingsError, match=r"DESK_INSTALLATION_KEY: .*installation\.key"
    ) as raised:
        read_settings()
    assert "half" not in str(raised.value)


def test_a_key_that_is_lost_everywhere_is_replaced_on_purpose_only(
    tmp_path: Path, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/journal.sqlite3"
    with host(tmp_path / "one", url, knowledge) as first:
        first.check_installation_key()
    monkeypatch.setenv("DESK_HOME", str(tmp_path / "two"))
    monkeypatch.setenv("DESK_DATABASE_URL", url)
    with host(tmp_path / "two", url, knowledge) as second, pytest.raises(SettingsError):
        second.check_installation_key()
    main(["doctor", "--new-key"])
    with host(tmp_path / "two", url, knowledge) as second:
        second.check_installation_key()


def test_of_many_that_start_at_once_one_key_counts(database_url: str) -> None:
    journals = [Journal(database_url) for _ in range(4)]
    held: list[bool] = []
    together = Barrier(len(journals))

    def start(number: int) -> None:
        together.wait()
        held.append(journals[number].hold_key(f"mark {number}"))

    threads = [Thread(target=start, args=(number,)) for number in range(len(journals))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(held) == [False, False, False, True]
    for journal in journals:
        journal.close()
