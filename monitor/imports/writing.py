"""How a batch is written: by statements of a connection, or by a pipeline, as logs and points are."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.pipeline import SET_TENANT, Pipeline

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Writing:
    """One of the two, and neither where nothing of a batch is kept."""

    rows: Callable[[AsyncConnection], Awaitable[None]] | None = None
    piped: Callable[[Pipeline], Awaitable[None]] | None = None


def together(parts: Sequence[tuple[UUID, Writing]]) -> Writing:
    """What is written of several tenants, one after the other; all of it in the same way."""
    rows = [part.rows for _, part in parts if part.rows is not None]
    piped = [(tenant_id, part.piped) for tenant_id, part in parts if part.piped is not None]

    async def by_rows(connection: AsyncConnection) -> None:
        for write in rows:
            await write(connection)

    async def by_pipeline(pipeline: Pipeline) -> None:
        for tenant_id, write in piped:
            pipeline.add(SET_TENANT, tenant=str(tenant_id))
            await write(pipeline)

    return Writing(rows=by_rows if rows else None, piped=by_pipeline if piped else None)


def by_tenant(rows: Sequence[tuple[UUID, T]]) -> Mapping[UUID, list[T]]:
    """In the order of the tenants' ids, each tenant's in the order given."""
    made: dict[UUID, list[T]] = {tenant_id: [] for tenant_id in sorted({tenant_id for tenant_id, _ in rows})}
    for tenant_id, one in rows:
        made[tenant_id].append(one)
    return made
