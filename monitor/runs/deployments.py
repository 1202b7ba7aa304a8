"""Deploy markers: told by people and pipelines, or seen, when a task names a version for the first time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.ids import uuid7

TOLD, SEEN = "told", "seen"


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    """A version that went out. Without an agent it is everybody's."""

    id: UUID
    agent: str | None
    version: str
    environment: str
    source: str
    description: str | None
    url: str | None
    created_by: str | None
    at: datetime


# Tasks that have no marker yet, among those that are told. A version that somebody told is not seen as well.
_NEW = text("""
    SELECT t.tenant_id, t.agent_id, t.agent_version AS version, coalesce(t.environment, '') AS environment,
           min(coalesce(t.started_at, t.created_at)) AS at
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS w (tenant_id, id)
    JOIN tasks t ON t.tenant_id = w.tenant_id AND t.id = w.id
    WHERE t.agent_version IS NOT NULL AND NOT EXISTS (
        SELECT FROM deployments d
        WHERE d.tenant_id = t.tenant_id AND d.agent_id = t.agent_id AND d.version = t.agent_version
          AND d.environment = coalesce(t.environment, ''))
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
""")
_SEE = text("""
    INSERT INTO deployments (tenant_id, id, agent_id, version, environment, source, at)
    VALUES (:tenant_id, :id, :agent_id, :version, :environment, 'seen', :at)
    ON CONFLICT (tenant_id, agent_id, version, environment) WHERE source = 'seen' DO NOTHING
""")
# Whoever tells of a version that was seen before knows more of it: one marker, not two.
_TELL = text("""
    UPDATE deployments SET source = 'told', description = :description, url = :url, created_by = :created_by, at = :at
    WHERE tenant_id = :tenant_id AND agent_id = :agent_id AND version = :version AND environment = :environment
      AND source = 'seen'
    RETURNING id
""")
_INSERT = text("""
    INSERT INTO deployments (tenant_id, id, agent_id, version, environment, source, description, url, created_by, at)
    VALUES (:tenant_id, :id, :agent_id, :version, :environment, 'told', :description, :url, :created_by, :at)
""")
_ROWS = """
    SELECT d.id, a.external_id AS agent, d.version, d.environment, d.source, d.description, d.url, d.created_by, d.at
    FROM deployments d LEFT JOIN agents a ON a.tenant_id = d.tenant_id AND a.id = d.agent_id
    WHERE d.tenant_id = :tenant_id
"""


async def see(connection: AsyncConnection, tasks: Iterable[tuple[UUID, UUID]], now: datetime) -> None:
    """Mark the versions of these tasks (tenant, id) that have no marker yet, in the alerter's transaction."""
    keys = sorted(set(tasks))
    if not keys:
        return
    values = {"tenants": [key[0] for key in keys], "ids": [key[1] for key in keys]}
    new = [{**row, "id": uuid7(now)} for row in (await connection.execute(_NEW, values)).mappings()]
    if new:
        await connection.execute(_SEE, new)


async def tell(connection: AsyncConnection, tenant_id: UUID, values: dict[str, Any], *, now: datetime) -> UUID:
    """Keep a marker that somebody told, in the place of the one that was seen where there is one; returns its id."""
    given = values | {"tenant_id": tenant_id}
    if values["agent_id"] is not None:
        seen: UUID | None = (await connection.execute(_TELL, given)).scalar()
        if seen is not None:
            return seen
    made = uuid7(now)
    await connection.execute(_INSERT, given | {"id": made})
    return made


async def get_deployment(connection: AsyncConnection, tenant_id: UUID, deployment_id: UUID) -> DeploymentRow:
    """One marker that is known to be there."""
    query = text(f"{_ROWS} AND d.id = :id")
    row = (await connection.execute(query, {"tenant_id": tenant_id, "id": deployment_id})).mappings().one()
    return DeploymentRow(**row)


async def list_deployments(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    limit: int,
    agent_id: UUID | None = None,
    before: tuple[datetime, UUID] | None = None,
) -> list[DeploymentRow]:
    """`limit + 1` markers, newest first: of one agent with everybody's, or all."""
    values: dict[str, Any] = {"tenant_id": tenant_id, "limit": limit + 1}
    sql = _ROWS
    if agent_id is not None:
        sql += " AND (d.agent_id = :agent_id OR d.agent_id IS NULL)"
        values["agent_id"] = agent_id
    if before is not None:
        sql += " AND (d.at, d.id) < (:before_at, :before_id)"
        values |= {"before_at": before[0], "before_id": before[1]}
    rows = await connection.execute(text(f"{sql} ORDER BY d.at DESC, d.id DESC LIMIT :limit"), values)
    return [DeploymentRow(**row) for row in rows.mappings()]
