"""The spool, full after an outage: how fast it goes to InfluxDB, against the same points written straight to it."""

import time
from datetime import timedelta
from uuid import UUID

import numpy as np

from monitor import clock as wall
from monitor.db import Role
from monitor.ids import microseconds
from monitor.pipeline import SET_TENANT, Pipeline
from monitor.series import drain, influx_buckets, spool
from monitor.series.catalogue import Catalogue
from monitor.series.columns import Int
from monitor.series.influx_client import Influx
from monitor.series.influx_write import lines_of
from monitor.series.store import Columns, SeriesName
from monitor.settings import Settings
from tests.bench.figure import Figure
from tests.factories import make_agent, make_tenant
from tests.points import Point, columns_of
from tests.servers.influx import InfluxServer
from tests.stage import Stage

SERIES = 1_000
ROWS_POINTS = 5_000


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Both ways in turns."""
    rounds, rows = (2, 20) if quick else (4, 100)
    server = await InfluxServer(stage.folder / "influx").start()
    influx = Influx(server.at.url, token=server.at.token, org=server.at.org, bucket="bench")
    try:
        await influx_buckets.ensure(influx, Settings())
        catalogue = Catalogue(stage.db)
        tenant = await make_tenant(stage.db)
        agent = await make_agent(stage.db, tenant.id, "a")
        names = [
            SeriesName(agent, f"metric_{number % 10}", (("n", str(number)),), None, None) for number in range(SERIES)
        ]
        prepared, _ = await columns_of(catalogue, tenant.id, [Point(name, 0, 0.0) for name in names])
        ids = np.sort(prepared.series_ids)
        keys = dict(await catalogue.keys(tenant.id, ids.tolist()))
        start = microseconds(wall.now() - timedelta(minutes=1))
        drained, straight = [], []
        for number in range(rounds):
            made = [_row(ids, start + (number * rows + row) * ROWS_POINTS // SERIES) for row in range(rows)]
            await _fill(stage, tenant.id, made)
            before = time.perf_counter()
            done = await drain.run_once(stage.db, influx, catalogue, wall.now())
            drained.append(done.points / (time.perf_counter() - before))
            assert done.points == rows * ROWS_POINTS
            made = [_row(ids, start - (number * rows + row + 1) * ROWS_POINTS // SERIES) for row in range(rows)]
            lines = [lines_of(keys, *(column.tolist() for column in row)) for row in made]
            before = time.perf_counter()
            for part in range(0, rows, 10):
                await influx.write(influx.buckets.raw, b"\n".join(lines[part : part + 10]))
            straight.append(rows * ROWS_POINTS / (time.perf_counter() - before))
    finally:
        await influx.close()
        server.kill()
    ours, base = sum(drained) / rounds, sum(straight) / rounds
    return [
        Figure("points out of the spool", ours, "/s"),
        Figure("the same straight to InfluxDB", base, "/s"),
        Figure("ratio", ours / base, least=0.5),
    ]


def _row(ids: Int, at_us: int) -> Columns:
    """One transaction's points: a few of every series, a microsecond apart."""
    each = ROWS_POINTS // SERIES
    at = np.tile(np.arange(at_us, at_us + each), SERIES)
    return Columns(np.repeat(ids, each), at, np.round(np.random.default_rng(at_us).lognormal(3, 1, len(at)), 3))


async def _fill(stage: Stage, tenant_id: UUID, rows: list[Columns]) -> None:
    async with stage.db.driver(Role.APP) as connection:
        pipeline = Pipeline(connection)
        for row in rows:
            async with pipeline:
                pipeline.add(SET_TENANT, tenant=str(tenant_id))
                spool.add(pipeline, tenant_id, row)
