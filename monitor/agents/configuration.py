"""Values that an agent is configured with, by key."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.tables import AgentConfiguration

_COLUMNS = [column for column in AgentConfiguration.__table__.columns if column.name not in ("tenant_id", "agent_id")]


def _where(tenant_id: UUID, agent_id: UUID) -> tuple[Any, Any]:
    return AgentConfiguration.tenant_id == tenant_id, AgentConfiguration.agent_id == agent_id


async def list_values(connection: AsyncConnection, tenant_id: UUID, agent_id: UUID) -> list[dict[str, Any]]:
    """All of an agent's by key."""
    query = select(*_COLUMNS).where(*_where(tenant_id, agent_id)).order_by(AgentConfiguration.key)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def find_value(connection: AsyncConnection, tenant_id: UUID, agent_id: UUID, key: str) -> dict[str, Any] | None:
    """One value, if the key has one."""
    query = select(*_COLUMNS).where(*_where(tenant_id, agent_id), AgentConfiguration.key == key)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else dict(row)


async def put_value(
    connection: AsyncConnection, tenant_id: UUID, agent_id: UUID, key: str, values: Mapping[str, Any], *, new: bool
) -> None:
    """Set a key. The caller holds the agent's row and knows whether the key is `new`."""
    if new:
        given = {"tenant_id": tenant_id, "agent_id": agent_id, "key": key, **values}
        await connection.execute(insert(AgentConfiguration).values(given))
        return
    changed = update(AgentConfiguration).where(*_where(tenant_id, agent_id), AgentConfiguration.key == key)
    await connection.execute(changed.values(dict(values)))


async def delete_value(connection: AsyncConnection, tenant_id: UUID, agent_id: UUID, key: str) -> None:
    """Take a key away."""
    await connection.execute(
        delete(AgentConfiguration).where(*_where(tenant_id, agent_id), AgentConfiguration.key == key)
    )
