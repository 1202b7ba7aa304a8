"""Telling the alerter of news: a row of `touched`, in the transaction of what it speaks of, taken by the next tick."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.signals import Touch

_TELL = text("INSERT INTO touched (tenant_id, agent_ids, kinds) VALUES (:tenant_id, :agents, :kinds)")


async def tell(connection: AsyncConnection, tenant_id: UUID, agents: Iterable[UUID], kind: Touch) -> None:
    """There is news of this kind of these agents; nothing where there are none."""
    named = sorted(set(agents))
    if named:
        kinds = [int(kind)] * len(named)
        await connection.execute(_TELL, {"tenant_id": tenant_id, "agents": named, "kinds": kinds})
