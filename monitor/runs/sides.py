"""What is compared: the finished tasks of agents by version or model, read in one statement."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.ids import uuid7_floor, uuid7_time
from monitor.runs.compare import Finding, Metric, compare_shares, compare_values, median, percentile

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
        SELECT t.tenant_id, t.agent_id, {column} AS key, t.id, t.status, t.duration_ms, t.tokens_used, t.cost_usd,
               row_number() OVER (PARTITION BY t.tenant_id, t.agent_id, {column} ORDER BY t.id DESC) AS place
        FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
        JOIN tasks t ON t.tenant_id = d.tenant_id AND t.agent_id = d.agent_id
        WHERE t.id >= :low AND {column} IS NOT NULL AND t.status IN ('completed', 'failed')
          AND (CAST(:environment AS text) IS NULL OR t.environment = :environment)
    ), sides AS (
        SELECT tenant_id, agent_id, key, count(*) AS tasks, count(*) FILTER (WHERE status = 'completed') AS succeeded,
               (array_agg(id ORDER BY id))[1] AS first_id, (array_agg(id ORDER BY id DESC))[1] AS last_id,
               array_agg(CAST(duration_ms AS double precision))
                   FILTER (WHERE place <= :newest AND status = 'completed' AND duration_ms IS NOT NULL) AS durations,
               array_agg(CAST(tokens_used AS double precision)) FILTER (WHERE place <= :newest) AS tokens,
               array_agg(CAST(cost_usd AS double precision)) FILTER (WHERE place <= :newest) AS costs
        FROM finished GROUP BY tenant_id, agent_id, key
    )
    SELECT * FROM (
        SELECT s.*, row_number() OVER (PARTITION BY s.tenant_id, s.agent_id ORDER BY s.first_id DESC) AS turn
        FROM sides s) AS ranked
    WHERE turn <= :limit ORDER BY tenant_id, agent_id, turn
"""


async def read_sides(
    connection: AsyncConnection,
    agents: Sequence[tuple[UUID, UUID]],
    *,
    by: Literal["version", "model"],
    since: datetime,
    limit: int,
    environment: str | None = None,
    newest: int = NEWEST,
) -> dict[tuple[UUID, UUID], list[Side]]:
    """Of each agent (tenant, id) the newest `limit` versions or models by when they were seen first, newest first.

    Agents that finished nothing are not among them. `newest`: of how many tasks of each side the values are read.
    """
    values = {
        "tenants": [tenant for tenant, _ in agents], "agents": [agent for _, agent in agents],
        "low": uuid7_floor(since), "environment": environment, "newest": newest, "limit": limit,
    }  # fmt: skip
    found: dict[tuple[UUID, UUID], list[Side]] = defaultdict(list)
    for row in await connection.execute(text(_SIDES.format(column=_COLUMNS[by])), values):
        found[row.tenant_id, row.agent_id].append(_side(row))
    return found


def _side(row: Any) -> Side:
    values = {Metric.DURATION: row.durations, Metric.TOKENS: row.tokens, Metric.COST: row.costs}
    return Side(
        key=row.key,
        tasks=row.tasks,
        succeeded=row.succeeded,
        first_seen_at=uuid7_time(row.first_id),
        last_seen_at=uuid7_time(row.last_id),
        values={metric: given or [] for metric, given in values.items()},
    )


def compare(before: Side, after: Side, metric: Metric, *, floor: int) -> Finding:
    """How one differs from the one before."""
    if metric is Metric.SUCCESS_RATE:
        return compare_shares((before.succeeded, before.tasks), (after.succeeded, after.tasks), floor=floor)
    return compare_values(before.values[metric], after.values[metric], floor=floor)


def median_of(side: Side, metric: Metric) -> float:
    """Of its tasks' values, by nearest rank; zero where there are none."""
    values = side.values.get(metric, [])
    return median(np.sort(np.asarray(values, np.float64))) if values else 0.0
