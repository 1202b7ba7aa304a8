"""The charts of the first page: latency and runs of the whole fleet, read from history."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from monitor.errors import InvalidInput
from monitor.series.store import Line, Query, Reducer, SeriesStore

LATENCY = "duration_ms"
RUNS = "executions"
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

    def ask(metric: str, reduce: Reducer, *by: str) -> Query:
        return Query(metric=metric, reduce=reduce, start=start, end=end, step=step, by=by)

    p50, p95, runs = await asyncio.gather(
        series.query(tenant_id, ask(LATENCY, Reducer.P50)),
        series.query(tenant_id, ask(LATENCY, Reducer.P95)),
        series.query(tenant_id, ask(RUNS, Reducer.SUM, "status")),
    )
    failed = [line for line in runs if line.labels.get("status") == "error"]
    good = [line for line in runs if line.labels.get("status") != "error"]
    return {
        "start": start.timestamp(),
        "end": end.timestamp(),
        "p50": _points(p50),
        "p95": _points(p95),
        "good": _points(good),
        "failed": _points(failed),
    }


def _points(lines: Sequence[Line]) -> list[tuple[float, float]]:
    """The sum of the lines at each time."""
    sums: dict[float, float] = {}
    for line in lines:
        for at, value in line.points:
            sums[at.timestamp()] = sums.get(at.timestamp(), 0.0) + value
    return sorted(sums.items())
