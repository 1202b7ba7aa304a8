"""Versions of an agent's settings: which settings make one, what each was, and since when."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.tables import Agent, AgentVersion
from monitor.errors import NotFound

SETTINGS = (
    "role", "backstory", "model_provider", "model", "temperature", "max_tokens", "system_prompt", "tools",
    "capabilities", "config", "timeout_seconds", "max_iterations", "memory_enabled",
)  # fmt: skip
"""A change of one of these is a new version: what ran before ran otherwise."""
UNKNOWN = "unknown"
"""Who made the first version of an agent that registered itself."""


async def lock_agent(connection: AsyncConnection, tenant_id: UUID, agent_id: UUID) -> dict[str, Any]:
    """The agent's whole row, which nobody else changes until the end of the transaction."""
    query = select(*Agent.__table__.columns).where(Agent.tenant_id == tenant_id, Agent.id == agent_id)
    found = await connection.execute(query.with_for_update(key_share=True))
    return dict(found.mappings().one())


async def read_agent(connection: AsyncConnection, tenant_id: UUID, agent_id: UUID) -> dict[str, Any]:
    """The agent's whole row."""
    query = select(*Agent.__table__.columns).where(Agent.tenant_id == tenant_id, Agent.id == agent_id)
    return dict((await connection.execute(query)).mappings().one())


def settings_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a version holds."""
    return {name: row[name] for name in SETTINGS}


def next_version(row: Mapping[str, Any], values: Mapping[str, Any]) -> int | None:
    """The number of the version that a change of a row makes; None where it makes none."""
    changes = any(values[name] != row[name] for name in SETTINGS if name in values)
    number: int = row["settings_version"]
    return number + 1 if changes else None


async def keep_versions(
    connection: AsyncConnection, before: Mapping[str, Any], values: Mapping[str, Any], *, by: str
) -> None:
    """Keep what a change of an agent's row, which the caller holds, makes of its settings, and what they were."""
    tenant_id, agent_id = before["tenant_id"], before["id"]
    created_by = before["created_by"]
    first = {
        "tenant_id": tenant_id, "agent_id": agent_id, "version": before["settings_version"],
        "settings": settings_of(before), "changed_by": UNKNOWN if created_by is None else f"user:{created_by}",
        "changed_at": before["created_at"],
    }  # fmt: skip
    # Only the first one is not there yet.
    await connection.execute(upsert(AgentVersion).values(first).on_conflict_do_nothing())
    made = {
        "tenant_id": tenant_id, "agent_id": agent_id, "version": values["settings_version"],
        "settings": settings_of({**before, **values}), "changed_by": by,
    }  # fmt: skip
    await connection.execute(upsert(AgentVersion).values(made))


async def list_versions(
    connection: AsyncConnection, tenant_id: UUID, agent_id: UUID, *, limit: int, before: int | None = None
) -> list[dict[str, Any]]:
    """`limit + 1` versions, newest first, older than `before`. Settings that never changed have one."""
    query = (
        select(AgentVersion.version, AgentVersion.settings, AgentVersion.changed_by, AgentVersion.changed_at)
        .where(AgentVersion.tenant_id == tenant_id, AgentVersion.agent_id == agent_id)
        .order_by(AgentVersion.version.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(AgentVersion.version < before)
    found = [dict(row) for row in (await connection.execute(query)).mappings()]
    if found or before is not None:
        return found
    row = await read_agent(connection, tenant_id, agent_id)
    by = UNKNOWN if row["created_by"] is None else f"user:{row['created_by']}"
    return [{"version": 1, "settings": settings_of(row), "changed_by": by, "changed_at": row["created_at"]}]


async def get_settings(connection: AsyncConnection, tenant_id: UUID, agent_id: UUID, version: int) -> dict[str, Any]:
    """The settings of a version. Raises NotFound."""
    query = select(AgentVersion.settings).where(
        AgentVersion.tenant_id == tenant_id, AgentVersion.agent_id == agent_id, AgentVersion.version == version
    )
    found = (await connection.execute(query)).scalar_one_or_none()
    if found is None:
        raise NotFound("there is no such version")
    return dict(found)
