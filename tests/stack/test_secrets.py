"""`agent-monitor secrets`: made once, kept, put together from each other, and nobody else's to read."""

import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from monitor import secretfiles
from monitor.settings import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    secretfiles.make(made)
    return made


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_all_are_made_and_none_is_like_another(folder: Path) -> None:
    made = contents(folder)
    assert set(made) == secretfiles.NAMES
    random = [text for name, text in made.items() if name.endswith(("password", "token", "keys", "secret")) and text]
    assert len(set(random)) == len(random)
    assert all(len(text.strip()) >= 32 for text in random)


def test_the_folder_is_its_owners_alone_and_programs_can_read_their_file(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}
    folder.chmod(0o755)
    secretfiles.make(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_second_time_changes_nothing(folder: Path) -> None:
    before = contents(folder)
    assert secretfiles.make(folder) == []
    assert contents(folder) == before


def test_a_deleted_password_is_another_one_everywhere(folder: Path) -> None:
    before = contents(folder)
    (folder / "agent_monitor_app_password").unlink()
    changed = secretfiles.make(folder)
    assert changed == ["agent_monitor_app_password", "database_url", "pgbouncer_users"]
    now = contents(folder)
    password = now["agent_monitor_app_password"].strip()
    assert password not in before["pgbouncer_users"]
    assert f'"agent_monitor_app" "{password}"' in now["pgbouncer_users"]
    assert urlsplit(now["database_url"]).password == password


def test_what_people_write_in_stays(folder: Path) -> None:
    smtp = folder / "smtp_url"
    smtp.chmod(0o600)
    smtp.write_text("smtps://user:word@mail.example.com:465\n")
    secretfiles.make(folder)
    assert smtp.read_text() == "smtps://user:word@mail.example.com:465\n"


def test_settings_can_be_read_from_them(folder: Path) -> None:
    names = {name for name in secretfiles.NAMES if name.startswith("database_")}
    names |= {"influx_token", "redis_url", "secret_keys", "slack_bot_token", "smtp_url", "webhook_secret"}
    settings = load({f"AGENT_MONITOR_{name.upper()}_FILE": str(folder / name) for name in names})
    assert settings.smtp_url == "smtp://mailpit:1025"
    assert not settings.slack_bot_token
    assert len(settings.secret_keys) == 1
    assert urlsplit(settings.role_url("agent_monitor_owner")).hostname == "postgres"
    assert urlsplit(settings.role_url("agent_monitor_app")).hostname == "pgbouncer"
