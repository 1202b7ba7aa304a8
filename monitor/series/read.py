"""Lines over time for one tenant: which series of the catalogue they are made of, and what is read of them."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic
from uuid import UUID

import numpy as np

from monitor import arrays
from monitor.errors import InvalidInput
from monitor.ids import from_microseconds, microseconds
from monitor.series.answer import Label, Shape, answer, line_ids
from monitor.series.columns import Cursor
from monitor.series.gather import PERCENTS, RISES, Gathered, gather, levels, regions
from monitor.series.source import Source
from monitor.series.store import Answer, Kind, Line, Query, Tags
from monitor.series.stored import Span, Who

MAX_POINTS = 11_000
MAX_LINES = 1_000
MAX_SPAN = timedelta(days=20 * 366)
RAW_SPAN = timedelta(hours=2)
"""Up to this, one percentile for a whole span is exact. Longer ones come from histograms."""

_OF_AGENTS = {"agent": "a.external_id", "agent_type": "coalesce(s.tags->>'agent_type', a.agent_type)"}


def labels_sql(by: tuple[str, ...]) -> tuple[str, list[Any]]:
    """An array of the labels' values, and its parameters: a tag that a series does not have is the empty string."""
    parts = [_OF_AGENTS.get(name, "coalesce(s.tags->>%s, '')") for name in by]
    return f"ARRAY[{', '.join(parts)}]::text[]", [name for name in by if name not in _OF_AGENTS]


def where_sql(where: Mapping[str, str] | Tags) -> tuple[str, list[Any]]:
    """A condition on tags and agents, and its parameters."""
    given = dict(where)
    tags = {name: value for name, value in given.items() if name not in _OF_AGENTS}
    named = [name for name in given if name in _OF_AGENTS]
    condition = " AND ".join(["s.tags @> %s::jsonb", *(f"{_OF_AGENTS[name]} = %s" for name in named)])
    return condition, [json.dumps(tags), *(given[name] for name in named)]


@dataclass(frozen=True, slots=True)
class Reading(Generic[Label]):
    """What is to be read and made of it: the series with the line of each, from which levels, the lines' labels."""

    who: Who
    shape: Shape
    widths: tuple[int, ...]
    labels: list[Label]

    async def gather(self, source: Source) -> Gathered:
        """Read."""
        return await gather(source, self.shape.span, reduce=self.shape.reduce, widths=self.widths)

    async def answer(self, found: Gathered) -> Answer:
        """Off the loop: a million points take a tenth of a second, in which nobody else would be served."""
        return await asyncio.to_thread(answer, found, self.shape)


async def plan(cur: Cursor, tenant_id: UUID, wanted: Query) -> Reading[tuple[str, ...]] | None:
    """What to read for one tenant; None where there is no such series. A step begins at a multiple of its length since
    1970, the first one may be cut.

    Rate and increase count what a counter rose by between two points of the span, in the step of the later one.
    A standard deviation is the population's. Raises InvalidInput for a gauge's rate and for too long an answer.
    """
    span, step_us = _checked(wanted)
    rows = await _find(cur, wanted)
    if not rows:
        return None
    lines, labels = line_ids([tuple(row[2]) for row in rows])
    if len(labels) > MAX_LINES:
        raise InvalidInput(
            f"the answer would have {len(labels):,} lines, more than {MAX_LINES:,}: narrow it with where", path="by"
        )
    single = step_us is None and wanted.end - wanted.start <= RAW_SPAN and wanted.reduce in PERCENTS
    widths = () if single else levels(wanted.reduce, step_us)
    shape = Shape(
        reduce=wanted.reduce,
        span=span,
        step_us=step_us,
        lines=lines,
        counters=np.array([row[1] == Kind.COUNTER for row in rows], np.bool_),
        exact=is_exact(span, widths),
    )
    return Reading(Who([tenant_id] * len(rows), np.array([row[0] for row in rows], np.int64)), shape, widths, labels)


def is_exact(span: Span, widths: tuple[int, ...]) -> bool:
    """Whether a span is read from single points alone."""
    return all(region.width == 0 for region in regions(*span, widths))


def _checked(wanted: Query) -> tuple[Span, int | None]:
    span = microseconds(wanted.start), microseconds(wanted.end)
    if span[0] >= span[1]:
        raise InvalidInput("must be before the end", path="start")
    if wanted.end - wanted.start > MAX_SPAN:
        raise InvalidInput(f"must be within {MAX_SPAN.days} days of the end", path="start")
    if wanted.step is None:
        return span, None
    step_us = wanted.step // timedelta(microseconds=1)
    if step_us <= 0:
        raise InvalidInput("must be longer than nothing", path="step")
    steps = -(-(span[1] - span[0]) // step_us)
    if steps > MAX_POINTS:
        raise InvalidInput(
            f"would make {steps:,} points a line, more than {MAX_POINTS:,}: take longer ones", path="step"
        )
    return span, step_us


async def _find(cur: Cursor, wanted: Query) -> list[tuple[Any, ...]]:
    """Id, kind and labels of the series, ascending by id."""
    labels, label_parameters = labels_sql(wanted.by)
    condition, parameters = where_sql(wanted.where)
    if wanted.agent_ids is not None:
        condition += " AND s.agent_id = ANY(%s)"
        parameters.append(arrays.uuids(wanted.agent_ids))
    await cur.execute(
        f"SELECT s.id, s.kind, {labels} FROM series s "
        "JOIN agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id "
        f"WHERE s.metric = %s AND {condition} ORDER BY s.id",
        [*label_parameters, wanted.metric, *parameters],
    )
    rows = await cur.fetchall()
    if wanted.reduce in RISES and any(row[1] == Kind.GAUGE for row in rows):
        raise InvalidInput(f"{wanted.metric} is a gauge: it has no {wanted.reduce}", path="reduce")
    return rows


def lines_of(found: Answer, labels: list[tuple[str, ...]], by: tuple[str, ...]) -> list[Line]:
    """Lines with their points; those without any are absent."""
    points: list[list[tuple[Any, float]]] = [[] for _ in labels]
    for line, at, value in zip(found.line.tolist(), found.at.tolist(), found.value.tolist(), strict=True):
        points[line].append((from_microseconds(at), value))
    return [Line(dict(zip(by, label, strict=True)), one) for label, one in zip(labels, points, strict=True) if one]
