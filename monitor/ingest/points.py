"""Rows of POST /api/v1/metrics, one value or many a row: checked, ready for their series to be found."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from monitor.agents.registry import AgentRef
from monitor.ingest import values
from monitor.ingest.decode import Rows
from monitor.ingest.payloads import MetricIn, Outcome
from monitor.ingest.values import Fault, Window
from monitor.series.store import Kind, Tags

UNIT_LIMIT = 50
SHAPES = 50_000


@dataclass(slots=True, eq=False)
class Shape:
    """What a point shares with the others of its series: everything but time and value.

    `series_id` is its series' id as long as its agent is `ref`: points that come again need no look-up by name.
    """

    agent: str
    metric: str
    tags: Tags
    kind: Kind | None
    unit: str | None
    ref: AgentRef | None = None
    series_id: int = 0


class PointDraft(NamedTuple):
    """A good point whose agent is still a name. `row` is the index of its row in the request."""

    row: int
    shape: Shape
    at_us: int
    value: float


class ShapeBook:
    """The shapes of every tenant: agents send the same ones over and over."""

    def __init__(self) -> None:
        """Empty; forgets everything when there are too many."""
        self._tenants: dict[UUID, Shapes] = {}

    def of(self, tenant_id: UUID) -> "Shapes":
        """A tenant's."""
        shapes = self._tenants.get(tenant_id)
        if shapes is None:
            if sum(map(len, list(self._tenants.values()))) >= SHAPES:
                self._tenants.clear()
            shapes = self._tenants[tenant_id] = Shapes()
        return shapes


class Shapes:
    """One tenant's shapes that were found good."""

    def __init__(self) -> None:
        """Empty; forgets everything when there are too many."""
        self._known: dict[Any, Shape] = {}
        self._newest: dict[Any, tuple[object, object, object, Shape]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, row: MetricIn, metric: object) -> Shape:
        """The row's shape. Raises Fault with the field that is wrong."""
        given = row.tags
        try:
            newest = self._newest.get((row.agent, metric))
        except TypeError:  # an array or object where there should be a text: let the checks below name it
            return _shape(row, metric)
        # Mostly an agent's metric has one set of tags: comparing costs half of making a key of them.
        if newest is not None and newest[0] == given and newest[1] == row.kind and newest[2] == row.unit:
            return newest[3]
        made = self._find(row, metric, given)
        self._newest[row.agent, metric] = given, row.kind, row.unit, made
        return made

    def _find(self, row: MetricIn, metric: object, given: object) -> Shape:
        key = (row.agent, metric, row.kind, row.unit, tuple(given.items()) if type(given) is dict else given)
        try:
            known = self._known.get(key)
        except TypeError:  # as above
            return _shape(row, metric)
        if known is None:
            known = _shape(row, metric)
            if len(self._known) >= SHAPES:
                self._known.clear()
                self._newest.clear()
            self._known[key] = known
        return known


def _shape(row: MetricIn, metric: object) -> Shape:
    kind = None
    if row.kind is not None:
        try:
            kind = Kind(row.kind)
        except ValueError:
            raise Fault("kind: one of gauge, counter, delta is expected") from None
    return Shape(
        values.name(row.agent, "agent"),
        values.name(metric, "metric"),
        values.tags(row.tags),
        kind,
        None if row.unit is None else values.name(row.unit, "unit", limit=UNIT_LIMIT),
    )


def drafts(rows: Rows[MetricIn], window: Window, outcome: Outcome, shapes: Shapes) -> list[PointDraft]:
    """The good points; rows and values that are not kept are named in `outcome`."""
    kept: list[PointDraft] = []
    low, high, now_us = window.oldest_us, window.newest_us, window.now_us
    # A named tuple's own constructor takes three times as long.
    made = tuple.__new__
    for index, row in enumerate(rows.rows):
        if isinstance(row, str):
            outcome.reject(index, row)
            continue
        try:
            given = row.timestamp
            if type(given) is float and 0.0 <= given < values.END:
                at_us = round(given * 1e6)
            else:
                # Rows without a time are a microsecond apart: they keep their order and do not overwrite each other.
                at_us = now_us + index if given is None else values.time_us(given, "timestamp")
            if not low <= at_us <= high:
                window.check(at_us, "timestamp")
            if rows.extra and index in rows.extra:
                _unknown(rows.extra[index])
            value = row.value
            if row.metrics is not None:
                kept.extend(_columns(index, row, at_us, outcome, shapes))
            # The plain case, without a call: a finite float (NaN and infinities less themselves are NaN).
            elif type(value) is float and value - value == 0.0:
                kept.append(made(PointDraft, (index, shapes.of(row, row.metric), at_us, value)))
            else:
                shape = shapes.of(row, row.metric)
                kept.append(PointDraft(index, shape, at_us, _value(index, value, "value", outcome)))
        except Fault as fault:
            outcome.reject(index, str(fault))
    return kept


def _unknown(extra: dict[str, Any]) -> None:
    for key, value in extra.items():
        if value is not None:
            raise Fault(f"{values.clean(key[: values.NAME_LIMIT])}: an unknown field; put texts into tags")


def _value(index: int, value: object, field: str, outcome: Outcome) -> float:
    return values.number(value, field, lambda text: outcome.warnings.append((index, text)))


def _columns(index: int, row: MetricIn, at_us: int, outcome: Outcome, shapes: Shapes) -> Iterator[PointDraft]:
    """The points of `{"metrics": {name: value}}`: each is kept or named by itself."""
    given = row.metrics
    if type(given) is not dict:
        raise Fault(f"metrics: an object is expected, not {values.kind_of(given)}")
    if row.metric is not None or row.value is not None:
        raise Fault("metrics: either metrics or metric with value is expected, not both")
    if not given:
        raise Fault("metrics: empty")
    for metric, value in given.items():
        try:
            shape = shapes.of(row, metric)
            number = _value(index, value, f"metrics.{values.clean(metric[: values.NAME_LIMIT])}", outcome)
            yield PointDraft(index, shape, at_us, number)
        except Fault as fault:
            outcome.reject(index, str(fault))
