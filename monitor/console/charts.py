"""The charts of the first page: latency and runs of the whole fleet, read from history."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from monitor.errors import InvalidInput
from monitor.series.store import Line, Query, Reducer, SeriesStore

LATENCY = "execution_duration_ms"
STATUS = "execution_status"
"""1 for a success, 0.5 for a warning, 0 for an error."""
RANGES: Mapping[str, tuple[timedelta, timedelta]] = {
    "1h": (timedelta(hours=1), timedelta(minutes=1)),
    "6h": (timedelta(hours=6), timedelta(minutes=5)),
    "24h": (timedelta(hours=24), timedelta(minutes=20)),
}


async def read_charts(series: SeriesStore, tenant_id: UUID, now: datetime, *, span: str) -> dict[str, Any]:
    """Points as [Unix seconds, value]; `span` is one of RANGES."""
    if span not in RANGES:
        raise InvalidInput(f"one of {', '.join(RANGES)} is expected", path="range")
    length, step = RANGES[span]
    # Steps that start at whole multiples, so that a minute's column does not shift from one look to the next.
    end = datetime.fromtimestamp(-(-now.timestamp() // step.total_seconds()) * step.total_seconds(), now.tzinfo)
    start = end - length

    def ask(metric: str, reduce: Reducer) -> Query:
        return Query(metric=metric, reduce=reduce, start=start, end=end, step=step)

    p50, p95, count, good = await asyncio.gather(
        series.query(tenant_id, ask(LATENCY, Reducer.P50)),
        series.query(tenant_id, ask(LATENCY, Reducer.P95)),
        series.query(tenant_id, ask(STATUS, Reducer.COUNT)),
        series.query(tenant_id, ask(STATUS, Reducer.SUM)),
    )
    succeeded = dict(_points(good))
    return {
        "start": start.timestamp(),
        "end": end.timestamp(),
        "p50": _points(p50),
        "p95": _points(p95),
        "good": sorted(succeeded.items()),
        # A warning counts half on each side.
        "failed": [(at, runs - succeeded.get(at, 0.0)) for at, runs in _points(count)],
    }


def _points(lines: Sequence[Line]) -> list[tuple[float, float]]:
    """The sum of the lines at each time."""
    sums: dict[float, float] = {}
    for line in lines:
        for at, value in line.points:
            sums[at.timestamp()] = sums.get(at.timestamp(), 0.0) + value
    return sorted(sums.items())
