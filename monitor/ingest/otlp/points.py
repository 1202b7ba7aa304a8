"""Metrics as points of series. What becomes of each kind is told in the README, under OpenTelemetry.

A data point may make several points; where one of them cannot be kept, none is, and the data point is named.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from monitor.ingest import values
from monitor.ingest.buckets import QUANTILES, Distribution, Explicit, Exponential, filled, quantiles
from monitor.ingest.exemplars import ExemplarDraft
from monitor.ingest.otlp import records, sender
from monitor.ingest.payloads import MetricIn, Outcome
from monitor.ingest.points import PointDraft, Shape, ShapeBook, Shapes
from monitor.ingest.streams import Streams, Stretch
from monitor.ingest.values import Fault, Window
from monitor.series.store import Kind

QUANTILE = "quantile"
BUCKETS_LIMIT = 4096

_KINDS = {records.Temporality.DELTA: Kind.DELTA, records.Temporality.CUMULATIVE: Kind.COUNTER}


@dataclass(slots=True)
class Memory:
    """What one process remembers of the metrics that are sent to it: names, and streams that count since their
    sender's start."""

    shapes: ShapeBook = field(default_factory=ShapeBook)
    streams: Streams = field(default_factory=Streams)


class Converted(NamedTuple):
    """What a request's metrics come to. A draft's row is its data point's place in the request."""

    drafts: list[PointDraft]
    exemplars: list[ExemplarDraft]


def convert(
    metrics: Iterable[records.MetricRecord], *, tenant_id: UUID, window: Window, memory: Memory, outcome: Outcome
) -> Converted:
    """Points and exemplars; data points that are not kept are named in `outcome`. May run in a thread."""
    work = _Work(tenant_id, window, memory.shapes.of(tenant_id), memory.streams, outcome)
    made = Converted([], [])
    row = 0
    for metric in metrics:
        for point in metric.points:
            one = _One(work, row, metric, point)
            try:
                if not point.no_value:
                    one.convert()
                    made.exemplars.extend(one.exemplars())
                    made.drafts.extend(one.drafts)
            except Fault as fault:
                outcome.reject(row, f"{values.clean(metric.name[: values.NAME_LIMIT])}: {fault}")
            row += 1
    return made


class _Work(NamedTuple):
    tenant_id: UUID
    window: Window
    shapes: Shapes
    streams: Streams
    outcome: Outcome


