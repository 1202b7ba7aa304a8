"""What is compared: the finished tasks of an agent by version or model, read in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.ids import uuid7_floor, uuid7_time
from monitor.runs.compare import Finding, Metric, compare_shares, compare_values, percentile

NEWEST = 5_000
"""Tasks of each side whose values are looked at."""


@dataclass(frozen=True, slots=True)
class Side:
    """One version's or model's finished tasks. `values` has those of its newest tasks, by metric."""

    key: str
    tasks: int
    succeeded: int
    first_seen_at: datetime
    last_seen_at: datetime
    values: dict[Metric, Sequence[float]]

    def percentile(self, share: float) -> float | None:
        """Of the durations."""
        durations = self.values[Metric.DURATION]
        return percentile(np.sort(np.asarray(durations, np.float64)), share) if durations else None

    def mean(self, metric: Metric) -> float | None:
        """What a task comes to."""
        values = self.values[metric]
        return sum(values) / len(values) if values else None


_COLUMNS = {"version": "t.agent_version", "model": "t.model"}
_SIDES = """
    WITH finished AS (
        SELECT {column} AS key, t.id, t.status, t.duration_ms, t.tokens_used, t.cost_usd,
               row_number() OVER (PARTITION BY {column} ORDER BY t.id DESC) AS place
        FROM tasks t
        WHERE t.tenant_id = :tenant_id AND t.agent_id = :agent_id AND t.id >= :low AND {column} IS NOT NULL
          AND t.status IN ('completed', 'failed')
          AND (CAST(:environment AS text) IS NULL OR t.environment = :environment)
    )
    SELECT key, count(*) AS tasks, count(*) FILTER (WHERE status = 'completed') AS succeeded,
           (array_agg(id ORDER BY id))[1] AS first_id, (array_agg(id ORDER BY id DESC))[1] AS last_id,
           array_agg(CAST(duration_ms AS double precision))
               FILTER (WHERE place <= :newest AND status = 'completed' AND duration_ms IS NOT NULL) AS durations,
           array_agg(CAST(tokens_used AS double precision)) FILTER (WHERE place <= :newest) AS tokens,
           array_agg(CAST(cost_usd AS double precision)) FILTER (WHERE place <= :newest) AS costs
    FROM finished GROUP BY key ORDER BY first_id DESC LIMIT :limit
"""


async def read_sides(
    connection: AsyncConnection,
    tenant_id: UUID,
    agent_id: UUID,
    *,
    by: Literal["version", "model"],
    since: datetime,
    limit: int,
    environment: str | None = None,
) -> list[Side]:
    """The newest `limit` versions or models by when they were seen first, newest first."""
    values = {
        "tenant_id": tenant_id, "agent_id": agent_id, "low": uuid7_floor(since), "environment": environment,
        "newest": NEWEST, "limit": limit,
    }  # fmt: skip
    rows = await connection.execute(text(_SIDES.format(column=_COLUMNS[by])), values)
    return [
        Side(
            row.key, row.tasks, row.succeeded, uuid7_time(row.first_id), uuid7_time(row.last_id),
            {Metric.DURATION: row.durations or [], Metric.TOKENS: row.tokens or [], Metric.COST: row.costs or []},
        )
        for row in rows
    ]  # fmt: skip


def compare(before: Side, after: Side, metric: Metric, *, floor: int) -> Finding:
    """How one differs from the one before."""
    if metric is Metric.SUCCESS_RATE:
        return compare_shares((before.succeeded, before.tasks), (after.succeeded, after.tasks), floor=floor)
    return compare_values(before.values[metric], after.values[metric], floor=floor)
