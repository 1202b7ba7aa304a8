"""One reading for the rules of many agents of many tenants at once, as the alerter: which series it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from monitor import arrays
from monitor.errors import InvalidInput
from monitor.ids import from_microseconds, microseconds
from monitor.series.answer import Answer, Shape, line_ids
from monitor.series.columns import Cursor
from monitor.series.gather import RISES, Gathered
from monitor.series.read import RAW_SPAN, Reading, is_exact, labels_sql, where_sql
from monitor.series.store import Kind, Line, Past, Query, Reduced, Reducer, Reduction
from monitor.series.stored import DAY_US, HOUR_US, Who

Agent = tuple[UUID, UUID, tuple[str, ...]]
"""Tenant, agent and labels: a line of a reduction."""


async def plan(
    cur: Cursor, reduction: Reduction, targets: Mapping[UUID, Sequence[UUID]], *, now: datetime
) -> Reading[Agent] | None:
    """What to read of [now - window, now) for agents by tenant; None where there is nothing. Windows up to two hours
    are read from single points alone; of longer ones the whole hours come from rollups."""
    span = microseconds(now - reduction.window), microseconds(now)
    if span[0] >= span[1]:
        return None
    widths = () if reduction.window <= RAW_SPAN else (DAY_US, HOUR_US)
    rows = await _find(cur, reduction, targets)
    if not rows:
        return None
    lines, labels = line_ids([(row[1], row[2], tuple(row[4])) for row in rows])
    shape = Shape(
        reduce=reduction.reduce,
        span=span,
        step_us=None,
        lines=lines,
        counters=np.array([row[3] == Kind.COUNTER for row in rows], np.bool_),
        exact=is_exact(span, widths),
    )
    return Reading(Who([row[1] for row in rows], np.array([row[0] for row in rows], np.int64)), shape, widths, labels)


def single(reading: Reading[Agent]) -> Reading[Agent]:
    """The same, read from single points alone, however long the span is."""
    return replace(reading, widths=(), shape=replace(reading.shape, exact=True))


def past(reading: Reading[Agent], found: Gathered) -> Past:
    """The points that were gathered, with what they are points of."""
    labels = [(agent_id, of) for _, agent_id, of in reading.labels]
    return Past(found.points, reading.shape.lines, reading.shape.counters, labels)


def counting(reduction: Reduction, agents: Sequence[UUID], *, end: datetime) -> Query:
    """How many points a reduction is made of."""
    return Query(
        metric=reduction.metric,
        reduce=Reducer.COUNT,
        start=end - reduction.window,
        end=end,
        where=dict(reduction.where),
        agent_ids=tuple(agents),
    )


def check_size(counted: Sequence[Line], at_most: int) -> None:
    """Raise InvalidInput for more points than are wanted."""
    points = int(sum(value for line in counted for _, value in line.points))
    if points > at_most:
        raise InvalidInput(
            f"there are {points:,} points, more than {at_most:,}: take a shorter time or fewer agents", path="since"
        )


def reduced(found: Answer, labels: Sequence[Agent]) -> list[Reduced]:
    """The answer by tenant, agent and labels."""
    columns = zip(found.line.tolist(), found.value.tolist(), found.count.tolist(), found.last_at.tolist(), strict=True)
    answers: list[Reduced] = []
    for line, value, count, at in columns:
        tenant_id, agent_id, of = labels[line]
        answers.append(Reduced(tenant_id, agent_id, of, value, count, from_microseconds(at)))
    return answers


async def _find(cur: Cursor, reduction: Reduction, targets: Mapping[UUID, Sequence[UUID]]) -> list[tuple[Any, ...]]:
    """Id, tenant, agent, kind and labels of the series, ascending by id; no gauges where they have no answer."""
    labels, label_parameters = labels_sql(reduction.by)
    condition, parameters = where_sql(reduction.where)
    if reduction.reduce in RISES:
        condition += f" AND s.kind <> '{Kind.GAUGE}'"
    tenants = [tenant_id for tenant_id, agents in targets.items() for _ in agents]
    agents = [agent_id for several in targets.values() for agent_id in several]
    await cur.execute(
        f"SELECT s.id, s.tenant_id, s.agent_id, s.kind, {labels} "
        "FROM unnest(%s, %s) AS t (tenant_id, agent_id) JOIN series s USING (tenant_id, agent_id) "
        "JOIN agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id "
        f"WHERE s.metric = %s AND {condition} ORDER BY s.id",
        [*label_parameters, arrays.uuids(tenants), arrays.uuids(agents), reduction.metric, *parameters],
        prepare=False,
    )
    return await cur.fetchall()