class _One:
    """One data point and what it makes."""

    def __init__(self, work: _Work, row: int, metric: records.MetricRecord, point: records.Point) -> None:
        self.work, self.row, self.metric, self.point = work, row, metric, point
        self.agent = sender.agent_of(point.attributes, metric.resource)
        self.tags = sender.tags_of(point.attributes, metric.resource)
        # A point without a time, which the protocol forbids, is of now.
        self.at_us = point.time_ns // 1000 or work.window.now_us + row
        self.drafts: list[PointDraft] = []

    def convert(self) -> None:
        """Make the points. Raises Fault."""
        self.work.window.check(self.at_us, "time_unix_nano")
        metric, point = self.metric, self.point
        if isinstance(metric, records.Sum) and isinstance(point, records.NumberPoint):
            self._sum(metric, point)
        elif isinstance(point, records.NumberPoint):
            self._add("", Kind.GAUGE, point.value, metric.unit)
        elif isinstance(point, records.HistogramPoint | records.ExponentialPoint):
            self._histogram(point, _kind(metric))
        elif isinstance(point, records.SummaryPoint):
            self._summary(point)

    def exemplars(self) -> Iterator[ExemplarDraft]:
        """Those of its exemplars that lead to a trace."""
        window = self.work.window
        for given in self.point.exemplars:
            at_us = given.time_ns // 1000 or self.at_us
            if given.trace_id is not None and window.oldest_us <= at_us <= window.newest_us:
                shape = self._shape(self.metric.name)
                yield ExemplarDraft(shape, at_us, given.value, given.trace_id, given.span_id, given.attributes)

    def _sum(self, metric: records.Sum, point: records.NumberPoint) -> None:
        kind = _kind(metric)
        if kind is Kind.DELTA:
            self._add("", kind, point.value, metric.unit)
        elif metric.monotonic:
            self._add("", kind, point.value, metric.unit, fresh_us=self._next(None).fresh_us)
        else:
            # A total that also falls is a value of the moment.
            self._add("", Kind.GAUGE, point.value, metric.unit)

    def _histogram(self, point: records.HistogramPoint | records.ExponentialPoint, kind: Kind) -> None:
        found = _distribution(point)
        stretch = self._next(found) if kind is Kind.COUNTER else Stretch(known=True)
        unit = self.metric.unit
        self._add(".count", kind, point.count, "", fresh_us=stretch.fresh_us)
        if point.sum is not None:
            self._add(".sum", kind, point.sum, unit, fresh_us=stretch.fresh_us)
        if point.min is not None:
            self._add(".min", Kind.GAUGE, point.min, unit)
        if point.max is not None:
            self._add(".max", Kind.GAUGE, point.max, unit)
        if stretch.known:
            for quantile, value in quantiles(found.since(stretch.before), low=point.min, high=point.max):
                self._add("", Kind.GAUGE, value, unit, quantile=QUANTILES[quantile])

    def _summary(self, point: records.SummaryPoint) -> None:
        fresh_us = self._next(None).fresh_us
        self._add(".count", Kind.COUNTER, point.count, "", fresh_us=fresh_us)
        self._add(".sum", Kind.COUNTER, point.sum, self.metric.unit, fresh_us=fresh_us)
        for quantile, value in point.quantiles:
            # NaN: nothing was observed of late.
            if value == value:
                self._add("", Kind.GAUGE, value, self.metric.unit, quantile=f"{quantile:g}")

    def _next(self, found: Distribution | None) -> Stretch:
        name = (self.work.tenant_id, self.agent, self.metric.name, tuple(sorted(self.tags.items())))
        return self.work.streams.next(name, self.point.start_ns // 1000, self.at_us, found)

    def _shape(
        self, metric: str, *, kind: Kind | None = None, unit: str | None = None, quantile: str | None = None
    ) -> Shape:
        tags = self.tags if quantile is None else {**self.tags, QUANTILE: quantile}
        return self.work.shapes.of(MetricIn(agent=self.agent, kind=kind, unit=unit or None, tags=tags), metric)

    def _add(
        self,
        suffix: str,
        kind: Kind,
        value: float | None,
        unit: str,
        *,
        quantile: str | None = None,
        fresh_us: int | None = None,
    ) -> None:
        """Add a point; of a total, the 0 at the beginning of its run too, so that what it rose by is right."""
        number = values.number(value, "value", lambda text: self.work.outcome.warnings.append((self.row, text)))
        shape = self._shape(f"{self.metric.name}{suffix}", kind=kind, unit=unit, quantile=quantile)
        if fresh_us is not None and fresh_us >= self.work.window.oldest_us:
            self.drafts.append(PointDraft(self.row, shape, fresh_us, 0.0))
        self.drafts.append(PointDraft(self.row, shape, self.at_us, number))


def _kind(metric: records.MetricRecord) -> Kind:
    kind = _KINDS.get(getattr(metric, "temporality", records.Temporality.UNSPECIFIED))
    if kind is None:
        raise Fault("aggregation_temporality: delta or cumulative is expected")
    return kind


def _distribution(point: records.HistogramPoint | records.ExponentialPoint) -> Distribution:
    """Its buckets, checked. Raises Fault."""
    if isinstance(point, records.HistogramPoint):
        explicit = _explicit(point)
        held, found = list(explicit.counts), explicit
        return _checked(found, held, point.count)
    positive = filled(point.positive.offset, point.positive.counts)
    negative = filled(point.negative.offset, point.negative.counts)
    exponential = Exponential(point.scale, positive, negative, point.zero_count, abs(point.zero_threshold))
    return _checked(exponential, [point.zero_count, *positive.values(), *negative.values()], point.count)


def _explicit(point: records.HistogramPoint) -> Explicit:
    bounds, counts = tuple(point.bounds), tuple(point.counts)
    if not counts:
        return Explicit((), ())
    if len(counts) != len(bounds) + 1:
        raise Fault(f"bucket_counts: one more than the {len(bounds)} bounds is expected, not {len(counts)}")
    if not all(low < high for low, high in pairwise(bounds)):
        raise Fault("explicit_bounds: each is expected to be greater than the one before")
    return Explicit(bounds, counts)


def _checked(found: Distribution, held: Sequence[float], count: int) -> Distribution:
    if len(held) > BUCKETS_LIMIT:
        raise Fault(f"bucket_counts: at most {BUCKETS_LIMIT} buckets are expected, not {len(held)}")
    if count < 0 or min(held, default=0) < 0:
        raise Fault("bucket_counts: negative")
    if held and sum(held) != count:
        raise Fault(f"bucket_counts: together {sum(held)}, and count is {count}")
    return found
