"""A pass over 100,000 rules, one for each agent and metric, 1 % of them breaching at any time, others all the time,
while 10,000 points a second arrive; and Prometheus with the same rules on the same values."""

import asyncio
import contextlib
import itertools
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web
from sqlalchemy import TextClause, text

from tests.bench.alerting import Figures, add_agents, add_rule, mail_server
from tests.bench.client import Connection, closed, request
from tests.bench.figure import Figure
from tests.bench.values import CYCLE, METRICS, THRESHOLD, Bodies, Page, Values
from tests.factories import TenantMade, make_tenant
from tests.parts import found
from tests.prometheus.server import running
from tests.servers.process import Process, free_port
from tests.stage import Program, Stage, until

AGENTS, QUICK = 10_000, 1000
GROUPS = 100
PASSES, QUICK_PASSES = 12, 6
WARM = 90.0
"""Seconds until alerts fire that wait for a minute."""
READY = 1200.0
REDUCERS = ("last", "mean")
"""In turns, metric by metric."""
_TARGETS = text("SELECT count(*) FROM alert_targets")
_FIRING = text("SELECT count(*) FROM alerts WHERE resolved_at IS NULL")


async def run(stage: Stage, *, quick: bool, agents: int | None = None) -> list[Figure]:
    """First ours, then Prometheus: two cores are no room for both."""
    values = Values(agents or (QUICK if quick else AGENTS))
    passes = QUICK_PASSES if quick else PASSES
    ours, figures = await _ours(stage, values, passes)
    if found("prometheus") is None:
        print("prometheus is not on PATH: nothing to compare with", file=sys.stderr)
        return figures
    theirs, more = await _theirs(stage.folder / "prometheus", values, passes)
    return [*figures, *more, Figure("Prometheus' time a pass to ours", theirs / ours, least=5)]


