"""A fleet with known executions, points, alerts and heartbeats, and the two stores that hold it."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import text

from dashboards.queries.base import VARIABLES, Query
from monitor.db import Database, Role
from monitor.embedded import EmbeddedPostgres
from monitor.ids import microseconds, uuid7
from monitor.pipeline import SET_TENANT, Pipeline
from monitor.series import rollup
from monitor.series.influx_line import key_of
from monitor.series.postgres import PostgresSeriesStore
from monitor.series.store import Kind, SeriesName, Tags
from tests.dashboards.grafana import ALL, View
from tests.factories import TenantMade, make_agent, make_tenant
from tests.points import Point, columns_of
from tests.servers.fixtures import Influx
from tests.servers.influx import InfluxAddress, read_token

Lines = dict[str, dict[datetime, float]]
MINUTE = timedelta(minutes=1)
ODD = "o'br$re$ien/1.(x)|[y]\\"
"""An agent's name that would end any literal it is put into without care."""


@dataclass(frozen=True)
class Grafana:
    """Both data sources as Grafana holds them, and the view that the tests look through."""

    url: str
    tenant: TenantMade
    view: View

    def choose(self, **chosen: str | list[str]) -> "Grafana":
        """The same with other values of variables."""
        view = View(self.view.start, self.view.end, self.view.step, {**self.view.chosen, **chosen})
        return Grafana(self.url, self.tenant, view)

    async def sql(self, query: str) -> list[dict[str, Any]]:
        """The rows that PostgreSQL answers to Grafana's own role."""
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True, row_factory=dict_row) as connection:
            cursor = await connection.execute(self.view.sql(query).encode())
            return await cursor.fetchall()


async def answered(grafana: Grafana, query: Query) -> Lines:
    """Values by line and time: named by the column `metric`, else by the columns themselves."""
    found: Lines = {}
    for row in await grafana.sql(query.sql):
        time = row.pop("time")
        at = time if isinstance(time, datetime) else datetime.fromtimestamp(float(time), UTC)
        named = {row.pop("metric"): row.pop("value")} if "metric" in row else row
        for line, value in named.items():
            found.setdefault(line, {})[at] = float(value)
    return found


@dataclass(frozen=True)
class Flux:
    """InfluxDB as Grafana asks it."""

    at: Influx
    headers: Mapping[str, str]
    reading: dict[str, str]
    """The headers of a token that may read these buckets and nothing else, once they are there."""

    async def buckets(self) -> None:
        """Make the buckets that the dashboards read."""
        async with httpx.AsyncClient(base_url=self.at.url, headers=self.headers, timeout=60) as client:
            organizations = (await client.get("/api/v2/orgs", params={"org": self.at.org})).raise_for_status().json()
            for kind in ("raw", "hour", "day"):
                body = {"name": f"{self.at.bucket}_{kind}", "orgID": organizations["orgs"][0]["id"]}
                (await client.post("/api/v2/buckets", json=body)).raise_for_status()
        token = await read_token(InfluxAddress(self.at.url, self.at.token, self.at.org), self.at.bucket)
        self.reading["Authorization"] = f"Token {token}"

    async def write(self, bucket: str, lines: list[str]) -> None:
        """Write line protocol with times in microseconds."""
        words = {"org": self.at.org, "bucket": f"{self.at.bucket}_{bucket}", "precision": "us"}
        async with httpx.AsyncClient(base_url=self.at.url, headers=self.headers, timeout=60) as client:
            answer = await client.post("/api/v2/write", params=words, content="\n".join(lines))
            assert answer.status_code == 204, answer.text

    async def lines(self, query: str, grafana: Grafana) -> Lines:
        """Values by line and time. Each record has the columns that make Grafana see lines (flux/builder.go)."""
        body = {"query": grafana.choose(bucket=self.at.bucket).view.flux(query), "dialect": {"annotations": []}}
        async with httpx.AsyncClient(base_url=self.at.url, headers=self.reading, timeout=60) as client:
            answer = await client.post("/api/v2/query", params={"org": self.at.org}, json=body)
        assert answer.status_code == 200, answer.text
        found: Lines = {}
        for part in answer.text.replace("\r\n", "\n").split("\n\n"):
            for row in csv.DictReader(io.StringIO(part)):
                assert "error" not in row, answer.text
                assert row["_measurement"] == "line"
                at = datetime.fromisoformat(row["_time"])
                found.setdefault(row["_field"], {})[at] = float(row["_value"])
        return found


