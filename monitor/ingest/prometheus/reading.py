"""From a request of remote write to points: labels to metric, agent and tags; samples, histograms and exemplars.

A series' kind is what the request says of it (2.0 does), else what its name says by Prometheus' own rules
(https://prometheus.io/docs/practices/naming/): `_total`, and a histogram's or summary's `_count`, `_sum` and
`_bucket`, are counters.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import cramjam
from google.protobuf.message import DecodeError

from monitor.errors import TooLarge, Unreadable
from monitor.ingest import values
from monitor.ingest.exemplars import ExemplarDraft
from monitor.ingest.labels import tags_of
from monitor.ingest.payloads import MetricIn, Outcome
from monitor.ingest.points import PointDraft, Shape, Shapes
from monitor.ingest.prometheus.messages import REQUESTS
from monitor.ingest.prometheus.native import Native, native
from monitor.ingest.streams import Streams
from monitor.ingest.values import Fault, Window
from monitor.series.store import Kind

NOBODY = "prometheus"
"""The agent of series that have none of the labels which name one, such as those of recording rules."""

LIMIT = 16 << 20
"""Bytes of a decompressed request; Prometheus' own have some hundred thousand."""

PIECES_LIMIT = 100_000
STALE = 0x7FF0000000000002
_NAME = "__name__"
_TRACE, _SPAN = ("trace_id", "traceID"), ("span_id", "spanID")
_COUNTERS = ("_total", "_count", "_sum", "_bucket")
_COUNTER, _HISTOGRAM, _SUMMARY = 1, 3, 5


class Piece(Enum):
    """What a request is counted in."""

    SAMPLES = "Samples"
    HISTOGRAMS = "Histograms"
    EXEMPLARS = "Exemplars"


@dataclass(slots=True)
class Read:
    """What a request says. `rows`: what each row is, samples and histograms together; `lost`: exemplars that are not
    kept. `outcome` names rows by their place."""

    rows: list[Piece] = field(default_factory=list)
    points: list[PointDraft] = field(default_factory=list)
    exemplars: list[ExemplarDraft] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Outcome)


class Labels(NamedTuple):
    """A series' labels as we have them."""

    agent: str
    metric: str
    tags: dict[str, str]


def decompressed(raw: bytes, limit: int) -> int:
    """How long a body in snappy's block format says it is. Raises Unreadable, TooLarge."""
    try:
        size = int(cramjam.snappy.decompress_raw_len(raw))
    except cramjam.DecompressionError:
        raise Unreadable("the body is not in snappy's block format") from None
    if size > min(limit, LIMIT):
        raise TooLarge(f"the body is larger than {min(limit, LIMIT)} bytes after decompression")
    return size


def parse(raw: bytes, version: int) -> Any:
    """The message in a body. Raises Unreadable, TooLarge."""
    try:
        body = bytes(cramjam.snappy.decompress_raw(raw)) if raw else b""
    except cramjam.DecompressionError:
        raise Unreadable("the body is damaged: it is not in snappy's block format") from None
    message = REQUESTS[version]()
    try:
        message.ParseFromString(body)
    except DecodeError as fault:
        raise Unreadable(f"the body is not the protobuf message that its Content-Type names: {fault}") from None
    return message


