"""InfluxDB as the store: 5,000 points a request through the collector against the same line protocol written straight
to the server, and one reading of five minutes for the rules of 10,000 agents."""

import itertools
import statistics
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import text

from monitor import clock as wall
from monitor.ids import microseconds, uuid7
from monitor.series import choice
from monitor.series.catalogue import Catalogue
from monitor.series.influx import InfluxSeriesStore
from monitor.series.influx_client import Frame, Influx
from monitor.series.store import Reducer, Reduction, SeriesName
from monitor.settings import Settings
from tests.bench.client import Load, closed, lasting, request
from tests.bench.figure import Figure
from tests.bench.metrics import CONNECTIONS, agents_of
from tests.bench.traffic import GROUPS, POINTS, Batches, series_columns
from tests.factories import TenantMade, make_tenant
from tests.points import Point, columns_of
from tests.servers.influx import InfluxAddress, InfluxServer
from tests.stage import Program, Stage

BODIES = 5
"""Of 1,000 points: one request."""
AGENTS, TENANTS = 10_000, 10
WINDOW, EVERY = timedelta(minutes=5), timedelta(seconds=30)
BUCKET = "bench"
REDUCERS = (Reducer.MEAN, Reducer.MAX, Reducer.P95)


class Lines:
    """The bodies of `Batches` as line protocol."""

    def __init__(self, batches: Batches, series: list[tuple[list[bytes], list[float]]]) -> None:
        """`series`: keys and values of the points of each group."""
        self._batches = batches
        self._numbers = itertools.count()
        self._bodies = [
            b"\n".join(
                b"%b value=%a \0%d\0" % (key, value, n % 10) for n, (key, value) in enumerate(zip(*one, strict=True))
            )
            for one in series
        ]

    def body(self) -> bytes:
        """The next one."""
        number = next(self._numbers)
        body = self._bodies[number % GROUPS]
        for step, at_us in enumerate(self._batches.times_us(number)):
            body = body.replace(b"\0%d\0" % step, b"%d" % at_us)
        return body


class Counting(Influx):
    """Counts the queries that are sent."""

    queries = 0

    async def query(self, flux: str, **params: object) -> dict[str, Frame]:
        """As Influx does."""
        self.queries += 1
        return await super().query(flux, **params)


def settings_of(at: InfluxAddress) -> Settings:
    """Settings that name the server."""
    return Settings(influx_url=at.url, influx_token=at.token, influx_org=at.org, influx_bucket=BUCKET)


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """A server of its own for both."""
    server = await InfluxServer(stage.folder / "influx").start()
    try:
        settings = settings_of(server.at)
        await choice.prepare(settings)
        return [*await _writing(stage, server.at, quick=quick), *await _reducing(stage, server.at)]
    finally:
        await server.stop()


async def _writing(stage: Stage, at: InfluxAddress, *, quick: bool) -> list[Figure]:
    """Both ways in turns, so that a busy machine hurts both alike."""
    rounds, seconds = (2, 2.0) if quick else (4, 5.0)
    tenant = await make_tenant(stage.db)
    named = {"influx_url": at.url, "influx_token": at.token, "influx_org": at.org, "influx_bucket": BUCKET}
    collector = await stage.collector(**named).start()
    now = datetime.now(UTC)
    http, alone = Batches(now - timedelta(minutes=10)), Batches(now - timedelta(minutes=20))
    await _over_http(collector, tenant, http, 1.0)
    catalogue = Catalogue(stage.db)
    columns = await series_columns(catalogue, tenant.id, await agents_of(stage, tenant))
    keys = await catalogue.keys(tenant.id, {one for group in columns for one in group.series_ids.tolist()})
    lines = Lines(alone, [([keys[one] for one in g.series_ids.tolist()], g.values.tolist()) for g in columns])
    ours, direct, latencies = [], [], []
    for _ in range(rounds):
        load = await _over_http(collector, tenant, http, seconds)
        ours.append(load.rate * POINTS * BODIES)
        latencies.append(load.percentile(99) * 1000)
        direct.append((await _straight(at, lines, seconds)).rate * POINTS * BODIES)
    waiting = await _count(stage, "SELECT count(*) FROM spool")
    await collector.stop()
    mean, base = sum(ours) / rounds, sum(direct) / rounds
    return [
        Figure("points over HTTP", mean, "/s"),
        Figure("the same lines straight to InfluxDB", base, "/s"),
        Figure("ratio", mean / base, least=0.5),
        Figure("p99 of a request", max(latencies), "ms"),
        Figure("requests that went to the spool", waiting, most=0),
    ]


