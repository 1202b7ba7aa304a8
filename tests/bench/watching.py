"""Logs at half of what the collector takes, with 200 browsers on the first page and without."""

import asyncio
import contextlib
import json
import statistics
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.bench.client import Load, paced
from tests.bench.figure import Figure
from tests.bench.logs import CONNECTIONS, fastest, posts
from tests.bench.viewers import BOARD, CHART, CHARTS
from tests.factories import TenantMade, make_tenant
from tests.servers.process import Process
from tests.stage import ROOT, Program, Stage

VIEWERS = 200


@dataclass
class Round:
    """Logs without and with viewers, the collector's memory in bytes, and what the viewers had in all.

    `before` is after one has looked: reading the last hour for a chart takes what it takes, however many look.
    """

    alone: Load
    watched: Load
    before: int
    after: int
    had: dict[str, int]


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Rounds of both in turns; the viewers are a process of their own."""
    rounds, seconds = (2, 5.0) if quick else (4, 15.0)
    tenant = await make_tenant(stage.db)
    collector = await stage.collector().start()
    await fastest(collector, tenant, stage.folder, 4.0)
    most = await fastest(collector, tenant, stage.folder, seconds)
    made = [await turn(stage, collector, tenant, rate=most / 2, seconds=seconds) for _ in range(rounds)]
    ratio = statistics.mean(one.watched.rate for one in made) / statistics.mean(one.alone.rate for one in made)
    tails = [statistics.median(load.percentile(99) for load in loads) for loads in zip(*pairs(made), strict=True)]
    return [
        Figure("logs at most", most, "/s"),
        Figure("of half of that, alone", statistics.mean(one.alone.rate for one in made), "/s"),
        Figure(f"with {VIEWERS} viewers, of what there was without", ratio, least=0.9),
        Figure("p99 alone", tails[0] * 1000, "ms"),
        Figure("p99 with them", tails[1] * 1000, "ms"),
        Figure("news told in all", sum(one.had["news"] for one in made), least=VIEWERS * rounds),
        Figure("pages sent", sum(one.had.get(BOARD, 0) for one in made), least=VIEWERS * rounds),
        Figure("charts sent", sum(one.had.get(CHARTS.partition("?")[0], 0) for one in made)),
        Figure("memory with one of them", made[-1].before / 1e6, "MB"),
        Figure("more of it with all", max(one.after - one.before for one in made) / 1e6, "MB", most=60),
    ]


def pairs(made: list[Round]) -> list[tuple[Load, Load]]:
    """The loads of each round."""
    return [(one.alone, one.watched) for one in made]


async def turn(stage: Stage, collector: Program, tenant: TenantMade, *, rate: float, seconds: float) -> Round:
    """One round."""
    make = posts(collector, tenant)
    alone = await paced(collector.url, make, rate=rate, seconds=seconds, connections=CONNECTIONS)
    async with viewers(stage, collector, tenant, 1):
        await asyncio.sleep(CHART)
    before = collector.memory()
    async with viewers(stage, collector, tenant, VIEWERS) as had:
        watched = await paced(collector.url, make, rate=rate, seconds=seconds, connections=CONNECTIONS)
        after = collector.memory()
    for load in (alone, watched):
        load.expect(202)
    assert set(had) <= {"news", "beat", "bytes", "streams ended", BOARD, CHARTS.partition("?")[0]}, had
    return Round(alone, watched, before, after, had)


@contextlib.asynccontextmanager
async def viewers(stage: Stage, collector: Program, tenant: TenantMade, how_many: int) -> AsyncIterator[dict[str, int]]:
    """They look from a second before the body to its end; what they had is known after it."""
    log = stage.folder / "viewers.log"
    log.write_bytes(b"")
    program = Process([sys.executable, "-m", "tests.bench.viewers", collector.url, tenant.key, str(how_many)], log=log)
    program.cwd = ROOT
    had: dict[str, int] = {}
    await program.start()
    try:
        await asyncio.sleep(3)
        yield had
        program.check()
    finally:
        await program.stop()
    had |= json.loads([line for line in log.read_text().splitlines() if line.startswith("{")][-1])
