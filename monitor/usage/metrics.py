"""Usage by period: counted by a job from what is stored, by day and agent, and told by callers for themselves.

A metric's id is made of its period and of what is counted, so that counting again, and telling again, changes the row
that is there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database
from monitor.ids import microseconds, uuid7_floor, uuid7_named
from monitor.usage.quota import period
from monitor.usage.quota_tables import Resource

DAYS = 2
"""Days before this one that every run counts again: what is told late is counted."""
BATCH = 5_000
KEPT = timedelta(days=396)
"""How long metrics are kept, and how old one may be that is told."""


class Counted(StrEnum):
    """What the job counts: nobody else may tell it. A day each; all but requests by agent."""

    REQUESTS = "api_calls"
    CALLS = "model_calls"
    INPUT = "tokens_input"
    OUTPUT = "tokens_output"
    EXECUTIONS = "agent_executions"
    TOOLS = "tool_executions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How much of something was used from `start` to `end`."""

    tenant_id: UUID
    type: str
    value: int
    start: datetime
    end: datetime
    agent_id: UUID | None = None
    user_id: UUID | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> UUID:
        """The same for the same thing in the same period."""
        name = f"{self.type} {self.agent_id or ''} {self.user_id or ''} {microseconds(self.end)}"
        return uuid7_named(microseconds(self.start), name)


_REQUESTS = text(
    "SELECT tenant_id, NULL::uuid AS agent_id, requests AS api_calls FROM request_counts WHERE day = :start"
)
_CALLS = text("""
    SELECT tenant_id, agent_id, sum(calls)::bigint AS model_calls, sum(input_tokens)::bigint AS tokens_input,
           sum(output_tokens)::bigint AS tokens_output
    FROM usage_hours WHERE hour >= :start AND hour < :end GROUP BY 1, 2
""")
_EXECUTIONS = text("""
    SELECT tenant_id, agent_id, count(*) AS agent_executions FROM agent_logs
    WHERE id >= :first AND id < :last AND kind = 'execution' GROUP BY 1, 2
""")
_TOOLS = text("""
    SELECT tenant_id, agent_id, count(*) AS tool_executions FROM tool_executions
    WHERE id >= :first AND id < :last GROUP BY 1, 2
""")
_SOURCES = (_REQUESTS, _CALLS, _EXECUTIONS, _TOOLS)
_PUT = text("""
    INSERT INTO usage_metrics AS m
        (tenant_id, id, metric_type, metric_value, agent_id, user_id, metadata, recorded_at, period_start, period_end)
    SELECT * FROM unnest(
        CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:types AS text[]), CAST(:values AS bigint[]),
        CAST(:agents AS uuid[]), CAST(:users AS uuid[]), CAST(:metadata AS jsonb[]), CAST(:at AS timestamptz[]),
        CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
    ON CONFLICT (tenant_id, id) DO UPDATE SET
        metric_value = excluded.metric_value, metadata = excluded.metadata, recorded_at = excluded.recorded_at
    WHERE (m.metric_value, m.metadata) IS DISTINCT FROM (excluded.metric_value, excluded.metadata)
""")
_LIST = """
    SELECT m.id, m.metric_type AS type, m.metric_value AS value, a.external_id AS agent, m.user_id AS user,
           m.period_start, m.period_end, m.metadata, m.recorded_at
    FROM usage_metrics m LEFT JOIN agents a ON a.tenant_id = m.tenant_id AND a.id = m.agent_id
    WHERE m.tenant_id = :tenant_id AND m.id >= :first AND m.id < :last {more} ORDER BY m.id LIMIT :limit
"""


async def run_once(db: Database, now: datetime) -> int:
    """Count this day and the last ones anew, for every tenant; how many metrics there are of them."""
    today, _ = period(Resource.REQUESTS, now)
    total = 0
    for back in range(DAYS, -1, -1):
        start = (today or now) - timedelta(days=back)
        total += await count_day(db, start, now=now)
    return total


async def count_day(db: Database, start: datetime, *, now: datetime) -> int:
    """Count the day that begins at `start`, of UTC; how many metrics there are of it."""
    end = start + timedelta(days=1)
    given = {"start": start, "end": end, "first": uuid7_floor(start), "last": uuid7_floor(end)}
    total = 0
    for source in _SOURCES:
        async with db.owner() as owner:
            rows = (await owner.execute(source, given)).mappings().all()
            found = [
                Metric(
                    tenant_id=row["tenant_id"], agent_id=row["agent_id"], type=name, value=max(0, row[name]),
                    start=start, end=end,
                )
                for row in rows
                for name in row.keys() - {"tenant_id", "agent_id"}
            ]  # fmt: skip
            await put(owner, found, now=now)
        total += len(found)
    return total


async def put(connection: AsyncConnection, metrics: Iterable[Metric], *, now: datetime) -> None:
    """Keep metrics; one of the same thing and period is replaced. Of several in one call the last one counts."""
    # In order of their keys: two that write the same ones wait for each other in turn.
    rows = iter(sorted({(one.tenant_id, one.id): one for one in metrics}.items(), key=lambda item: item[0]))
    while batch := [one for _, one in islice(rows, BATCH)]:
        await connection.execute(_PUT, _columns(batch, now))


def _columns(batch: Sequence[Metric], now: datetime) -> dict[str, list[Any]]:
    return {
        "tenants": [one.tenant_id for one in batch],
        "ids": [one.id for one in batch],
        "types": [one.type for one in batch],
        "values": [one.value for one in batch],
        "agents": [one.agent_id for one in batch],
        "users": [one.user_id for one in batch],
        "metadata": [msgspec.json.encode(dict(one.metadata)).decode() for one in batch],
        "at": [now] * len(batch),
        "starts": [one.start for one in batch],
        "ends": [one.end for one in batch],
    }


async def list_metrics(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    start: datetime,
    end: datetime,
    limit: int,
    after: UUID | None = None,
    **equal: str | UUID | None,
) -> list[dict[str, Any]]:
    """`limit + 1` metrics of periods that begin in [start, end), in that order, those after `after`.

    `equal`: the `type`, the `agent` by its external id, the `user`; None for any.
    """
    columns = {"type": "m.metric_type", "agent": "a.external_id", "user": "m.user_id"}
    wanted = {name: value for name, value in equal.items() if value is not None}
    more = "".join(f" AND {columns[name]} = :{name}" for name in wanted)
    given = {
        "tenant_id": tenant_id, "first": uuid7_floor(start), "last": uuid7_floor(end), "limit": limit + 1, **wanted,
    }  # fmt: skip
    if after is not None:
        more += " AND m.id > :after"
        given["after"] = after
    return [dict(row) for row in (await connection.execute(text(_LIST.format(more=more)), given)).mappings()]
