"""What calls of models come to, as points that rules and charts read: `cost_usd` and `tokens` of an agent, by model."""

from uuid import UUID

import structlog
from sqlalchemy import select

from monitor.agents.tables import Agent
from monitor.ids import microseconds
from monitor.ingest.payloads import MetricIn
from monitor.ingest.service import Ingest
from monitor.principal import Principal
from monitor.series.store import Kind
from monitor.usage.ledger import Posted
from monitor.usage.points import COST, points_of

_log = structlog.get_logger(__name__)


async def keep_spending(ingest: Ingest, principal: Principal, posted: Posted) -> None:
    """Count their tokens, and write the points of calls that came, changed or went; the same call again writes the
    same points again.

    Calls from before the oldest points that are kept have none.
    """
    window, tenant_id = ingest.window(), principal.tenant_id
    ingest.meter.spent(tenant_id, posted)
    points = [point for point in points_of(posted) if window.oldest_us <= microseconds(point.at) <= window.newest_us]
    if not points:
        return
    query = select(Agent.id, Agent.external_id).where(Agent.id.in_({point.agent_id for point in points}))
    async with ingest.deps.db.tenant(tenant_id) as connection:
        names: dict[UUID, str] = {row.id: row.external_id for row in await connection.execute(query)}
    rows = [
        MetricIn(
            agent=names[point.agent_id],
            metric=point.metric,
            value=point.value,
            unit="USD" if point.metric == COST else "tokens",
            kind=Kind.DELTA.value,
            timestamp=point.at.isoformat(),
            tags=None if point.model is None else {"model": point.model},
        )
        for point in points
        if point.agent_id in names
    ]
    outcome = await ingest.accept_metrics(principal, rows)
    if outcome.rejected:
        _log.warning(
            "calls without points", tenant=str(tenant_id), calls=len(outcome.rejected), error=outcome.rejected[0][1]
        )
