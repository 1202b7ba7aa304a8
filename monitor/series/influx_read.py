"""Reading history from InfluxDB: single points and rollups of some series, as `gather` asks for them.

What a caller calls things reaches InfluxDB as bound parameters alone; which series are meant was found in the
catalogue, and whatever else a scan brings along is dropped by its `_id`. All rows come as one table: InfluxDB
takes longer for a table for each series than for ten points of it.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.ids import from_microseconds
from monitor.series.columns import Cursor, Float, Int
from monitor.series.histogram import Histograms
from monitor.series.influx_client import Frame, Influx
from monitor.series.influx_line import measurement
from monitor.series.source import Fresh, hour_keys
from monitor.series.stored import DAY_US, HOUR_US, MINUTE_US, SCALARS, Each, Span, Spans, Which, Who
from monitor.series.summaries import Mask, Points, Summaries

FEW_SERIES = 100
FEW_TENANTS = 50
FEW_SPANS = 24
_MINUTE_BITS = 26  # minutes since the epoch fit until the year 2097
_EMPTY = b"\0"
_UNTIL = "SELECT until FROM rollup_progress WHERE level = 'hour'"
_DIRTY = """
    SELECT d.series_id, d.hour FROM unnest(%s, %s) AS w (tenant_id, series_id)
    JOIN rollup_dirty d USING (tenant_id, series_id) WHERE d.hour >= %s AND d.hour < %s
"""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What rollups lack: whole hours from `until_us` on, and before it the hours `at` of the series in `rows`."""

    until_us: int
    rows: Int
    at: Int