@dataclass(frozen=True)
class Fleet:
    """What was put in: the beginning of the span, an hour boundary, and each agent's id by name."""

    grafana: Grafana
    start: datetime
    agents: Mapping[str, UUID]
    points: tuple[tuple[str, Point], ...]

    def at(self, line: Mapping[int, float]) -> dict[datetime, float]:
        """Values by time, given by minute of the span."""
        return {self.start + minute * MINUTE: value for minute, value in line.items()}


@pytest.fixture
async def fleet(postgres: EmbeddedPostgres, database_name: str, db: Database) -> Fleet:
    """Three agents of one tenant, one of another with the same name, two hours ago; executions and nothing else."""
    one, two = await make_tenant(db), await make_tenant(db)
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    agents = {name: await make_agent(db, one.id, name) for name in ("akira-001", ODD)}
    agents["shop"] = await make_agent(db, one.id, "shop", agent_type="seller")
    theirs = await make_agent(db, two.id, "akira-001")
    async with db.owner() as owner:
        for tenant, agent, minute, status, duration in (
            (one.id, agents["akira-001"], 1, "success", 100), (one.id, agents["akira-001"], 1.5, "error", 300),
            (one.id, agents["akira-001"], 7, "success", 200), (one.id, agents[ODD], 2, "error", 900),
            (one.id, agents[ODD], 3, "warning", None), (one.id, agents["shop"], 8, "success", 50),
            (two.id, theirs, 1, "error", 7777),
        ):  # fmt: skip
            at = start + minute * MINUTE
            await owner.execute(
                text("INSERT INTO agent_logs (tenant_id, agent_id, id, completed_at, duration, kind, status) "
                     "VALUES (:tenant, :agent, :id, :at, :duration, 'execution', :status)"),
                {"tenant": tenant, "agent": agent, "id": uuid7(at), "at": at, "duration": duration, "status": status},
            )  # fmt: skip
        await owner.execute(
            text(
                "INSERT INTO agent_logs (tenant_id, agent_id, id, kind, status) VALUES (:t, :a, :id, 'line', 'error')"
            ),
            {"t": one.id, "a": agents["shop"], "id": uuid7(start + MINUTE)},
        )
    chosen = {
        "tenant": str(one.id),
        "agent": ALL,
        "agent_type": ALL,
        "model": ALL,
        "of_agents": ALL,
        "metric": "load",
        "environment": ALL,
    }
    view = View(start, start + timedelta(hours=1), 5 * MINUTE, chosen)
    grafana = Grafana(postgres.url("agent_monitor_grafana", database_name), one, view)
    names = {agent: name for name, agent in agents.items()} | {theirs: "akira-001"}
    points = tuple((names[p.series.agent_id], p) for p in _points(start, agents))
    return Fleet(grafana, start, {**agents, "theirs": theirs}, points)


def _points(start: datetime, agents: Mapping[str, UUID]) -> list[Point]:
    """In steps of five minutes, numbers that differ by agent and step."""

    def point(agent: str, metric: str, minute: float, value: float, tags: Tags = (), kind: Kind = Kind.GAUGE) -> Point:
        at = microseconds(start + minute * MINUTE)
        return Point(SeriesName(agents[agent], metric, tags, kind, None), at, value)

    opus, tiny = (("model", "opus"),), (("model", "tiny"),)
    made = [point("akira-001", "execution_duration_ms", n / 60, float(n)) for n in range(1, 101)]
    made += [point(ODD, "execution_duration_ms", 6, 900.0), point("shop", "execution_duration_ms", 7, 50.0)]
    for metric, scale in (("memory_bytes", 1e9), ("cpu_percent", 10.0), ("load", 1.0)):
        for number, agent in enumerate(("akira-001", ODD, "shop"), 1):
            made += [point(agent, metric, n, scale * (number + n)) for n in (1, 2, 6)]
    made += [point("akira-001", "tokens_input", 1, 900.0, opus, Kind.DELTA)]
    made += [point("akira-001", "tokens_input", 2, 100.0, tiny, Kind.DELTA)]
    made += [point("akira-001", "tokens_output", 1, 120.0, opus, Kind.DELTA), point(ODD, "cost_usd", 1, 0.5)]
    made += [
        point("akira-001", "execution_status", minute, value) for minute, value in ((1, 1.0), (1.5, 0.0), (7, 0.5))
    ]
    return [*made, point("akira-001", "cost_usd", 1, 0.25, opus), point("akira-001", "cost_usd", 6, 0.75, tiny)]


