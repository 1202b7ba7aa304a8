"""One frozen `Settings`; the environment is read here, once.

Every variable is `AGENT_MONITOR_<NAME>`, or `AGENT_MONITOR_<NAME>_FILE` with a path to a file that holds it.
A wrong value stops the start with one line that names the variable.
"""

import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from monitor.errors import ConfigError

PREFIX = "AGENT_MONITOR_"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _duration(text: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", text)
    if match is None:
        raise ValueError("a duration such as 10s, 5m or 30d is expected")
    return float(match[1]) * _UNITS[match[2] or "s"]


def _size(text: str) -> int:
    match = re.fullmatch(r"\s*(\d+)\s*([kmg]?)(?:i?b)?\s*", text.lower())
    if match is None:
        raise ValueError("a size such as 512M or 2G is expected")
    return int(match[1]) * _BYTES[match[2]]


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError("a whole number of at least 1 is expected")
    return value


def _name(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", text) is None:
        raise ValueError("letters, digits, _, . and - are expected")
    return text


def _flag(text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError("one of true, false is expected")


def _ring(text: str) -> tuple[str, ...]:
    keys = tuple(part.strip() for part in re.split(r"[,\n]", text) if part.strip())
    if not keys or any(len(key) < 16 for key in keys):
        raise ValueError("one or more comma-separated keys of at least 16 characters are expected, newest first")
    return keys


def _secret(text: str) -> str:
    if len(text) < 16:
        raise ValueError("at least 16 characters are expected")
    return text


def _tags(text: str) -> tuple[str, ...]:
    tags = tuple(part.strip() for part in text.split(",") if part.strip())
    if not tags:
        raise ValueError("comma-separated names of tags are expected")
    return tags


def _rate(text: str) -> str:
    if re.fullmatch(r"[1-9]\d*/(second|minute|hour|day)", text) is None:
        raise ValueError("a rate such as 1000/second is expected")
    return text


def _hosts(text: str) -> tuple[str, ...]:
    entries = tuple(part for part in re.split(r"[,\s]+", text) if part)
    for entry in entries:
        if "/" in entry or ":" in entry:
            ip_network(entry, strict=False)
        elif re.fullmatch(r"[\w.-]+", entry) is None:
            raise ValueError("comma-separated networks (10.0.0.0/8), addresses and host names are expected")
    return entries


def _listen(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("a host and a port such as 0.0.0.0:4317 are expected")
    return text


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"one of {', '.join(words)} is expected")
        return text.lower()

    return parse


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not (parts.netloc or parts.path):
            raise ValueError(f"a URL that starts with {' or '.join(s + '://' for s in schemes)} is expected")
        return text

    return parse


def _certificates(text: str) -> str:
    try:
        ssl.create_default_context(cadata=text)
    except ssl.SSLError:
        raise ValueError("certificates in PEM are expected") from None
    return text


def _setting(parse: Callable[[str], Any], default: Any, about: str) -> Any:
    return field(default=default, metadata={"parse": parse, "about": about})


def _postgres(text: str) -> str:
    """A file may hold two while a password is changed, a line each."""
    return str(_url("postgresql", "postgres")(next(iter(text.split()), "")))


_HTTP = _url("http", "https")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them, typed and checked. `about` in each field's metadata is its documentation."""

    database_url: str | None = _setting(_postgres, None, "PostgreSQL as the plain application role")
    database_alerter_url: str | None = _setting(_postgres, None, "the same as agent_monitor_alerter")
    database_doorman_url: str | None = _setting(_postgres, None, "the same as agent_monitor_doorman")
    database_owner_url: str | None = _setting(_postgres, None, "the same as agent_monitor_owner")
    database_grafana_url: str | None = _setting(_postgres, None, "the same as agent_monitor_grafana, for `migrate`")
    database_backup_url: str | None = _setting(_postgres, None, "the same as agent_monitor_backup, for backups")
    database_operator_url: str | None = _setting(_postgres, None, "the same as agent_monitor_operator, for `migrate`")
    database_admin_url: str | None = _setting(
        _postgres, None, "a superuser: with it `migrate` makes roles, passwords and database"
    )
    database_pool_size: int = _setting(_positive, 20, "connections that a process holds at most, all roles together")
    database_prepare: bool = _setting(
        _flag, True, "prepare repeated statements; false behind PgBouncer in transaction mode"
    )
    region: str | None = _setting(str, None, "slug of the region that this process is in; see Regions")
    instances: int = _setting(_positive, 3, "collectors' workers and alerters that share the database, for `doctor`")
    influx_url: str | None = _setting(_HTTP, None, "InfluxDB 2; history is there and not in PostgreSQL when it is set")
    influx_token: str | None = _setting(
        str, None, "token for InfluxDB: reads and writes its buckets; `migrate` makes them"
    )
    influx_org: str | None = _setting(str, None, "organization in InfluxDB")
    influx_ca: str | None = _setting(
        _certificates, None, "certificates in PEM that InfluxDB's is trusted by, where the system's are not to be"
    )
    influx_bucket: str = _setting(
        _name, "agent_monitor", "first part of the buckets' names: …_raw, _minute, _hour, _day"
    )
    grpc_listen: str | None = _setting(_listen, None, "host:port where OTLP over gRPC is served, such as 0.0.0.0:4317")
    series_limit: int = _setting(_positive, 100_000, "series a tenant may have; further ones are refused by name")
    data_dir: Path = _setting(Path, Path("~/.local/share/agent-monitor"), "where `dev` keeps everything")
    redis_url: str | None = _setting(_url("redis", "rediss", "unix"), None, "Redis, a cache of live state; optional")
    public_url: str = _setting(_HTTP, "http://127.0.0.1:4318", "the address that links in messages carry")
    grafana_url: str | None = _setting(_HTTP, None, "a Grafana that `agent-monitor dashboards push` writes to")
    grafana_token: str | None = _setting(str, None, "token of a service account there that may edit dashboards")
    secret_keys: tuple[str, ...] = _setting(
        _ring, (), "key ring for signed links and cookies, and for secrets at rest, newest first"
    )
    smtp_url: str | None = _setting(
        _url("smtp", "smtps", "smtp+starttls", "maildir"),
        None,
        "where email goes; maildir:///path keeps it in files",
    )
    mail_from: str = _setting(str, "Agent Monitor <agent-monitor@localhost>", "sender of email")
    slack_bot_token: str | None = _setting(str, None, "bot token of the Slack app")
    slack_app_token: str | None = _setting(
        str, None, "app-level token of the Slack app: with it the alerter hears buttons by Socket Mode"
    )
    slack_signing_secret: str | None = _setting(
        str, None, "signing secret of the Slack app: with it the collector hears buttons at /slack/actions"
    )
    slack_api_url: str = _setting(_HTTP, "https://slack.com/api/", "base address of Slack's Web API")
    pagerduty_url: str = _setting(
        _HTTP, "https://events.pagerduty.com", "PagerDuty's Events API; https://events.eu.pagerduty.com in the EU"
    )
    webhook_secret: str | None = _setting(str, None, "signs outgoing webhooks that have no secret of their own")
    webhook_allow: tuple[str, ...] = _setting(
        _hosts, (), "networks, addresses and host names that webhooks may reach although they are not public"
    )
    run_timeout: float = _setting(_duration, 10.0, "how long the webhook of a scheduled agent may take to answer")
    outbound_heartbeat_url: str | None = _setting(
        _HTTP, None, "address of another monitor that hears from this one after successful passes over the rules"
    )
    outbound_heartbeat_interval: float = _setting(_duration, 60.0, "how often the other monitor hears from this one")
    evaluation_interval: float = _setting(_duration, 10.0, "time between two passes over the rules")
    log_level: str = _setting(lambda text: _one_of("debug", "info", "warning", "error")(text).upper(), "INFO", "least")
    log_format: str = _setting(_one_of("json", "text"), "text", "shape of the logs")
    rate_limit: str = _setting(_rate, "1000000/minute", "requests per key, as count/second, /minute or /hour")
    body_limit: int = _setting(_size, 64 << 20, "largest body after decompression")
    inflight_limit: int = _setting(_size, 96 << 20, "bytes of bodies in work at one time; more is answered 503")
    disk_reserve: int = _setting(_size, 1 << 30, "free bytes on the data directory's disk below which ingest stops")
    raw_retention: float = _setting(_duration, 30 * 86400.0, "how long logs and single points are kept")
    minute_retention: float = _setting(_duration, 90 * 86400.0, "how long minute rollups are kept")
    hour_retention: float = _setting(_duration, 400 * 86400.0, "how long hour rollups are kept")
    day_retention: float = _setting(_duration, 5 * 366 * 86400.0, "how long day rollups are kept")
    backup_dir: Path | None = _setting(Path, None, "where the alerter keeps scheduled backups; none are taken without")
    backup_archive: Path | None = _setting(Path, None, "where backups go when they are older than BACKUP_RETENTION")
    backup_retention: float = _setting(_duration, 30 * 86400.0, "how long a backup stays in BACKUP_DIR")
    backup_archive_retention: float = _setting(_duration, 90 * 86400.0, "how old a backup in BACKUP_ARCHIVE gets")
    backup_logical: bool = _setting(_flag, False, "scheduled backups by pg_dump, for a server that refuses replication")
    backup_key: str | None = _setting(_secret, None, "seals backups; at least 16 characters, and not to be lost")
    line_agent_tags: tuple[str, ...] = _setting(
        _tags, ("agent", "host"), "tags of line protocol that name the agent of a line; the first that it has counts"
    )
    prometheus_agent_labels: tuple[str, ...] = _setting(
        _tags,
        ("agent", "job", "instance"),
        "labels that name the agent of a series in remote write; the first that it has counts",
    )
    statsd_listen: str | None = _setting(_listen, None, "host:port where StatsD is taken over UDP, as 127.0.0.1:8125")
    statsd_key: str | None = _setting(str, None, "API key that StatsD's metrics are taken in with")
    statsd_interval: float = _setting(_duration, 10.0, "how often what came over StatsD is summed up and kept")
    oidc_issuer: str | None = _setting(_HTTP, None, "issuer of OpenID Connect that people sign in with")
    oidc_client_id: str | None = _setting(str, None, "what this installation is called there")
    oidc_client_secret: str | None = _setting(str, None, "its secret there; none for a public client")
    oidc_name: str = _setting(str, "single sign-on", "what the button of the sign-in page calls it")
    oidc_tenant: str | None = _setting(
        _name, None, "tenant that people join who sign in there and belong to none; without it they are refused"
    )
    oidc_role: str = _setting(_one_of("admin", "member", "viewer", "on-call"), "viewer", "as what they join it")
    tenant_purge: float = _setting(_duration, 30 * 86400.0, "how long a deleted tenant can come back")
    allow_registration: bool = _setting(_flag, True, "agents register by their first message")

    def role_url(self, role: str) -> str:
        """The URL of one login role: its own setting, or DATABASE_URL with the user name replaced."""
        if self.database_url is None:
            raise ConfigError(f"{PREFIX}DATABASE_URL is not set")
        own = {
            "agent_monitor_alerter": self.database_alerter_url,
            "agent_monitor_doorman": self.database_doorman_url,
            "agent_monitor_owner": self.database_owner_url,
            "agent_monitor_backup": self.database_backup_url,
        }.get(role)
        return own or with_user(self.database_url, role)


def with_user(url: str, user: str) -> str:
    """The same URL for another user, with the same password."""
    parts = urlsplit(url)
    password = f":{parts.password}" if parts.password else ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}{password}@{host}"))


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment. Raises ConfigError with one line that names the variable at fault."""
    env = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for item in fields(Settings):
        name = PREFIX + item.name.upper()
        text = _read(env, name)
        if text is None:
            continue
        try:
            values[item.name] = item.metadata["parse"](text)
        except ValueError as fault:
            raise ConfigError(f"{name} is wrong: {fault}") from None
    return Settings(**values)


def file_of(name: str) -> Path | None:
    """The file that a setting is read from again and again, where one is named and no variable says the value."""
    path = os.environ.get(f"{PREFIX}{name}_FILE")
    return Path(path) if path is not None and PREFIX + name not in os.environ else None


def _read(env: Mapping[str, str], name: str) -> str | None:
    if name in env:
        return env[name]
    path = env.get(f"{name}_FILE")
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as fault:
        raise ConfigError(f"{name}_FILE cannot be read: {fault.strerror}") from None