async def unsettled(cur: Cursor, who: Who, span: Span) -> Unsettled:
    """What PostgreSQL knows about the rollups of a span."""
    await cur.execute(_UNTIL)
    row = await cur.fetchone()
    bounds = [from_microseconds(span[0] // HOUR_US * HOUR_US), from_microseconds(span[1])]
    await cur.execute(_DIRTY, [*who.all, *bounds], prepare=False)
    ids, hours = np.array(await cur.fetchall(), np.int64).reshape(-1, 2).T
    return Unsettled(0 if row is None else row[0], who.rows(ids), hours)


@dataclass(frozen=True, slots=True)
class Scan:
    """Flux that reads some series: its text holds nothing but our own words, numbers and ids."""

    influx: Influx
    who: Who
    metric: str | None

    async def read(
        self, bucket: str, spans: Sequence[Span], steps: Mapping[str, str], *, rows: Int | None = None
    ) -> dict[str, list[Frame]]:
        """Every span through each of the `steps`, in one query: what came, under the steps' name. `rows`: of these
        series at least."""
        text = [self._source(rows)]
        for name, then in steps.items():
            for number, (low, high) in enumerate(spans):
                data = f"data(start: {time_literal(low)}, stop: {time_literal(high)})"
                text.append(f'{data} {then} |> yield(name: "{name}.{number}")')
        parameters = {"bucket": bucket} | ({} if self.metric is None else {"metric": measurement(self.metric)})
        found = await self.influx.query("\n".join(text), **parameters)
        return {name: [frame for key, frame in found.items() if key.startswith(f"{name}.")] for name in steps}

    def _source(self, rows: Int | None) -> str:
        ids = self.who.ids if rows is None else self.who.ids[np.unique(rows)]
        tests = [] if self.metric is None else ["r._measurement == metric"]
        tenants = set(self.who.tenants)
        if len(tenants) <= FEW_TENANTS:
            tests.append(_either("tenant", map(str, tenants)))
        if len(ids) <= FEW_SERIES:
            tests.append(_either("_id", map(str, ids.tolist())))
        return "data = (start, stop) => from(bucket: bucket) |> range(start: start, stop: stop)" + "".join(
            f" |> filter(fn: (r) => {test})" for test in tests
        )

    def known(self, frame: Frame) -> tuple[Int, Mask]:
        """The row of each line of a frame, and which of them are ours."""
        ids = frame.ints("_id")
        rows = np.minimum(self.who.rows(ids), len(self.who.ids) - 1)
        return rows, self.who.ids[rows] == ids


def _either(tag: str, values: Iterable[str]) -> str:
    return " or ".join(f'r.{tag} == "{value}"' for value in sorted(values))


def time_literal(at_us: int) -> str:
    """A time in Flux."""
    return from_microseconds(at_us).isoformat().replace("+00:00", "Z")


def _spans(which: Which) -> list[Span]:
    """Spans that hold what is asked for; few of them, so that they may hold more."""
    if isinstance(which, Spans):
        pairs = sorted(which.spans)
    elif isinstance(which, Each):
        pairs = [(at, at + HOUR_US) for at in np.unique(which.at).tolist()]
    else:
        pairs = sorted(set(zip(which.low.tolist(), which.high.tolist(), strict=True)))
    merged: list[Span] = []
    for low, high in pairs:
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return merged if len(merged) <= FEW_SPANS else [(merged[0][0], merged[-1][1])]


def _asked(which: Which, rows: Int, at: Int) -> Mask:
    """Which of these rows and times were asked for."""
    if isinstance(which, Spans):
        inside = np.zeros(len(at), np.bool_)
        for low, high in which.spans:
            inside |= (at >= low) & (at < high)
        return inside
    if isinstance(which, Each):
        return np.isin(hour_keys(rows, at), hour_keys(which.rows, which.at))
    starts, ends = hour_keys(which.rows, which.low), hour_keys(which.rows, which.high)
    order = np.argsort(starts)
    keys = hour_keys(rows, at)
    place = np.searchsorted(starts[order], keys, side="right") - 1
    return (place >= 0) & (keys < ends[order][place])


class InfluxSource:
    """Single points of some series from the raw bucket, rollups from the others."""

    def __init__(self, influx: Influx, who: Who, *, metric: str | None, left: Unsettled | None = None) -> None:
        """`metric` None: series of several. `left` None: nothing is asked for but single points."""
        self.who = who
        self._buckets = influx.buckets
        self._scan = Scan(influx, who, metric)
        self._left = left

    async def fresh(self, span: Span) -> Fresh:
        """No points are read yet: the dirty hours are known from PostgreSQL."""
        if self._left is None:
            return Fresh(Points.join([]), np.zeros(0, np.int64))
        first = max(span[0] // HOUR_US * HOUR_US, self._left.until_us)
        open_hours = np.arange(first, span[1], HOUR_US)
        n = len(self.who.ids)
        every = hour_keys(np.repeat(np.arange(n), len(open_hours)), np.tile(open_hours, n))
        return Fresh(Points.join([]), np.union1d(every, hour_keys(self._left.rows, self._left.at)))

    async def points(self, which: Which) -> Points:
        """One query."""
        steps = '|> filter(fn: (r) => r._field == "value") |> group() |> keep(columns: ["_id", "_time", "_value"])'
        rows = None if isinstance(which, Spans) else which.rows
        found = await self._scan.read(self._buckets.raw, _spans(which), {"points": steps}, rows=rows)
        parts: list[Points] = []
        for frame in found["points"]:
            numbers, ours = self._scan.known(frame)
            parts.append(Points(numbers, frame.times("_time"), frame.floats("_value")).where(ours))
        return Points.join(parts)

    async def rollups(self, width: int, which: Which, *, scalars: Sequence[str], histograms: bool) -> Summaries:
        """One query. A number that InfluxDB cannot hold, as it is past all doubles, is missing there: NaN."""
        bucket = {MINUTE_US: self._buckets.minute, HOUR_US: self._buckets.hour, DAY_US: self._buckets.day}[width]
        fields = {name: "sum_sq" if name == "ss" else name for name in {"count", *scalars}}
        if width == MINUTE_US:
            fields.pop("last_at", None)
        steps = {"numbers": _rollup_steps(fields.values())}
        if histograms:
            steps["histograms"] = _rollup_steps(["histogram"])
        rows = None if isinstance(which, Spans) else which.rows
        found = await self._scan.read(bucket, _spans(which), steps, rows=rows)
        keys, numbers = self._pivot(found["numbers"], which, fields)
        row, at = _row_and_time(keys)
        columns: dict[str, Any] = {name: np.zeros(len(keys)) for name in SCALARS} | numbers
        for name in ("count", "last_at"):
            columns[name] = columns[name].astype(np.int64)
        if width == MINUTE_US:
            columns["last_at"] = at
        made = self._histograms(found["histograms"], keys) if histograms else None
        return Summaries(series=row, at=at, histograms=made, **columns)

    def _pivot(self, frames: list[Frame], which: Which, fields: Mapping[str, str]) -> tuple[Int, dict[str, Float]]:
        """A key for each row and time, ascending, and its numbers by name."""
        keys, names, values = [np.zeros(0, np.int64)], [np.zeros(0, np.bytes_)], [np.zeros(0)]
        for frame in frames:
            found, ours = self._keys(frame)
            ours &= _asked(which, *_row_and_time(found))
            keys.append(found[ours])
            names.append(np.array(frame.columns["_field"], np.bytes_)[ours])
            values.append(frame.floats("_value")[ours])
        distinct, place = np.unique(np.concatenate(keys), return_inverse=True)
        name, value = np.concatenate(names), np.concatenate(values)
        columns: dict[str, Float] = {}
        for column, field in fields.items():
            columns[column] = np.full(len(distinct), np.nan)
            here = name == field.encode()
            columns[column][place[here]] = value[here]
        whole = ~np.isnan(columns["count"])
        return distinct[whole], {column: numbers[whole] for column, numbers in columns.items()}

    def _keys(self, frame: Frame) -> tuple[Int, Mask]:
        rows, ours = self._scan.known(frame)
        return rows << _MINUTE_BITS | frame.times("_time") // MINUTE_US, ours

    def _histograms(self, frames: list[Frame], keys: Int) -> Histograms:
        stored = [_EMPTY] * len(keys)
        for frame in frames:
            found, ours = self._keys(frame)
            ours &= np.isin(found, keys)
            texts = frame.columns["_value"]
            for place, index in zip(
                np.searchsorted(keys, found[ours]).tolist(), np.flatnonzero(ours).tolist(), strict=True
            ):
                stored[place] = base64.b64decode(texts[index])
        return Histograms.decode(b"".join(stored), np.array([len(one) for one in stored], np.int64))


def _row_and_time(keys: Int) -> tuple[Int, Int]:
    return keys >> _MINUTE_BITS, (keys & (1 << _MINUTE_BITS) - 1) * MINUTE_US


def _rollup_steps(fields: Iterable[str]) -> str:
    test = _either("_field", fields)
    return f'|> filter(fn: (r) => {test}) |> group() |> keep(columns: ["_id", "_time", "_field", "_value"])'
