"""The environment is read once, and a wrong value is one line that names its variable."""

from pathlib import Path

import pytest

from monitor.db import Role, shares
from monitor.errors import ConfigError
from monitor.settings import load, with_user


def test_defaults_need_no_environment() -> None:
    settings = load({})
    assert settings.evaluation_interval == 10.0
    assert settings.body_limit == 64 << 20
    assert settings.database_url is None


def test_values_are_parsed_with_their_units() -> None:
    settings = load(
        {
            "AGENT_MONITOR_EVALUATION_INTERVAL": "500ms",
            "AGENT_MONITOR_RAW_RETENTION": "7d",
            "AGENT_MONITOR_DISK_RESERVE": "2G",
            "AGENT_MONITOR_SECRET_KEYS": "newest-key-0123456789,older-key-0123456789",
            "AGENT_MONITOR_LOG_LEVEL": "debug",
            "AGENT_MONITOR_ALLOW_REGISTRATION": "off",
        }
    )
    assert settings.evaluation_interval == 0.5
    assert settings.raw_retention == 7 * 86400
    assert settings.disk_reserve == 2 << 30
    assert settings.secret_keys == ("newest-key-0123456789", "older-key-0123456789")
    assert settings.log_level == "DEBUG"
    assert settings.allow_registration is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://x"),
        ("EVALUATION_INTERVAL", "soon"),
        ("DATABASE_POOL_SIZE", "0"),
        ("SECRET_KEYS", "short"),
        ("SMTP_URL", "http://mail"),
        ("LOG_LEVEL", "loud"),
        ("INFLIGHT_LIMIT", "many"),
        ("ALLOW_REGISTRATION", "perhaps"),
        ("RATE_LIMIT", "fast"),
    ],
)
def test_a_wrong_value_names_its_variable_in_one_line(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"AGENT_MONITOR_{name}") as caught:
        load({f"AGENT_MONITOR_{name}": value})
    assert "\n" not in str(caught.value)


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("xoxb-1\n")
    assert load({"AGENT_MONITOR_SLACK_BOT_TOKEN_FILE": str(file)}).slack_bot_token == "xoxb-1"
    with pytest.raises(ConfigError, match="AGENT_MONITOR_SMTP_URL_FILE"):
        load({"AGENT_MONITOR_SMTP_URL_FILE": str(tmp_path / "none")})


def test_each_role_has_a_url() -> None:
    url = "postgresql://agent_monitor_app:p%40ss@db:5432/am?sslmode=require"
    settings = load({"AGENT_MONITOR_DATABASE_URL": url, "AGENT_MONITOR_DATABASE_OWNER_URL": "postgresql://o@db/am"})
    assert settings.role_url("agent_monitor_alerter") == url.replace("_app:", "_alerter:")
    assert settings.role_url("agent_monitor_owner") == "postgresql://o@db/am"
    assert with_user("postgresql:///am?host=/run", "x") == "postgresql://x@/am?host=/run"
    with pytest.raises(ConfigError, match="AGENT_MONITOR_DATABASE_URL"):
        load({}).role_url("agent_monitor_app")


def test_a_process_divides_its_connections_among_the_roles() -> None:
    assert shares(20) == {Role.APP: 8, Role.ALERTER: 5, Role.OWNER: 4, Role.DOORMAN: 3}
    assert sum(shares(50).values()) <= 50
    assert min(shares(1).values()) == 1
