"""Writing points to InfluxDB, inside the PostgreSQL transaction that acknowledges them.

Points go to InfluxDB before the commit. While it cannot take them, a row of the spool in the same transaction takes
their place (spool.py).
"""

import asyncio
import re
import time
from collections.abc import Mapping
from itertools import chain, compress, repeat
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import structlog

from monitor import arrays
from monitor.clock import Clock
from monitor.errors import SeriesDown, SeriesRefused
from monitor.ids import microseconds
from monitor.pipeline import Pipeline, Statement
from monitor.series import spool
from monitor.series.catalogue import Catalogue
from monitor.series.columns import Int
from monitor.series.influx_client import Influx, Refusal
from monitor.series.store import Columns
from monitor.series.stored import HOUR_US
from monitor.series.write import unique_in_order

# Seconds: what a write may take, and what it may take longer for each point.
WAIT = 2.0
WAIT_POINT = 1 / 20_000
# After a failure InfluxDB is left alone, this many times as long as the failure took: each attempt holds up a commit.
RESTS = 5.0
SHORTEST_REST, LONGEST_REST = 1.0, 15.0
_SAID = 300
_EXPIRED = "points beyond retention policy"
_ON_MEASUREMENT = re.compile(r'on measurement "((?:\\.|[^"\\])*)" is type')
_ON_SERIES = re.compile(r"_id=(\d+)")
_MEASUREMENT = re.compile(rb"(?:\\.|[^,\\])*")
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger(__name__)

MARK = Statement(
    "INSERT INTO rollup_dirty AS old (tenant_id, series_id, hour) "
    "SELECT :tenant::uuid, n.series_id, n.hour FROM unnest(:series::bigint[], :hours::timestamptz[]) "
    "AS n (series_id, hour) ORDER BY n.series_id, n.hour "
    "ON CONFLICT (tenant_id, series_id, hour) DO UPDATE SET marks = old.marks + 1"
)
"""Hours to be rolled up again. In order of the key, so that nobody deadlocks."""


class InfluxWriter:
    """Writes the points of one process."""

    def __init__(self, influx: Influx, catalogue: Catalogue, clock: Clock) -> None:
        """`clock` says which hours are over."""
        self._influx = influx
        self._catalogue = catalogue
        self._clock = clock
        self._rest_until = 0.0

    async def write(self, pipeline: Pipeline, tenant_id: UUID, points: Columns) -> None:
        """See SeriesStore. Takes as long as InfluxDB, but at most a little more than two seconds."""
        points = unique_in_order(points)
        if not len(points.values):
            return
        # This sends all that was added so far: what PostgreSQL refuses must not be in InfluxDB.
        waits = await spool.waits(pipeline, tenant_id)
        if waits or time.monotonic() < self._rest_until or not await self._posted(tenant_id, points):
            spool.add(pipeline, tenant_id, points)
            return
        series, hours = late_hours(points, before=microseconds(self._clock()) // HOUR_US * HOUR_US)
        if len(series):
            pipeline.add(MARK, tenant=tenant_id, series=arrays.int8s(series), hours=arrays.times(hours))

    async def _posted(self, tenant_id: UUID, points: Columns) -> bool:
        started = time.monotonic()
        try:
            refused = await post(self._influx, self._catalogue, tenant_id, points)
        except SeriesDown as fault:
            ended = time.monotonic()
            rest = min(max(SHORTEST_REST, RESTS * (ended - started)), LONGEST_REST)
            self._rest_until = ended + rest
            _log.warning("points wait in the spool", error=fault.message, rest=round(rest, 1))
            return False
        if refused:
            raise SeriesRefused(refused)
        return True


def late_hours(points: Columns, *, before: int) -> tuple[Int, Int]:
    """Series and hours, ordered and each once, of the points that are older than `before`, all in microseconds."""
    series, at, _values = points
    late = at < before
    if not late.any():
        return series[:0], at[:0]
    pairs = np.unique(np.stack([series[late], at[late] // HOUR_US * HOUR_US], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


async def post(influx: Influx, catalogue: Catalogue, tenant_id: UUID, points: Columns) -> dict[int, str]:
    """Write points, and return which series InfluxDB will never take and why; all others' points are written then.

    Points of series that are no longer in the catalogue, and points older than the bucket keeps them, are passed
    over. Raises SeriesDown when a later attempt may succeed; some may be written then.
    """
    series, at, values = points
    keys = dict(await catalogue.keys(tenant_id, np.unique(series).tolist()))
    refused: dict[int, str] = {}
    wait = WAIT + WAIT_POINT * len(series)
    while keys:
        lines = lines_of(keys, series.tolist(), at.tolist(), values.tolist())
        try:
            async with asyncio.timeout(wait):
                await influx.write(influx.buckets.raw, lines)
        except TimeoutError:
            raise SeriesDown(f"InfluxDB did not take {len(series):,} points within {wait:.1f} s") from None
        except Refusal as fault:
            bad = _meant(fault.message, keys)
            if not bad and _EXPIRED in fault.message:
                return refused
            # Where nobody can tell which it means, none can be written.
            for one in bad or list(keys):
                refused[one] = f"metric: InfluxDB refuses it for good: {fault.message[:_SAID]}"
                del keys[one]
        else:
            return refused
    return refused


def lines_of(keys: Mapping[int, bytes], series: list[int], at: list[int], values: list[float]) -> bytes:
    """Points as line protocol; those of series without a key are passed over."""
    if not keys.keys() >= set(series):
        known = [one in keys for one in series]
        series, at, values = [*compress(series, known)], [*compress(at, known)], [*compress(values, known)]
    # As JSON writes them, which is three times as fast as formatting each.
    numbers, times = (_encode(column)[1:-1].split(b",") for column in (values, at))
    heads = {one: key + b" value=" for one, key in keys.items()}
    rows = zip(map(heads.__getitem__, series), numbers, repeat(b" "), times, repeat(b"\n"))  # two never end
    return b"".join(chain.from_iterable(rows))[:-1]


def _meant(message: str, keys: Mapping[int, bytes]) -> list[int]:
    """The series that a refusal names, by measurement or by one of its lines."""
    ids = {int(found) for found in _ON_SERIES.findall(message)}
    # As Go quotes texts; no measurement of ours has a backslash of its own.
    measurements = {found.replace('\\"', '"').encode() for found in _ON_MEASUREMENT.findall(message)}
    return [one for one, key in keys.items() if one in ids or (measurements and _measurement(key) in measurements)]


def _measurement(key: bytes) -> bytes:
    found: Any = _MEASUREMENT.match(key)
    name: bytes = found[0]
    return name.replace(b"\\,", b",").replace(b"\\ ", b" ")