class Reader:
    """Reads one request. May run in a thread."""

    def __init__(
        self, tenant_id: UUID, agent_labels: Sequence[str], window: Window, *, shapes: Shapes, streams: Streams
    ) -> None:
        """`agent_labels`: the first of these that a series has names its agent."""
        self._tenant_id, self._agent_labels, self._window = tenant_id, agent_labels, window
        self._shapes, self._streams = shapes, streams
        self.read = Read()

    def take(self, message: Any) -> Read:
        """Everything in a message. Raises TooLarge where that is more than 100,000 pieces."""
        symbols: Sequence[str] | None = list(message.symbols) if hasattr(message, "symbols") else None
        pieces = sum(len(one.samples) + len(one.histograms) + len(one.exemplars) + 1 for one in message.timeseries)
        if pieces > PIECES_LIMIT:
            raise TooLarge(f"more than {PIECES_LIMIT} samples in one request")
        for one in message.timeseries:
            first = len(self.read.rows)
            self.read.rows += [Piece.SAMPLES] * len(one.samples) + [Piece.HISTOGRAMS] * len(one.histograms)
            try:
                self._series(first, one, symbols)
            except Fault as fault:
                for row in range(first, len(self.read.rows)):
                    self.read.outcome.reject(row, str(fault))
                self.read.lost += [str(fault)] * len(one.exemplars)
        return self.read

    def _series(self, first: int, one: Any, symbols: Sequence[str] | None) -> None:
        labels = self._labels(_pairs(one, symbols))
        kind = _kind(labels.metric, one.metadata.type if symbols is not None else 0)
        shape = self._shape(labels, kind)
        name = (self._tenant_id, labels.agent, labels.metric, shape.tags)
        for row, sample in enumerate(one.samples, first):
            try:
                self._sample(row, sample, shape, name)
            except Fault as fault:
                self.read.outcome.reject(row, f"{labels.metric}: {fault}")
        for row, histogram in enumerate(one.histograms, first + len(one.samples)):
            try:
                self._histogram(row, histogram, labels, name)
            except Fault as fault:
                self.read.outcome.reject(row, f"{labels.metric}: {fault}")
        for exemplar in one.exemplars:
            try:
                self._exemplar(exemplar, symbols, shape)
            except Fault as fault:
                self.read.lost.append(f"{labels.metric}: exemplar: {fault}")

    def _sample(self, row: int, sample: Any, shape: Shape, name: tuple[Any, ...]) -> None:
        if is_stale(sample.value):
            return  # a mark that the series has ended, not a value
        at_us = self._window.check(sample.timestamp * 1000, "timestamp")
        value = values.number(sample.value, "value", _nothing)
        if shape.kind is Kind.COUNTER and sample.start_timestamp:
            fresh_us = self._streams.next(name, sample.start_timestamp * 1000, at_us).fresh_us
            if fresh_us is not None and fresh_us >= self._window.oldest_us:
                self.read.points.append(PointDraft(row, shape, fresh_us, 0.0))
        self.read.points.append(PointDraft(row, shape, at_us, value))

    def _histogram(self, row: int, given: Any, labels: Labels, name: tuple[Any, ...]) -> None:
        if is_stale(given.sum):
            return
        found: Native = native(given)
        at_us = self._window.check(given.timestamp * 1000, "timestamp")
        kind = Kind.GAUGE if found.gauge else Kind.COUNTER
        stretch = found.stretch(self._streams, name, at_us)
        made: list[PointDraft] = []
        for suffix, value in (("_count", found.observed), ("_sum", found.sum)):
            shape = self._shape(labels._replace(metric=f"{labels.metric}{suffix}"), kind)
            if stretch.fresh_us is not None and stretch.fresh_us >= self._window.oldest_us:
                made.append(PointDraft(row, shape, stretch.fresh_us, 0.0))
            made.append(PointDraft(row, shape, at_us, values.number(value, suffix[1:], _nothing)))
        for quantile, value in found.quantiles(stretch):
            shape = self._shape(labels._replace(tags={**labels.tags, "quantile": quantile}), Kind.GAUGE)
            made.append(PointDraft(row, shape, at_us, value))
        self.read.points += made

    def _exemplar(self, given: Any, symbols: Sequence[str] | None, shape: Shape) -> None:
        said = dict(_pairs(given, symbols))
        trace_id = next((said.pop(name) for name in _TRACE if name in said), "")
        span_id = next((said.pop(name) for name in _SPAN if name in said), None)
        at_us = self._window.check(given.timestamp * 1000, "timestamp")
        value = values.number(given.value, "value", _nothing)
        self.read.exemplars.append(ExemplarDraft(shape, at_us, value, trace_id, span_id, said))

    def _labels(self, pairs: Sequence[tuple[str, str]]) -> Labels:
        labels = dict(pairs)
        if len(labels) < len(pairs):
            raise Fault("labels: a name comes twice")
        metric = labels.pop(_NAME, "")
        if not metric:
            raise Fault(f"labels: {_NAME} is missing")
        agent = next((labels[name] for name in self._agent_labels if labels.get(name)), NOBODY)
        if labels.get("agent") == agent:
            del labels["agent"]
        return Labels(agent, metric, tags_of(labels.items()))

    def _shape(self, labels: Labels, kind: Kind | None) -> Shape:
        return self._shapes.of(MetricIn(agent=labels.agent, kind=kind, tags=labels.tags), labels.metric)


def is_stale(value: float) -> bool:
    """Whether it is the mark that a series has ended: one NaN of many."""
    return bool(value != value and struct.unpack("<Q", struct.pack("<d", value))[0] == STALE)


def _pairs(one: Any, symbols: Sequence[str] | None) -> list[tuple[str, str]]:
    """Labels of a series or an exemplar. Raises Fault for references that lead nowhere."""
    if symbols is None:
        return [(label.name, label.value) for label in one.labels]
    refs = list(one.labels_refs)
    if len(refs) % 2 or max(refs, default=-1) >= len(symbols):
        raise Fault("labels_refs: pairs of indexes of symbols are expected")
    texts: Iterable[str] = [symbols[ref] for ref in refs]
    given = iter(texts)
    return list(zip(given, given, strict=True))


def _kind(metric: str, said: int) -> Kind | None:
    """The kind, None where nothing is known: then the series stays what it is, a new one becomes a gauge."""
    if said == _COUNTER or (said in {0, _HISTOGRAM, _SUMMARY} and metric.endswith(_COUNTERS)):
        return Kind.COUNTER
    return None


def _nothing(_text: str) -> None:
    """Values are floats as they come: none is rounded."""
