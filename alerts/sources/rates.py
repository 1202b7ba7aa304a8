"""Shares of executions, counted over windows: as they are, and against what an objective allows."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from alerts.core.condition import BurnRateLeaf, RateLeaf
from alerts.core.duration import format_duration
from alerts.core.reading import Reading
from alerts.core.wording import number
from alerts.sources.base import Batch, Shape, Source
from monitor.ids import uuid7_floor, uuid7_time

# No upper bound: an agent whose clock is ahead of ours by less than ingest allows is heard all the same.
_RATES = text("""
    SELECT d.tenant_id, d.agent_id, f.*
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS rows, count(*) FILTER (WHERE l.status = 'error') AS error,
               count(*) FILTER (WHERE l.status = 'warning') AS warning,
               count(*) FILTER (WHERE l.status = 'success') AS success, max(l.id::text) AS newest
        FROM agent_logs l
        WHERE l.tenant_id = d.tenant_id AND l.agent_id = d.agent_id AND l.id >= :floor AND l.kind = 'execution'
    ) AS f
""")
_BURNS = text("""
    SELECT d.tenant_id, d.agent_id, f.*
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS long_rows, count(*) FILTER (WHERE l.id >= :short_floor) AS short_rows,
               count(*) FILTER (WHERE l.status = :status) AS long_bad,
               count(*) FILTER (WHERE l.status = :status AND l.id >= :short_floor) AS short_bad,
               max(l.id::text) AS newest
        FROM agent_logs l
        WHERE l.tenant_id = d.tenant_id AND l.agent_id = d.agent_id AND l.id >= :floor AND l.kind = 'execution'
    ) AS f
""")


async def _read(batch: Batch[RateLeaf]) -> None:
    given = batch.agents | {"floor": uuid7_floor(batch.now - batch.leaf.window)}
    for row in await batch.rows(_RATES, given):
        agent = (row.tenant_id, row.agent_id)
        for leaf in batch.by_agent[agent]:
            if row.rows:
                share = getattr(row, leaf.rate.value) / row.rows
                batch.facts.sets[leaf, agent][()] = Reading(share, row.rows, uuid7_time(UUID(row.newest)))


async def _read_burns(batch: Batch[BurnRateLeaf]) -> None:
    leaf = batch.leaf
    given = batch.agents | {
        "status": leaf.burn_rate.value,
        "floor": uuid7_floor(batch.now - leaf.long),
        "short_floor": uuid7_floor(batch.now - leaf.short),
    }
    for row in await batch.rows(_BURNS, given):
        if row.long_rows:
            for each in batch.by_agent[row.tenant_id, row.agent_id]:
                long, short = (row.long_rows, row.long_bad), (row.short_rows, row.short_bad)
                reading = burning(each, long, short, uuid7_time(UUID(row.newest)))
                batch.facts.sets[each, (row.tenant_id, row.agent_id)][()] = reading


def burning(leaf: BurnRateLeaf, in_long: tuple[int, int], in_short: tuple[int, int], last_at: datetime) -> Reading:
    """The reading of two windows, each as (its executions, the bad ones among them); there are some in the long one.

    Both burn as fast as the slower one does; what the short one does is not known while it is empty.
    """
    allowed = 1 - leaf.objective
    long = in_long[1] / in_long[0] / allowed
    short = in_short[1] / in_short[0] / allowed if in_short[0] else None
    said = [
        f"{'nothing' if burn is None else f'{number(round(burn, 2))} times'} over {format_duration(window)}"
        for burn, window in ((long, leaf.long), (short, leaf.short))
    ]
    value: float | None = long
    if short is not None:
        value = min(long, short)
    elif long > leaf.factor:
        value = None
    return Reading(value, in_long[0], last_at, note=", ".join(said))


def _shape_of_burns(leaf: BurnRateLeaf) -> Shape:
    return (BurnRateLeaf, leaf.burn_rate, leaf.long, leaf.short)


def _shape(leaf: RateLeaf) -> Shape:
    return (RateLeaf, leaf.window)


SOURCE = Source(_shape, _read)
BURNS = Source(_shape_of_burns, _read_burns)
