"""Document 003: organizations with users and agents, their logs, and alerts on them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import live, schedules
from monitor.agents.live import LogRow
from monitor.agents.tables import AgentType
from monitor.errors import InvalidInput
from monitor.identity.tables import ApiKey
from monitor.ids import microseconds, uuid7_named, uuid7_time
from monitor.imports import agents, alerting, keys, mend, people
from monitor.imports.given import Given, LeftOut
from monitor.imports.into import Into
from monitor.imports.report import Report
from monitor.imports.source import Source
from monitor.imports.step import Made, Step, Values, row, rows_of, same, store
from monitor.imports.writing import Writing, by_tenant, together
from monitor.pipeline import Pipeline
from monitor.principal import Scope

_STATUSES = {
    "success": "success", "completed": "success", "ok": "success", "error": "error", "failed": "error",
    "failure": "error", "warning": "warning",
}  # fmt: skip


async def look(into: Into, source: Source) -> None:
    """Learn what is here, what types will be called, who is a member of nothing, and which alerts go on."""
    await people.look(into, source, "organizations")
    taken: set[str] = set()
    for one in await source.rows("agent_types", "SELECT id, name FROM agent_types ORDER BY id"):
        plain = mend.slug(one["name"]) or "type"
        into.types[one["id"]] = plain if plain not in taken else f"{plain}-{one['id'].hex[:12]}"
        taken.add(plain)
    members = await source.rows("org_memberships", "SELECT user_id FROM org_memberships")
    into.members.update(one["user_id"] for one in members)
    await alerting.look(into, source)


def _user(given: Given) -> tuple[Values, Values | None]:
    """With their membership in the tenant that imports where they have none."""
    user = people.user(given) | {"name": given["name"]}
    if given["id"] in given.into.members:
        return user, None
    return user, {"user_id": user["id"], "role": people.role(given), **given.times()}


def _membership(given: Given) -> tuple[None, Values]:
    given.belong("org_id")
    user_id = given.user("user_id")
    if user_id is None:
        raise LeftOut("its user was left out")
    return None, {"user_id": user_id, "role": people.role(given)}


def _of(kind: type[Any], column: str) -> Any:
    """An object or a list, empty where there is none. Raises LeftOut for anything else."""

    def made(given: Given) -> Any:
        said = given[column]
        if not isinstance(said, kind | None):
            raise LeftOut(f"{column} is none that can be")
        return said or kind()

    return made


def _agent(given: Given) -> Values:
    """By its id, as a name too."""
    given.belong("org_id")
    return agents.numbered(given, given.key)


def _schedule(given: Given) -> str | None:
    said = given["schedule"] or None
    if said is not None:
        try:
            schedules.parse(said, now=given.into.now)
        except InvalidInput:
            given.keep("schedule", "a schedule that cannot be read was left out")
            return None
    return said


def _webhook(given: Given) -> str | None:
    url = given["webhook_url"] or None
    if url is not None and not url.startswith(("http://", "https://")):
        given.keep("webhook_url", "a webhook that is no URL was left out")
        return None
    return url


def _with_key(given: Given) -> Values:
    """An agent, and its key, which goes on working and is bound to it."""
    made: Values = _AGENT(given)
    if not given["api_key"]:
        return made | {"key": None}
    key = keys.of(given["api_key"], given.times()["created_at"])
    return made | {"key": {**key, "agent_id": given["id"], "name": given["name"], "scopes": [Scope.INGEST.value]}}


async def _put_agents(into: Into, made: Made[Values], report: Report) -> Writing:
    bound = [{"tenant_id": tenant_id, **key} for tenant_id, values in made if (key := values.pop("key")) is not None]
    agents_put = (await agents.put(into, made, report)).rows

    async def write(connection: AsyncConnection) -> None:
        if agents_put is not None:
            await agents_put(connection)
        await store(connection, ApiKey, bound)

    return Writing(rows=write if made else None)


def _log(given: Given) -> LogRow:
    """A run of an agent, under an id that is made of its time and its source's."""
    agent_id = given["agent_id"]
    if agent_id not in given.into.homes:
        raise LeftOut("it belongs to no agent, or its agent was left out")
    given.tenant_id = given.into.homes[agent_id]
    status = given.word("status", _STATUSES, "warning")
    started, completed = given["started_at"], given["completed_at"]
    if started is None and completed is None:
        given.note("a log without a time has that of the import")
    at, said = microseconds(started or completed or given.into.now), alerting.details(given)
    return LogRow(
        agent_id, uuid7_named(at, given.key), microseconds(given.into.now), _us(started), _us(completed),
        given["duration"], "execution", status, None, given.key, given["message"],
        msgspec.json.encode(said) if said else None,
    )  # fmt: skip


def _us(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


async def _put_logs(into: Into, made: Made[LogRow], report: Report) -> Writing:
    report.kept += len(made)
    await into.cover(("agent_logs",), [uuid7_time(log.id) for _, log in made])
    return together([(tenant_id, _logged(tenant_id, logs)) for tenant_id, logs in by_tenant(made).items()])


def _logged(tenant_id: UUID, logs: Sequence[LogRow]) -> Writing:
    async def write(pipeline: Pipeline) -> None:
        live.lock(pipeline, sorted({log.agent_id for log in logs}))
        live.write_logs(pipeline, tenant_id, logs)

    return Writing(piped=write)


_TIMES = {name: lambda given, name=name: given.times()[name] for name in ("created_at", "updated_at")}
_AGENT = agents.columns(_agent, {
    "agent_type": lambda given: given.into.types.get(given["type_id"], "custom"),
    "status": agents.status,
    "config": lambda given: given.object("config"),
    "webhook_url": _webhook,
    "schedule": _schedule,
    "created_by": lambda given: given.user("created_by"),
    "last_heartbeat": "last_heartbeat",
    "metadata": Given.metadata,
})  # fmt: skip
STEPS = (
    Step("organizations", row({**same("id", "name"), "slug": people.slug("name"), **_TIMES}), people.put_tenants),
    Step("users", _user, people.put_users),
    Step("org_memberships", _membership, people.put_users, key=("user_id", "org_id")),
    Step("agent_types", row({
        **same("id", "name", "description"),
        "slug": lambda given: given.into.types[given["id"]],
        "default_config": _of(dict, "default_config"),
        "required_params": _of(list, "required_params"),
        **_TIMES,
    }), rows_of(AgentType)),
    Step("agents", _with_key, _put_agents),
    Step("agent_logs", _log, _put_logs),
    Step("alert_configs", alerting.rule, alerting.put_rules),
    Step("alerts", alerting.alert, alerting.put_alerts),
)  # fmt: skip
LEFT_OUT: dict[str, str] = {}
NOT_READ: dict[str, str] = {}
