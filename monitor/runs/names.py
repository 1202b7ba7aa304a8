"""Callers' own ids of runs: any text, once in a tenant and kind of run. The same id is the same run.

A run may point to another that has not been told of yet: its id is set aside, and whoever tells of it later gets that.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.ids import uuid7


class RunKind(StrEnum):
    """What may be called by a name."""

    TASK = "task"
    EXECUTION = "execution"
    TOOL = "tool"
    INTERACTION = "interaction"


TABLES = {
    RunKind.TASK: "tasks",
    RunKind.EXECUTION: "workflow_executions",
    RunKind.TOOL: "tool_executions",
    RunKind.INTERACTION: "agent_interactions",
}
_FIND = text("""
    SELECT external_id, id FROM run_names WHERE tenant_id = :tenant AND kind = :kind AND external_id = ANY (:names)
""")
# In one order for all, so that two who set the same names aside wait for each other once at most.
_RESERVE = text("""
    INSERT INTO run_names (tenant_id, kind, external_id, id)
    SELECT :tenant, :kind, n.name, n.id FROM unnest(CAST(:names AS text[]), CAST(:ids AS uuid[])) AS n (name, id)
    ORDER BY n.name ON CONFLICT DO NOTHING
""")
_HOLD = text("""
    SELECT 1 FROM run_names WHERE tenant_id = :tenant AND kind = :kind AND external_id = ANY (:names)
    ORDER BY external_id FOR UPDATE
""")
_NAMES = text("SELECT id, external_id FROM run_names WHERE tenant_id = :tenant AND id = ANY (:ids)")


async def find(connection: AsyncConnection, tenant_id: UUID, kind: RunKind, names: Collection[str]) -> dict[str, UUID]:
    """Ids by what callers call them, or by the ids as we gave them out; those that nobody knows are left out."""
    if not names:
        return {}
    given = {"tenant": tenant_id, "kind": kind, "names": list(names)}
    known: dict[str, UUID] = {row.external_id: row.id for row in await connection.execute(_FIND, given)}
    spelled = {name: made for name in names if name not in known and (made := _uuid(name)) is not None}
    if spelled:
        query = text(f"SELECT id FROM {TABLES[kind]} WHERE tenant_id = :tenant AND id = ANY (:ids)")
        found = await connection.execute(query, {"tenant": tenant_id, "ids": list(spelled.values())})
        there = set(found.scalars())
        known |= {name: made for name, made in spelled.items() if made in there}
    return known


async def resolve(
    connection: AsyncConnection, tenant_id: UUID, kind: RunKind, names: Mapping[str, datetime]
) -> dict[str, UUID]:
    """As `find`; names that nobody knows yet are set aside, for runs that began at these times."""
    known = await find(connection, tenant_id, kind, names.keys())
    new = sorted(names.keys() - known.keys())
    if new:
        ids = [uuid7(names[name]) for name in new]
        given = {"tenant": tenant_id, "kind": kind, "names": new, "ids": ids}
        await connection.execute(_RESERVE, given)
        # Another may have been faster: then its ids hold.
        known |= {row.external_id: row.id for row in await connection.execute(_FIND, given | {"names": new})}
    return known


async def hold(connection: AsyncConnection, tenant_id: UUID, kind: RunKind, names: Collection[str]) -> None:
    """Until the end of the transaction nobody else tells of these runs, of which there may be no row yet to hold."""
    if names:
        await connection.execute(_HOLD, {"tenant": tenant_id, "kind": kind, "names": list(names)})


async def names_of(connection: AsyncConnection, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, str]:
    """What callers call these runs."""
    if not ids:
        return {}
    found = await connection.execute(_NAMES, {"tenant": tenant_id, "ids": list(ids)})
    return {row.id: row.external_id for row in found}


def _uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None
