"""Document 003: organizations with users and agents, their logs, and alerts on them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import live, planning, schedules
from monitor.agents.live import LogRow
from monitor.agents.tables import AgentType
from monitor.errors import InvalidInput
from monitor.identity.digests import digest
from monitor.identity.tables import ApiKey
from monitor.ids import microseconds, uuid7, uuid7_named, uuid7_time
from monitor.imports import agents, alerting, mend, people
from monitor.imports.into import Into, Step, mended
from monitor.imports.report import Report
from monitor.imports.source import Row, Source
from monitor.imports.writing import Writing, together
from monitor.pipeline import Pipeline
from monitor.principal import Scope

_STATUSES = {
    "success": "success", "completed": "success", "ok": "success", "error": "error", "failed": "error",
    "failure": "error", "warning": "warning",
}  # fmt: skip
_SHOWN = 8
"""Of a key that long enough ones show to be told apart."""


async def look(into: Into, source: Source) -> None:
    """Learn what is here, what types will be called, and who is a member of nothing."""
    await people.look(into, source, "organizations")
    taken: set[str] = set()
    for row in await source.rows("agent_types", "SELECT id, name FROM agent_types ORDER BY id"):
        plain = mend.slug(row["name"]) or "type"
        into.types[row["id"]] = plain if plain not in taken else f"{plain}-{row['id'].hex[:12]}"
        taken.add(plain)
    members = await source.rows("org_memberships", "SELECT user_id FROM org_memberships")
    into.members.update(row["user_id"] for row in members)
    await alerting.look(into)


async def _organizations(into: Into, rows: list[Row], report: Report) -> Writing:
    made = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        slug = people.slug_of(into, row["name"], row["id"], report, key)
        made.append({"id": row["id"], "slug": slug, "name": row["name"], **people.times(row, into)})
    return people.founded(into, made, report)


async def _users(into: Into, rows: list[Row], report: Report) -> Writing:
    """With their membership in the tenant that imports where they have none."""
    users, memberships = [], []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        if not people.addressed(row, report, key):
            del into.users[row["id"]]
            continue
        user_id, times = into.users[row["id"]], people.times(row, into)
        if user_id != row["id"]:
            report.note("a user of this address is here already and stays as it is", key)
        said = {name: row[name] for name in ("email", "name", "password_hash")}
        users.append({"id": user_id, **said, **times})
        if row["id"] not in into.members:
            role = people.role_of(row["role"], report, key)
            memberships.append({"tenant_id": into.tenant_id, "user_id": user_id, "role": role, **times})
    return people.joined(into, users, memberships, report)


async def _memberships(into: Into, rows: list[Row], report: Report) -> Writing:
    made = []
    for given in rows:
        key = f"{given['user_id']}/{given['org_id']}"
        row = mended(given, into, report, key)
        tenant_id = people.home(into, row["org_id"], report, key)
        if tenant_id is None or row["user_id"] not in into.users:
            report.note("left out: its user was left out", key)
            continue
        role = people.role_of(row["role"], report, key)
        made.append({"tenant_id": tenant_id, "user_id": into.users[row["user_id"]], "role": role})
    return people.joined(into, [], made, report)


async def _types(into: Into, rows: list[Row], report: Report) -> Writing:
    made = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        config, required = row["default_config"], row["required_params"]
        if not isinstance(config, dict | None) or not isinstance(required, list | None):
            report.note("left out: its configuration is no object, or what it requires no list", key)
            continue
        made.append(
            {
                "tenant_id": into.tenant_id,
                "id": row["id"],
                "slug": into.types[row["id"]],
                "name": row["name"],
                "description": row["description"],
                "default_config": config or {},
                "required_params": required or [],
                **people.times(row, into),
            }
        )
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(insert(AgentType).on_conflict_do_nothing(), made)

    return Writing(rows=write if made else None)


async def _agents(into: Into, rows: list[Row], report: Report) -> Writing:
    """By their id, as a name too; each with its key, which goes on working, and when it is due."""
    made: list[tuple[UUID, dict[str, Any]]] = []
    heard: dict[UUID, datetime] = {}
    keys = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        tenant_id = people.home(into, row["org_id"], report, key)
        if tenant_id is None:
            continue
        if row["id"] in into.homes:
            report.note("left out: an agent of this id is here already and stays as it is", key)
            continue
        into.homes[row["id"]] = tenant_id
        made.append((tenant_id, _agent(row, into, report, key)))
        if row["last_heartbeat"] is not None:
            heard[row["id"]] = row["last_heartbeat"]
        if given["api_key"]:
            keys.append(_key(tenant_id, row, given["api_key"], into))
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        for tenant_id, new in people.grouped(made).items():
            await agents.put(connection, tenant_id, new, heard)
            for one in new:
                if one["schedule"] is not None:
                    await planning.plan(connection, tenant_id, one["id"], one | {"timezone": "UTC"}, now=into.now)
        if keys:
            await connection.execute(insert(ApiKey).on_conflict_do_nothing(), keys)

    return Writing(rows=write if made else None)


def _agent(row: Row, into: Into, report: Report, key: str) -> dict[str, Any]:
    imported: dict[str, Any] = {}
    config = row["config"]
    if not isinstance(config, dict):
        report.note("a configuration that is no object stands in config.value", key)
        config = {"value": config}
    schedule, url = row["schedule"] or None, row["webhook_url"] or None
    if schedule is not None:
        try:
            schedules.parse(schedule, now=into.now)
        except InvalidInput:
            report.note("a schedule that cannot be read was left out; it stands in metadata.imported", key)
            imported["schedule"], schedule = schedule, None
    if url is not None and not url.startswith(("http://", "https://")):
        report.note("a webhook that is no URL was left out; it stands in metadata.imported", key)
        imported["webhook_url"], url = url, None
    return {
        "id": row["id"],
        "external_id": key,
        "name": row["name"],
        "agent_type": into.types.get(row["type_id"], "custom"),
        "status": agents.status_of(row["status"], report, key),
        "config": config,
        "metadata": {"imported": imported} if imported else {},
        "webhook_url": url,
        "schedule": schedule,
        "created_by": into.users.get(row["created_by"]),
        **people.times(row, into),
    }


def _key(tenant_id: UUID, row: Row, text: str, into: Into) -> dict[str, Any]:
    """Bound to the agent: only its digest is stored."""
    hashed = digest(text)
    times = people.times(row, into)
    return {
        "tenant_id": tenant_id,
        "id": uuid7(times["created_at"]),
        "agent_id": row["id"],
        "name": row["name"],
        "prefix": text[:_SHOWN] if len(text) >= 4 * _SHOWN else hashed[:_SHOWN],
        "key_hash": hashed,
        "scopes": [Scope.INGEST.value],
        "created_at": times["created_at"],
    }


async def _logs(into: Into, rows: list[Row], report: Report) -> Writing:
    made = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        if row["agent_id"] not in into.homes:
            report.note("left out: it belongs to no agent, or its agent was left out", key)
            continue
        made.append((into.homes[row["agent_id"]], _log(row, into, report, key)))
    report.kept += len(made)
    await into.cover(("agent_logs",), [uuid7_time(log.id) for _, log in made])
    return together([(tenant_id, _logged(tenant_id, logs)) for tenant_id, logs in people.grouped(made).items()])


def _logged(tenant_id: UUID, logs: list[LogRow]) -> Writing:
    async def write(pipeline: Pipeline) -> None:
        live.lock(pipeline, sorted({log.agent_id for log in logs}))
        live.write_logs(pipeline, tenant_id, logs)

    return Writing(piped=write)


def _log(row: Row, into: Into, report: Report, key: str) -> LogRow:
    details = row["details"]
    said: dict[str, Any] = details if isinstance(details, dict) else {} if details is None else {"value": details}
    status = _STATUSES.get(row["status"])
    if status is None:
        report.note(f"the status {row['status']!r} is not known here: imported as warning", key)
        said = {**said, "imported": {"status": row["status"]}}
    started, completed = row["started_at"], row["completed_at"]
    at = microseconds(started or completed or into.now)
    if started is None and completed is None:
        report.note("a log without a time has that of the import", key)
    return LogRow(
        row["agent_id"], uuid7_named(at, key), microseconds(into.now), _us(started), _us(completed), row["duration"],
        "execution", status or "warning", None, key, row["message"], msgspec.json.encode(said) if said else None,
    )  # fmt: skip


def _us(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


STEPS = (
    Step("organizations", ("id",), _organizations),
    Step("users", ("id",), _users),
    Step("org_memberships", ("user_id", "org_id"), _memberships),
    Step("agent_types", ("id",), _types),
    Step("agents", ("id",), _agents),
    Step("agent_logs", ("id",), _logs),
    Step("alert_configs", ("id",), alerting.rules),
    Step("alerts", ("id",), alerting.alerts),
)
LEFT_OUT: Mapping[str, str] = {}
