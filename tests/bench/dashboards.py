"""Every panel's question on thirty days of a thousand agents, as Grafana's own role or token asks it: on PostgreSQL,
and what has a Flux twin on InfluxDB."""

import contextlib
import math
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import psycopg

from dashboards.every import EVERY
from dashboards.layout import Panel
from monitor import clock as wall
from monitor.ids import microseconds
from monitor.series import choice
from monitor.series.catalogue import Catalogue
from monitor.series.influx_client import Influx
from tests.bench.figure import Figure
from tests.bench.filled import DAYS, HOURLY, STATUS, Filled, fill, scale_of
from tests.bench.influx import BUCKET, settings_of
from tests.dashboards.grafana import ALL, View
from tests.servers.influx import InfluxAddress, InfluxServer, read_token
from tests.stage import Stage

STEP = timedelta(hours=1)
"""What Grafana makes of thirty days on a screen 1,000 points wide."""
SHOWN = 5
EMPTY = {
    "What waits, and since when", "Outages", "Who does what only one may do", "Rollups are behind", "Budgets", "Rules",
    "Open alerts, one by one", "Requests by day",
}  # fmt: skip
"""Panels that are about the present, of which there is none here."""
PATIENCE = 10_000.0
"""Milliseconds after which a slow one is not asked again."""
Ask = Callable[[Panel], Awaitable[None]]


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """One store after the other."""
    filled = await fill(stage, wall.now(), agents=100 if quick else 1000)
    times = 5 if quick else 20
    return [*await _postgres(stage, filled, times), *await _influx(stage, filled, times)]


async def _postgres(stage: Stage, filled: Filled, times: int) -> list[Figure]:
    url = stage.server.tcp_url("agent_monitor_grafana", stage.database)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:

        async def ask(panel: Panel) -> None:
            cursor = await connection.execute(view(filled, panel).sql(panel.query.sql).encode())
            assert await cursor.fetchall() or panel.title in EMPTY, panel.title

        return await measured("PostgreSQL", panels(), ask, times, most=200.0)


async def _influx(stage: Stage, filled: Filled, times: int) -> list[Figure]:
    server = await InfluxServer(stage.folder / "influx").start()
    try:
        await choice.prepare(settings_of(server.at))
        await _lines(stage, server.at, filled)
        token = await read_token(server.at, BUCKET)
        headers = {"Authorization": f"Token {token}"}
        async with httpx.AsyncClient(base_url=server.at.url, headers=headers, timeout=60) as client:

            async def ask(panel: Panel) -> None:
                body = {"query": view(filled, panel).flux(panel.query.flux or ""), "dialect": {"annotations": []}}
                answer = await client.post("/api/v2/query", params={"org": server.at.org}, json=body)
                assert answer.status_code == 200, (panel.title, answer.text)
                assert "line" in answer.text, (panel.title, answer.text)

            asked = [(name, panel) for name, panel in panels() if panel.query.flux is not None]
            return await measured("InfluxDB", asked, ask, times, most=1000.0)
    finally:
        await server.stop()


async def _lines(stage: Stage, at: InfluxAddress, filled: Filled) -> None:
    """The same points and days, as line protocol."""
    influx = Influx(at.url, token=at.token, org=at.org, bucket=BUCKET)
    keys = await Catalogue(stage.db).keys(filled.tenant.id, [one for made in filled.series.values() for one in made])
    day_us, hour_us, start = 86_400_000_000, 3_600_000_000, microseconds(filled.start)
    for metric, made in filled.series.items():
        for day in range(DAYS):
            days, points = [], []
            for n, one in enumerate(made):
                scale, at_us = scale_of(metric, n), start + day * day_us
                days.append(b"%b count=24,sum=%f,min=0,max=%f %d" % (keys[one], 22.5 * scale, scale, at_us))
                for hour in range(24 if metric in HOURLY else 0):
                    value = hour * 1000 + n if metric != STATUS else float((day * 24 + hour + n) % 20 > 0)
                    points.append(b"%b value=%f %d" % (keys[one], value, at_us + hour * hour_us + n * 1_000_000))
            await influx.write(influx.buckets.day, b"\n".join(days))
            if points:
                await influx.write(influx.buckets.raw, b"\n".join(points))
    await influx.close()


def panels() -> list[tuple[str, Panel]]:
    """Each question once, with the page and title that it stands under."""
    asked = {panel.query.sql: (f"{page.slug}: {panel.title}", panel) for page in EVERY for panel in page.panels}
    return list(asked.values())


def view(filled: Filled, panel: Panel) -> View:
    """Thirty days of everything, or of one agent where the question is of one."""
    chosen = {
        "tenant": str(filled.tenant.id), "agent": ALL, "agent_type": ALL, "model": ALL, "environment": ALL,
        "metric": "load", "of_agents": ALL, "bucket": BUCKET,
    }  # fmt: skip
    if panel in OF_ONE:
        chosen |= {"agent": filled.names[0], "of_agents": filled.names[0]}
    return View(filled.start, filled.end, STEP, chosen)


OF_ONE = {
    panel for page in EVERY if page.single for panel in page.panels
    if not any(panel.query is other.query for others in EVERY if not others.single for other in others.panels)
}  # fmt: skip
"""Panels that only a page of one agent has."""


async def measured(store: str, panels: list[tuple[str, Panel]], ask: Ask, times: int, *, most: float) -> list[Figure]:
    """The slowest panels by the 95th percentile, and how many miss the target."""
    taken: list[tuple[float, str]] = []
    for name, panel in panels:
        spans = []
        for _ in range(times):
            before = time.perf_counter()
            with contextlib.suppress(psycopg.errors.QueryCanceled):
                await ask(panel)
            spans.append((time.perf_counter() - before) * 1000)
            if sum(spans) > PATIENCE:
                break
        taken.append((sorted(spans)[math.ceil(0.95 * len(spans)) - 1], name))
    taken.sort(reverse=True)
    for slow, name in taken:
        print(f"{slow:9.1f} ms  {name}", file=sys.stderr)
    return [Figure(f"{store}, p95: {name}", slow, "ms", most=most) for slow, name in taken[:SHOWN]]
