"""Usage by month: a materialised view, made anew a few times a day, of which a tenant reads its own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database

_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('usage months', 0))")
_FILLED = text("SELECT relispopulated FROM pg_class WHERE oid = 'usage_months'::regclass")
_READ = text("""
    SELECT m.month, coalesce(a.external_id, m.agent_id::text) AS agent, nullif(m.model, '') AS model,
           nullif(m.provider, '') AS provider, m.calls, m.failed, m.unpriced, m.input_tokens, m.output_tokens,
           m.cost_usd
    FROM usage_by_month m LEFT JOIN agents a ON a.tenant_id = m.tenant_id AND a.id = m.agent_id
    WHERE m.month >= :start AND m.month < :end ORDER BY 1, 2, 3, 4 LIMIT :at_most
""")


async def refresh(db: Database) -> bool:
    """Make the view anew, without those waiting who read it meanwhile; False where another process does."""
    async with db.owner() as owner:
        if not (await owner.execute(_ALONE)).scalar():
            return False
        how = "CONCURRENTLY " if (await owner.execute(_FILLED)).scalar() else ""
        await owner.execute(text(f"REFRESH MATERIALIZED VIEW {how}usage_months"))
    return True


async def read(connection: AsyncConnection, *, start: datetime, end: datetime, at_most: int) -> list[Mapping[str, Any]]:
    """The tenant's months that begin in [start, end), by agent, model and provider; none before the first refresh."""
    if not (await connection.execute(_FILLED)).scalar():
        return []
    given = {"start": start, "end": end, "at_most": at_most}
    return [dict(row) for row in (await connection.execute(_READ, given)).mappings()]
