"""History in InfluxDB by the piece: series that are read and written together, no more of them than memory bears."""

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import numpy as np

from monitor.series.columns import Float
from monitor.series.influx_read import FEW_TENANTS
from monitor.series.stored import MINUTE_US, Span, Who
from monitor.series.summaries import Mask, Minutes, Summaries


class Weighed(NamedTuple):
    """A series, and how many rows its part of a piece will have about."""

    id: int
    tenant_id: UUID
    metric: str
    counter: bool
    rows: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Series to be read by one query, or by `parts` of them, each for a part of the time. `metric`: the only one."""

    who: Who
    counter: Mask
    metric: str | None
    parts: int

    def spans(self, span: Span, *, width: int = MINUTE_US) -> list[Span]:
        """The span in parts of whole `width`s."""
        low, high = span
        each = -(-(high - low) // self.parts // width) * width
        return [(start, min(start + each, high)) for start in range(low, high, max(each, width))]


def pieces(series: Iterable[Weighed], limit: int) -> Iterator[Piece]:
    """Small tenants together, large ones metric by metric, so that a query finds little that is not wanted."""
    tenants: dict[UUID, list[Weighed]] = defaultdict(list)
    for one in series:
        tenants[one.tenant_id].append(one)
    some: list[Weighed] = []
    weight = count = 0
    for own in tenants.values():
        total = sum(one.rows for one in own)
        if total > limit:
            metrics: dict[str, list[Weighed]] = defaultdict(list)
            for one in own:
                metrics[one.metric].append(one)
            for metric, members in metrics.items():
                yield _piece(members, metric, limit)
            continue
        if some and (weight + total > limit or count == FEW_TENANTS):
            yield _piece(some, None, limit)
            some, weight, count = [], 0, 0
        some, weight, count = some + own, weight + total, count + 1
    if some:
        yield _piece(some, None, limit)


def _piece(series: Sequence[Weighed], metric: str | None, limit: int) -> Piece:
    ordered = sorted(series)
    return Piece(
        Who([one.tenant_id for one in ordered], np.array([one.id for one in ordered], np.int64)),
        np.array([one.counter for one in ordered], np.bool_),
        metric,
        max(1, -(-sum(one.rows for one in ordered) // limit)),
    )


def minute_lines(keys: Mapping[int, bytes], who: Who, made: Minutes) -> bytes:
    """Minutes as line protocol."""
    columns = {"count": made.count.astype(np.float64), "sum": made.sum, "min": made.min, "max": made.max}
    numbers = _numbers(columns)
    rows = zip(who.ids[made.series].tolist(), numbers, (made.minute * MINUTE_US).tolist(), strict=True)
    return b"\n".join([b"%b %b %d" % (keys[one], fields, at) for one, fields, at in rows if one in keys])


def rollup_lines(keys: Mapping[int, bytes], piece: Piece, made: Summaries, *, at_us: int) -> bytes:
    """Hours or days that begin at `at_us` as line protocol; `first` and `increase` of counters alone."""
    if made.histograms is None:
        raise ValueError("rollups carry histograms")
    counter = piece.counter[made.series]
    columns = {
        "count": made.count.astype(np.float64),
        "sum": made.sum,
        "sum_sq": made.ss,
        "min": made.min,
        "max": made.max,
        "last": made.last,
        "last_at": made.last_at.astype(np.float64),
        "first": np.where(counter, made.first, np.nan),
        "increase": np.where(counter, made.increase, np.nan),
    }
    stored = made.histograms.encode()
    lines = []
    bounds = zip(stored.widths.tolist(), stored.offsets.tolist(), stored.sizes.tolist(), strict=True)
    rows = zip(piece.who.ids[made.series].tolist(), _numbers(columns), bounds, strict=True)
    for one, fields, (width, low, size) in rows:
        if one in keys:
            text = base64.b64encode(bytes([width]) + stored.data[low : low + size])
            lines.append(b'%b %b,histogram="%b" %d' % (keys[one], fields, text, at_us))
    return b"\n".join(lines)


def _numbers(columns: Mapping[str, Float]) -> list[bytes]:
    """Fields of each row. A sum past all doubles has no place in InfluxDB: its field is left out."""
    whole = all(np.isfinite(column).all() for column in columns.values())
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    if whole:
        form = ",".join(f"{name}=%r" for name in columns)
        return [(form % row).encode() for row in rows]
    names = list(columns)
    return [
        ",".join(f"{name}={value!r}" for name, value in zip(names, row, strict=True) if np.isfinite(value)).encode()
        for row in rows
    ]