class Used:
    """What a process uses between two looks at it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._before = self._seconds()

    def _seconds(self) -> float:
        root = psutil.Process(self._process.pid)
        times = [one.cpu_times() for one in [root, *root.children(recursive=True)]]
        return sum(one.user + one.system for one in times)

    def figures(self, whose: str, passes: int) -> list[Figure]:
        """CPU a pass since it was made, and memory now."""
        seconds = (self._seconds() - self._before) / passes
        return [
            Figure(f"{whose}: CPU a pass", seconds, "s"),
            Figure(f"{whose}: memory", self._process.memory() / 1e6, "MB"),
        ]


async def _ours(stage: Stage, values: Values, passes: int) -> tuple[float, list[Figure]]:
    tenant = await make_tenant(stage.db)
    await add_agents(stage, tenant.id, values.names)
    collector = await stage.collector().start()
    bodies = Bodies(values)
    first = await closed(
        collector.url, _sender(collector, tenant, bodies), connections=4, until=lambda sent: sent >= bodies.COUNT
    )
    first.expect(202)
    async with mail_server() as mailbox:
        alerter = await stage.alerter(free_port(), smtp_url=mailbox.url).start()
        await _add_rules(stage, tenant, len(values.names))
        await stage.vacuum()
        async with _arriving(collector, tenant, bodies) as arrived:
            await asyncio.sleep(WARM)
            figures, used = Figures(alerter), Used(alerter)
            async with figures.watching():
                before, started = len(arrived), time.monotonic()
                await until(lambda: len(figures.passes) >= passes, seconds=60 * passes)
                points = (len(arrived) - before) * bodies.points / (time.monotonic() - started)
            firing = await _number(stage, _FIRING)
            assert mailbox.arrived
        median = statistics.median(figures.passes)
        made = [
            Figure(f"{len(values.names) * METRICS:,} rules: median of {passes} passes", median, "s"),
            Figure("slowest pass", max(figures.passes), "s", most=1.5),
            *used.figures("alerter", passes),
            Figure("points that arrived meanwhile", points, "/s"),
            Figure("alerts that fire", firing, least=1),
        ]
        # Prometheus has the machine to itself, as we had.
        await alerter.stop()
        await collector.stop()
    return median, made


async def _add_rules(stage: Stage, tenant: TenantMade, agents: int) -> None:
    """All of them, and wait until the alerter knows them."""
    for number in range(METRICS):
        raw = {
            "name": f"m{number}",
            "conditions": {
                "metric": f"m{number}", "reduce": REDUCERS[number % 2], "window": "1m", "op": ">",
                "threshold": THRESHOLD,
            },
            "for": "1m",
            "channels": {"email": "ops@example.com"},
            "severity": "warning",
        }  # fmt: skip
        await add_rule(stage, tenant.id, raw, each=True)

    async def known() -> bool:
        return await _number(stage, _TARGETS) == agents * METRICS

    await until(known, seconds=READY, every=1)


async def _number(stage: Stage, statement: TextClause) -> int:
    async with stage.db.alerter() as connection:
        return int((await connection.execute(statement)).scalar_one())


def _sender(collector: Program, tenant: TenantMade, bodies: Bodies) -> Callable[[], bytes]:
    return lambda: request(collector.url, "/api/v1/metrics", tenant.key, bodies.body())


@contextlib.asynccontextmanager
async def _arriving(collector: Program, tenant: TenantMade, bodies: Bodies) -> AsyncIterator[list[float]]:
    """Every series gets a point every 10 s; when each request was answered."""
    arrived: list[float] = []
    make = _sender(collector, tenant, bodies)

    async def send() -> None:
        connection = await Connection.open(collector.url)
        started = time.monotonic()
        for number in itertools.count():
            await asyncio.sleep(started + number * CYCLE / bodies.COUNT - time.monotonic())
            status, said = await connection.send(make())
            assert status == 202, said
            arrived.append(time.monotonic())

    task = asyncio.create_task(send())
    try:
        yield arrived
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _theirs(folder: Path, values: Values, passes: int) -> tuple[float, list[Figure]]:
    async with _exporter(Page(values)) as port, running(folder, _configuration(folder, port, values)) as prometheus:
        await asyncio.sleep(WARM)
        used, sums = Used(prometheus), []
        for _ in range(passes):
            await asyncio.sleep(CYCLE)
            sums.append(await prometheus.figure("prometheus_rule_group_last_duration_seconds"))
        figures = used.figures("Prometheus", passes)
        firing = await prometheus.ask('count(ALERTS{alertstate="firing"})')
        missed = await prometheus.figure("prometheus_rule_group_iterations_missed_total")
    median = statistics.median(sums)
    return median, [
        Figure("Prometheus: its groups' time, median of a pass", median, "s"),
        *figures,
        Figure("Prometheus: passes of groups that were missed", missed),
        Figure("Prometheus: alerts that fire", float(firing[0]["value"][1]), least=1),
    ]


@contextlib.asynccontextmanager
async def _exporter(page: Page) -> AsyncIterator[int]:
    """Serves the page; its port."""
    app = web.Application()
    app.router.add_get("/metrics", page.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield int(runner.addresses[0][1])
    await runner.cleanup()


def _configuration(folder: Path, port: int, values: Values) -> dict[str, Any]:
    """One rule for each agent and metric, in groups of the same size."""
    rules = [
        {"alert": f"m{number} of {name}", "expr": _expression(number, name), "for": "1m"}
        for name in values.names
        for number in range(METRICS)
    ]
    size = len(rules) // GROUPS
    groups = [{"name": f"group {n}", "rules": rules[n * size : (n + 1) * size]} for n in range(GROUPS)]
    folder.mkdir(exist_ok=True)
    file = folder / "rules.yml"
    file.write_text(json.dumps({"groups": groups}))
    every = f"{CYCLE:.0f}s"
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": [str(file)],
        "scrape_configs": [{"job_name": "fleet", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
    }


def _expression(number: int, name: str) -> str:
    series = f'm{number}{{agent="{name}"}}'
    return f"{series if REDUCERS[number % 2] == 'last' else f'avg_over_time({series}[1m])'} > {THRESHOLD}"
