"""What an agent takes from its type, and when it is due: checked and kept where people set it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.wording import is_link
from monitor.agents import schedules
from monitor.agents.tables import AgentSchedule, AgentType
from monitor.errors import InvalidInput
from monitor.http.outbound import Allowed, Refused, check_url
from monitor.ids import PLATFORM_TENANT

_DEPTH = 20


async def config_of(
    connection: AsyncConnection, tenant_id: UUID, agent_type: str, own: Mapping[str, Any]
) -> dict[str, Any]:
    """An agent's configuration: its own over its type's defaults.

    Raises InvalidInput that names each parameter which the type requires and neither of them has.
    """
    query = (
        select(AgentType.default_config, AgentType.required_params)
        .where(AgentType.tenant_id.in_([tenant_id, PLATFORM_TENANT]), AgentType.slug == agent_type)
        # The tenant's own type of a name goes before the predefined one.
        .order_by(AgentType.tenant_id == PLATFORM_TENANT)
        .limit(1)
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return dict(own)
    config = merged(row.default_config, own)
    absent = [f"config.{path}" for path in missing(row.required_params, config)]
    if absent:
        faults = [{"path": path, "error": f"is required by the agent type {agent_type}"} for path in absent]
        raise InvalidInput(
            f"the agent type {agent_type} requires {', '.join(absent)}", path=absent[0], faults=tuple(faults)
        )
    return config


def merged(under: Mapping[str, Any], over: Mapping[str, Any], *, depth: int = 1) -> dict[str, Any]:
    """`over` laid over `under`, object by object; any other value replaces the one below."""
    made = dict(under)
    for name, value in over.items():
        below = made.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping) and depth < _DEPTH:
            made[name] = merged(below, value, depth=depth + 1)
        else:
            made[name] = value
    return made


def missing(required: list[Any], config: Mapping[str, Any]) -> Iterator[str]:
    """The paths (`model`, `limits.tokens`) that are required and not there, or null.

    A required parameter is a path, or an object that has it as `name`.
    """
    for entry in required:
        path = entry.get("name") if isinstance(entry, Mapping) else entry
        if not isinstance(path, str) or not path:
            continue
        value: Any = config
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None:
            yield path


def check_webhook(url: str, allowed: Allowed) -> None:
    """Raise InvalidInput for an address that will never be called. A name is looked up when it is."""
    if not is_link(url):
        raise InvalidInput("a URL that starts with http:// or https:// is expected", path="webhook_url")
    try:
        check_url(url, allowed)
    except Refused as refused:
        raise InvalidInput(str(refused), path="webhook_url") from None


def check_schedule(values: Mapping[str, Any], *, now: datetime) -> None:
    """Raise InvalidInput unless the schedule and the time zone in an agent's values can be."""
    cron, timezone = values.get("schedule"), values.get("timezone")
    if cron is not None or timezone is not None:
        schedules.parse("* * * * *" if cron is None else cron, "UTC" if timezone is None else timezone, now=now)


async def plan(
    connection: AsyncConnection, tenant_id: UUID, agent_id: UUID, values: Mapping[str, Any], *, now: datetime
) -> None:
    """Keep when an agent with these values (its schedule, time zone, status, ends) is due next."""
    if values["schedule"] is None or values.get("deleted_at") is not None:
        where = AgentSchedule.tenant_id == tenant_id, AgentSchedule.agent_id == agent_id
        await connection.execute(delete(AgentSchedule).where(*where))
        return
    row = {"since": now, "next_run_at": next_run(values, now=now)}
    made = upsert(AgentSchedule).values(tenant_id=tenant_id, agent_id=agent_id, **row)
    await connection.execute(made.on_conflict_do_update(index_elements=["tenant_id", "agent_id"], set_=row))


def next_run(values: Mapping[str, Any], *, now: datetime) -> datetime | None:
    """When an agent with these values, which have a schedule, is due next; None while it is not active."""
    active = values["status"] == "active" and values.get("retired_at") is None
    return schedules.stored(values["schedule"], values["timezone"]).after(now) if active else None