@pytest.fixture
async def flux(influx: Influx) -> Flux:
    """InfluxDB with empty buckets."""
    made = Flux(influx, {"Authorization": f"Token {influx.token}"}, {})
    await made.buckets()
    return made


by_store = pytest.mark.parametrize("store", ["samples", "chunks", "influx"])
"""Points of open hours, of closed ones, and of InfluxDB."""


async def in_postgres(db: Database, fleet: Fleet) -> None:
    """The fleet's points, in PostgreSQL."""
    store, tenant = PostgresSeriesStore(db), fleet.grafana.tenant.id
    prepared, refused = await columns_of(store, tenant, [point for _, point in fleet.points])
    assert refused == []
    async with db.driver(Role.APP) as connection, Pipeline(connection) as pipeline:
        pipeline.add(SET_TENANT, tenant=str(tenant))
        await store.write(pipeline, tenant, prepared)


def key_in_influx(fleet: Fleet, name: str, point: Point) -> str:
    """How a point's series is called in line protocol."""
    series, tenant = point.series, fleet.grafana.tenant.id
    number = 1 + [other.series for _, other in fleet.points].index(series)
    return key_of(series.metric, dict(series.tags), tenant_id=tenant, agent=name, series_id=number).decode()


async def in_influx(flux: Flux, fleet: Fleet) -> None:
    """The fleet's points, in InfluxDB."""
    lines = [f"{key_in_influx(fleet, name, point)} value={point.value!r} {point.at_us}" for name, point in fleet.points]
    lines.append(f"load,tenant={fleet.agents['theirs']},agent=akira-001,_id=99 value=7777 {fleet.points[0][1].at_us}")
    await flux.write("raw", lines)


class Asked:
    """One store, filled with the fleet's points before the first question."""

    def __init__(self, store: str, db: Database, fleet: Fleet, flux: Flux | None) -> None:
        """`store` is one of samples, chunks, influx; the last one with `flux`."""
        self._store, self._db, self._fleet, self._flux = store, db, fleet, flux
        self._filled = False

    async def _fill(self) -> None:
        await in_postgres(self._db, self._fleet)
        if self._flux is not None:
            await in_influx(self._flux, self._fleet)
        if self._store == "chunks":
            assert (await rollup.run_once(self._db, self._fleet.start + timedelta(hours=2))).chunks > 0
        self._filled = True

    async def __call__(self, query: Query, **chosen: str | list[str]) -> Lines:
        """The answer, by line and by minute of the span."""
        if not self._filled:
            await self._fill()
        grafana = self._fleet.grafana.choose(**chosen)
        if self._flux is None:
            return await answered(grafana, query)
        ((pattern,),) = [row.values() for row in await grafana.sql(VARIABLES["of_agents"])]
        assert query.flux is not None
        return await self._flux.lines(query.flux, grafana.choose(of_agents=pattern))


@pytest.fixture
def ask(store: str, fleet: Fleet, db: Database, request: pytest.FixtureRequest) -> Asked:
    """The store of this parameter."""
    return Asked(store, db, fleet, request.getfixturevalue("flux") if store == "influx" else None)


@pytest.fixture
def maybe_flux(store: str, request: pytest.FixtureRequest) -> Flux | None:
    """InfluxDB where the parameter asks for it."""
    found: Flux | None = request.getfixturevalue("flux") if store == "influx" else None
    return found
