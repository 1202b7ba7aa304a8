"""A query for p95 by agent over 30 days of hourly data from 200 agents, through HTTP."""

import time
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

import httpx
import numpy as np
import numpy.typing as npt

from monitor import clock as wall
from monitor.db import Role
from monitor.ids import microseconds
from monitor.series.catalogue import Catalogue
from monitor.series.columns import cursor, runs
from monitor.series.store import SeriesName
from monitor.series.stored import HOUR_US, Who
from monitor.series.summaries import Points, summarise
from monitor.series.upserts import Batch, write_rollups
from tests.bench.figure import Figure
from tests.factories import make_agent, make_tenant
from tests.stage import Stage

AGENTS = 200
DAYS = 30
POINTS_AN_HOUR = 60


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Hours and days as compaction stores them, then the same query many times."""
    times = 5 if quick else 20
    tenant = await make_tenant(stage.db)
    agents = [await make_agent(stage.db, tenant.id, f"agent-{number:03d}") for number in range(AGENTS)]
    names = [SeriesName(agent, "latency_ms", (), None, "ms") for agent in agents]
    ids = await Catalogue(stage.db).resolve(tenant.id, names)
    end = wall.now().replace(hour=0, minute=0, second=0, microsecond=0)
    await fill(stage, tenant.id, np.sort(np.array(ids, np.int64)), end)
    collector = await stage.collector().start()
    figures = []
    async with httpx.AsyncClient(base_url=collector.url, headers=tenant.headers, timeout=60) as client:
        for step, most in ((None, 200.0), ("1d", 200.0), ("1h", None)):
            asked = {"metric": "latency_ms", "reduce": "p95", "by": "agent", "start": "-30d"}
            if step is not None:
                asked["step"] = step
            spans = [await once(client, urlencode(asked)) for _ in range(times)]
            about = f"median, a value per {step} and agent" if step else "median, one value per agent"
            figures.append(Figure(about, float(np.median(spans)) * 1000, "ms", most=most))
            figures.append(Figure("its slowest", max(spans) * 1000, "ms"))
    return figures


async def once(client: httpx.AsyncClient, asked: str) -> float:
    """Seconds until the whole answer has arrived, which must have a line for every agent."""
    before = time.perf_counter()
    answer = await client.get(f"/api/v1/query?{asked}")
    seconds = time.perf_counter() - before
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["series"]) == AGENTS
    return seconds


async def fill(stage: Stage, tenant_id: UUID, ids: npt.NDArray[np.int64], end: datetime) -> None:
    """Thirty days of hours and days by the product's own summaries and statements, without their points."""
    chance = np.random.default_rng(3)
    who = Who([tenant_id] * AGENTS, ids)
    counter = np.zeros(AGENTS, np.bool_)
    async with stage.db.driver(Role.OWNER) as connection:
        for day in range(DAYS):
            day_us = microseconds(end - timedelta(days=DAYS - day))
            hours = [points_of(chance, day_us + hour * HOUR_US) for hour in range(24)]
            async with connection.transaction():
                cur = cursor(connection)
                for hour, points in enumerate(hours):
                    at_us = day_us + hour * HOUR_US
                    made = summarise(points, runs(points.series))
                    await write_rollups(cur, "rollups_hour", Batch(who, counter, at_us), at_us=at_us, made=made)
                whole = Points.join(hours)
                made = summarise(whole, runs(whole.series))
                await write_rollups(cur, "rollups_day", Batch(who, counter, day_us), at_us=day_us, made=made)
    await stage.vacuum()


def points_of(chance: np.random.Generator, hour_us: int) -> Points:
    """A latency of every agent each minute of an hour, spread as latencies are."""
    at = np.tile(hour_us + np.arange(POINTS_AN_HOUR) * (HOUR_US // POINTS_AN_HOUR), AGENTS)
    series = np.repeat(np.arange(AGENTS), POINTS_AN_HOUR)
    return Points(series, at, np.round(chance.lognormal(6, 0.6, len(at)), 1))
