"""Metrics over HTTP in 1,000-point batches, durable, against the same rows through the same upsert by psycopg alone."""

import itertools
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import psycopg
from sqlalchemy import select

from monitor import arrays
from monitor.agents.tables import Agent
from monitor.db import Role
from monitor.pipeline import SET_TENANT
from monitor.series.catalogue import Catalogue
from monitor.series.store import Columns
from monitor.series.write import UPSERT, unique_in_order
from tests.bench.client import Load, closed, lasting, request
from tests.bench.figure import Figure
from tests.bench.traffic import POINTS, Batches, series_columns
from tests.factories import TenantMade, make_tenant
from tests.stage import Program, Stage

CONNECTIONS = 4
GATHERED = 4
"""Batches a transaction of the psycopg run holds: what one group commit can gather from four connections."""


async def over_http(collector: Program, tenant: TenantMade, batches: Batches, seconds: float) -> Load:
    """Points as agents send them."""

    def make() -> bytes:
        return request(collector.url, "/api/v1/metrics", tenant.key, batches.body())

    load = await closed(collector.url, make, connections=CONNECTIONS, until=lasting(seconds))
    load.expect(202)
    return load


async def by_psycopg(
    stage: Stage, tenant: TenantMade, batches: Batches, columns: list[Columns], seconds: float
) -> float:
    """Points a second through the product's own statement on one connection, a transaction for four batches."""
    async with stage.db.driver(Role.APP) as connection:
        await connection.commit()
        cursor = psycopg.AsyncRawCursor(connection)
        started = time.perf_counter()
        until = lasting(seconds)
        for number in itertools.count(1):
            gathered = [batches.prepared(columns) for _ in range(GATHERED)]
            rows = unique_in_order(Columns(*map(np.concatenate, zip(*gathered, strict=True))))
            arrayed = (arrays.int8s(rows[0]), arrays.times(rows[1]), arrays.float8s(rows[2]))
            async with connection.pipeline(), connection.transaction():
                await cursor.execute(SET_TENANT.sql, [str(tenant.id)], prepare=True)
                await cursor.execute(UPSERT.sql, [tenant.id, *arrayed], prepare=True)
            if until(number):
                return number * GATHERED * POINTS / (time.perf_counter() - started)
    raise AssertionError


async def agents_of(stage: Stage, tenant: TenantMade) -> dict[str, UUID]:
    """The tenant's agents by external id."""
    async with stage.db.tenant(tenant.id) as connection:
        rows = await connection.execute(select(Agent.external_id, Agent.id).where(Agent.tenant_id == tenant.id))
        return {row.external_id: row.id for row in rows}


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Both ways in turns, so that a busy machine hurts both alike."""
    rounds, seconds = (2, 2.0) if quick else (4, 5.0)
    tenant = await make_tenant(stage.db)
    collector = await stage.collector().start()
    now = datetime.now(UTC)
    http, alone = Batches(now - timedelta(minutes=2)), Batches(now - timedelta(minutes=4))
    await over_http(collector, tenant, http, 1.0)
    catalogue = Catalogue(stage.db)
    columns = await series_columns(catalogue, tenant.id, await agents_of(stage, tenant))
    ours, psycopgs, latencies = [], [], []
    for _ in range(rounds):
        load = await over_http(collector, tenant, http, seconds)
        ours.append(load.rate * POINTS)
        latencies.append(load.percentile(99) * 1000)
        psycopgs.append(await by_psycopg(stage, tenant, alone, columns, seconds))
    mean, base = sum(ours) / rounds, sum(psycopgs) / rounds
    return [
        Figure("points over HTTP", mean, "/s", least=80_000),
        Figure("the same rows by psycopg alone", base, "/s"),
        Figure("ratio", mean / base, least=0.7),
        Figure("p99 of a batch", max(latencies), "ms"),
    ]
