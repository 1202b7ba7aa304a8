"""What charts draw: latency and runs of the fleet or of one agent, read from history, and what an agent used."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import InvalidInput
from monitor.series.store import Line, Query, Reducer, SeriesStore
from monitor.usage import hours
from monitor.usage.hours import Step

LATENCY = "execution_duration_ms"
STATUS = "execution_status"
"""1 for a success, 0.5 for a warning, 0 for an error."""
RANGES: Mapping[str, tuple[timedelta, timedelta]] = {
    "1h": (timedelta(hours=1), timedelta(minutes=1)),
    "6h": (timedelta(hours=6), timedelta(minutes=5)),
    "24h": (timedelta(hours=24), timedelta(minutes=20)),
    "7d": (timedelta(days=7), timedelta(hours=3)),
    "30d": (timedelta(days=30), timedelta(hours=12)),
}


def window(now: datetime, *, span: str) -> tuple[datetime, datetime, timedelta]:
    """From when to when a range of RANGES is drawn, and in which steps. Raises InvalidInput."""
    if span not in RANGES:
        raise InvalidInput(f"one of {', '.join(RANGES)} is expected", path="range")
    length, step = RANGES[span]
    # Steps that start at whole multiples, so that a minute's column does not shift from one look to the next.
    end = datetime.fromtimestamp(-(-now.timestamp() // step.total_seconds()) * step.total_seconds(), now.tzinfo)
    return end - length, end, step


async def read_charts(
    series: SeriesStore, tenant_id: UUID, now: datetime, *, span: str, agent_id: UUID | None = None
) -> dict[str, Any]:
    """Points as [Unix seconds, value], of all agents or of one; `span` is one of RANGES."""
    start, end, step = window(now, span=span)
    agent_ids = None if agent_id is None else (agent_id,)

    # One after the other: each may read every point of the last hours, and agents wait for the same cores.
    async def ask(metric: str, reduce: Reducer) -> list[tuple[float, float]]:
        wanted = Query(metric=metric, reduce=reduce, start=start, end=end, step=step, agent_ids=agent_ids)
        return _points(await series.query(tenant_id, wanted))

    latency = {reduce.value: await ask(LATENCY, reduce) for reduce in (Reducer.P50, Reducer.P95, Reducer.P99)}
    count, good = await ask(STATUS, Reducer.COUNT), dict(await ask(STATUS, Reducer.SUM))
    return {
        "start": start.timestamp(),
        "end": end.timestamp(),
        "step": step.total_seconds(),
        **latency,
        "good": sorted(good.items()),
        # A warning counts half on each side.
        "failed": [(at, runs - good.get(at, 0.0)) for at, runs in count],
    }


async def read_usage(
    connection: AsyncConnection, tenant_id: UUID, now: datetime, *, span: str, agent_id: UUID
) -> dict[str, Any]:
    """Tokens and US dollars of an agent as [Unix seconds, value]: by hour up to a day, by day (of UTC) beyond."""
    start, end, _step = window(now, span=span)
    step = Step.HOUR if end - start <= timedelta(days=1) else Step.DAY
    rows = await hours.read(
        connection, tenant_id, by=(), start=start, end=end, step=step, timezone="UTC", at_most=100, agent_id=agent_id
    )
    return {
        "usage_step": 3600 if step is Step.HOUR else 86400,
        "input": [(row["at"].timestamp(), row["input_tokens"]) for row in rows],
        "output": [(row["at"].timestamp(), row["output_tokens"]) for row in rows],
        "cost": [(row["at"].timestamp(), float(row["cost_usd"])) for row in rows],
    }


def _points(lines: Sequence[Line]) -> list[tuple[float, float]]:
    """The sum of the lines at each time."""
    sums: dict[float, float] = {}
    for line in lines:
        for at, value in line.points:
            sums[at.timestamp()] = sums.get(at.timestamp(), 0.0) + value
    return sorted(sums.items())