async def _over_http(collector: Program, tenant: TenantMade, batches: Batches, seconds: float) -> Load:
    def make() -> bytes:
        body = b"[%b]" % b",".join(batches.body()[1:-1] for _ in range(BODIES))
        return request(collector.url, "/api/v1/metrics", tenant.key, body)

    load = await closed(collector.url, make, connections=CONNECTIONS, until=lasting(seconds))
    load.expect(202)
    return load


async def _straight(at: InfluxAddress, lines: Lines, seconds: float) -> Load:
    path = f"/api/v2/write?{urlencode({'org': at.org, 'bucket': f'{BUCKET}_raw', 'precision': 'us'})}"

    def make() -> bytes:
        return request(at.url, path, at.token, b"\n".join(lines.body() for _ in range(BODIES)))

    load = await closed(at.url, make, connections=CONNECTIONS, until=lasting(seconds))
    load.expect(204)
    return load


async def _count(stage: Stage, sql: str) -> int:
    async with stage.db.owner() as connection:
        return int((await connection.execute(text(sql))).scalar_one())


async def _reducing(stage: Stage, at: InfluxAddress) -> list[Figure]:
    influx = Counting(at.url, token=at.token, org=at.org, bucket=BUCKET)
    catalogue = Catalogue(stage.db)
    store = InfluxSeriesStore(stage.db, influx, catalogue, wall.now)
    now = wall.now()
    targets = {}
    for _ in range(TENANTS):
        tenant = await make_tenant(stage.db)
        targets[tenant.id] = await _fleet(stage, influx, catalogue, tenant.id, now)
    figures, most = [], 0
    for reduce in REDUCERS:
        taken = []
        for _ in range(3):
            before, sent = time.perf_counter(), influx.queries
            found = await store.reduce(Reduction(metric="latency_ms", reduce=reduce, window=WINDOW), targets, now=now)
            taken.append(time.perf_counter() - before)
            most = max(most, influx.queries - sent)
            assert (len(found), found[0].count) == (AGENTS, WINDOW // EVERY)
        figures.append(Figure(f"{reduce} of {AGENTS:,} agents over 5 minutes", statistics.median(taken), "s", most=2.0))
    await store.close()
    return [*figures, Figure("queries a reading", most, most=1)]


async def _fleet(stage: Stage, influx: Influx, catalogue: Catalogue, tenant_id: UUID, now: datetime) -> list[UUID]:
    """A tenant's share of the agents, each with a point every 30 seconds."""
    ids = [uuid7(now) for _ in range(AGENTS // TENANTS)]
    async with stage.db.tenant(tenant_id) as connection:
        await connection.execute(
            text(
                "INSERT INTO agents (tenant_id, id, external_id, name, agent_type, ping_token) "
                "SELECT :tenant, id, id, id, 'coder', id FROM unnest(CAST(:ids AS uuid[])) AS n (id)"
            ),
            {"tenant": tenant_id, "ids": ids},
        )
    start = microseconds(now - WINDOW)
    names = [SeriesName(one, "latency_ms", (("model", "small"),), None, "ms") for one in ids]
    prepared, refused = await columns_of(catalogue, tenant_id, [Point(name, start, 1.0) for name in names])
    assert refused == []
    keys = await catalogue.keys(tenant_id, prepared.series_ids.tolist())
    step = EVERY // timedelta(microseconds=1)
    lines = [
        b"%b value=%d %d" % (key, n + number, start + n * step)
        for number, key in enumerate(keys.values())
        for n in range(WINDOW // EVERY)
    ]
    await influx.write(influx.buckets.raw, b"\n".join(lines))
    return ids
