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
from monitor.series.answer import Shape, line_ids
from monitor.series.columns import Cursor
from monitor.series.gather import RISES, Gathered
from monitor.series.read import RAW_SPAN, Reading, is_exact, labels_sql, where_sql
from monitor.series.store import Answer, Kind, Line, Past, Query, Reduced, Reducer, Reduction, Selection
from monitor.series.stored import DAY_US, HOUR_US, Who
from monitor.series.summaries import Points

Agent = tuple[UUID, UUID, tuple[str, ...]]
"""Tenant, agent and labels: a line of a reduction."""

_NONE = np.zeros(0, np.int64)
NOTHING = Answer(_NONE, _NONE, np.zeros(0), _NONE, _NONE)
"""The answer where there are no points."""


async def select(cur: Cursor, reduction: Reduction, targets: Mapping[UUID, Sequence[UUID]]) -> Selection:
    """The series of agents by tenant that a reduction takes."""
    rows = await _find(cur, reduction, targets)
    lines, labels = line_ids([(row[1], row[2], tuple(row[4])) for row in rows])
    one = {tenant_id: tenant_id for tenant_id in targets}  # an object for each tenant and not for each row
    who = Who([one[row[1]] for row in rows], np.array([row[0] for row in rows], np.int64))
    return Selection(who, lines, np.array([row[3] == Kind.COUNTER for row in rows], np.bool_), labels)


def plan(reduction: Reduction, selection: Selection, *, now: datetime) -> Reading[Agent] | None:
    """What to read of [now - window, now); None where there is nothing. Windows up to two hours are read from single
    points alone; of longer ones the whole hours come from rollups."""
    span = microseconds(now - reduction.window), microseconds(now)
    if span[0] >= span[1] or not len(selection.who.ids):
        return None
    widths = () if reduction.window <= RAW_SPAN else (DAY_US, HOUR_US)
    shape = Shape(
        reduce=reduction.reduce,
        span=span,
        step_us=None,
        lines=selection.lines,
        counters=selection.counters,
        exact=is_exact(span, widths),
    )
    return Reading(selection.who, shape, widths, list(selection.labels))


def together(readings: Sequence[Reading[Agent]]) -> list[tuple[Who, list[int]]]:
    """Readings whose points can be read at once, by their places, with the series of all of them: those of single
    points over the same span."""
    spans: dict[object, list[int]] = {}
    for place, reading in enumerate(readings):
        spans.setdefault(place if reading.widths else reading.shape.span, []).append(place)
    return [(_union([readings[place].who for place in places]), places) for places in spans.values()]


def share(found: Gathered, all_of: Who, who: Who) -> Gathered:
    """Of single points of many series those of some of them, whose rows they get."""
    if len(all_of.ids) == len(who.ids):
        return found
    place = np.full(len(all_of.ids), -1, np.int64)
    place[all_of.rows(who.ids)] = np.arange(len(who.ids))
    rows = place[found.points.series]
    ours = rows >= 0
    return Gathered(Points(rows[ours], found.points.at[ours], found.points.value[ours]), ())


def _union(several: Sequence[Who]) -> Who:
    if len(several) == 1:
        return several[0]
    ids, first = np.unique(np.concatenate([who.ids for who in several]), return_index=True)
    tenants = [tenant for who in several for tenant in who.tenants]
    return Who([tenants[place] for place in first.tolist()], ids)


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
