"""Ways out of a tenant, tried over HTTP with InfluxDB as the store: by tags, names, filters, labels, line protocol and
Flux. None may read or write what is another tenant's."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from monitor.clock import Clock
from monitor.db import Database
from monitor.series.influx_client import Influx
from monitor.settings import Settings
from tests.factories import TenantMade, make_tenant
from tests.http.application import serving
from tests.servers import fixtures as servers

SECRET = 7777.25
FORGED = 6666.5
NAME = "latency_ms"
AGENT = "akira-001"
Params = list[tuple[str, str]]


@dataclass
class Scene:
    """Two tenants with an agent of the same name and a series of the same name."""

    client: httpx.AsyncClient
    influx: Influx
    victim: TenantMade
    attacker: TenantMade
    series_id: int
    agent_id: UUID
    at: int

    async def post(self, who: TenantMade, row: dict[str, Any]) -> dict[str, Any]:
        """A point of a tenant; the answer's counts."""
        answer = await self.client.post("/api/v1/metrics", json=[row], headers=who.headers)
        assert answer.status_code in (202, 422, 400), (row, answer.text)
        made: dict[str, Any] = answer.json()
        return made

    async def ask(self, who: TenantMade, params: Params) -> tuple[int, Any]:
        """Status and body of a query."""
        everything = [("start", "-1h"), ("end", str(self.at + 3600))]
        named = [pair for pair in everything if pair[0] not in dict(params)]
        answer = await self.client.get(
            "/api/v1/query", params=httpx.QueryParams([*params, *named]), headers=who.headers
        )
        return answer.status_code, answer.json()

    async def sees(self) -> list[Any]:
        """Everything the victim reads of its series."""
        return [
            (await self.ask(self.victim, [("metric", NAME), ("reduce", reduce), ("by", "agent")]))[1]
            for reduce in ("count", "sum", "last", "p95")
        ]

    async def stored(self) -> set[tuple[str, str, str]]:
        """Tenant, id and value of every point in InfluxDB."""
        flux = (
            "from(bucket: bucket) |> range(start: 1970-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z) |> group() "
            '|> keep(columns: ["tenant", "_id", "_value"])'
        )
        frames = await self.influx.query(flux, bucket=self.influx.buckets.raw)
        rows = [frame.columns for frame in frames.values()]
        return {
            (tenant.decode(), one.decode(), value.decode())
            for columns in rows
            for tenant, one, value in zip(columns["tenant"], columns["_id"], columns["_value"], strict=True)
        }


@pytest.fixture
async def scene(db: Database, clock: Clock, influx: servers.Influx, influx_client: Influx) -> AsyncIterator[Scene]:
    """The victim has one secret point, the attacker one of its own."""
    settings = Settings(
        influx_url=influx.url, influx_token=influx.token, influx_org=influx.org, influx_bucket=influx.bucket
    )
    victim, attacker = await make_tenant(db), await make_tenant(db)
    async with serving(db, clock, settings=settings) as client:
        at = int(clock().timestamp()) - 60
        made = Scene(client, influx_client, victim, attacker, 0, UUID(int=0), at)
        for who, value in ((victim, SECRET), (attacker, 1.5)):
            row = {"agent": AGENT, "metric": NAME, "value": value, "timestamp": at, "tags": {"env": "prod"}}
            assert (await made.post(who, row))["accepted"] == 1
        async with db.tenant(victim.id) as connection:
            made.series_id = (await connection.execute(text("SELECT id FROM series"))).scalar_one()
            made.agent_id = (await connection.execute(text("SELECT agent_id FROM series"))).scalar_one()
        yield made


def forged_tags(scene: Scene) -> Iterator[dict[str, str]]:
    """Tags that mean to be another tenant's."""
    tenant, one = str(scene.victim.id), str(scene.series_id)
    line = f"value={FORGED} {scene.at * 1_000_000}"
    forged = f"{NAME},_id={one},agent={AGENT},env=prod,tenant={tenant} {line}"
    for name in ("tenant", "_id", "agent", "_measurement", "_field", "_time", "_tenant_id", "__tenant"):
        yield {name: one if name == "_id" else tenant}
    for name in (
        "tenant\\",
        "tenant ",
        " tenant",
        "TENANT",
        "ten\\ant",
        "tenant\n",
        "\ntenant",
        "tenant\r",
        "tenant\t",
    ):
        yield {name: tenant}
    # Fullwidth, a Cyrillic a, a zero-width space, a combining mark, a soft hyphen.
    for name in (
        "ｔｅｎａｎｔ",
        "ten\u0430nt",
        "tenant\u200b",
        "tenant\u0301",
        "ten\u00adant",
        "\ufefftenant",
        "_\u200bid",
    ):
        yield {name: tenant}
    yield {f"x=1,tenant={tenant},y": "z"}
    yield {f"x,tenant={tenant}": "z"}
    yield {"time": "0", "result": "_result", "table": "0"}
    for value in (
        f"y,tenant={tenant}",
        f"y\\,tenant={tenant}",
        f"y\\\\,tenant={tenant}",
        f"y,tenant={tenant},_id={one} {line}",
        f"y {line}\n{forged}\n",
        f"y\r\n{forged}\r\n",
        f"y\u2028{forged}\u2029",
        f"y\x0b{forged}\x0c\x85",
        f'y" value=1\n{forged}',
        "y\\",
        "y\\\n" + forged,
        f"y\\ {line}\n{forged}",
        f"\x01\x7f\n#\n{forged}",
        '${tenant}" or true or r.tenant == "',
    ):
        yield {"x": value}
    yield {"x\\": "1", "x%5C": "2"}
    yield {"a": "1", "a\\": f",tenant={tenant}", "a%5C": "\\"}


def forged_names(scene: Scene) -> Iterator[str]:
    """Names of metrics and agents that mean to be more than that."""
    tenant, one = str(scene.victim.id), str(scene.series_id)
    line = f"value={FORGED} {scene.at * 1_000_000}"
    forged = f"{NAME},_id={one},agent={AGENT},env=prod,tenant={tenant} {line}"
    yield f"{NAME},tenant={tenant}"
    yield f"{NAME},_id={one},tenant={tenant} value=1 1\nx"[:200]
    yield f"{NAME}\\,tenant={tenant}"
    yield f"x value=1\n{forged}"[:200]
    yield f"#{NAME}\n{forged}"[:200]
    yield f"#{NAME}"
    yield f"{NAME}\\"
    yield f"\t{NAME}"
    yield f" {NAME} "
    yield f'{NAME}" or r.tenant == "{tenant}'
    yield f'{NAME}") |> yield(name: "x") //'
    yield f"${{tenant}}{NAME}"
    yield 'import "influxdata/influxdb/secrets"'
    yield f"{NAME}\u2028tenant={tenant}"
    yield "_measurement"
    yield "\ufffd%\\%5C"


def forged_queries(scene: Scene) -> Iterator[Params]:
    """Reads that mean to see more."""
    tenant, one, agent = str(scene.victim.id), str(scene.series_id), str(scene.agent_id)
    first = ("metric", NAME)
    for name in ("tenant", "_id", "tenant_id", "_measurement", "tenant\\", "s.tenant_id", "tags"):
        yield [first, ("where", f"{name}:{one if name == '_id' else tenant}")]
        yield [first, ("by", name)]
    for value in (
        f'prod" or r.tenant == "{tenant}',
        f"prod' OR s.tenant_id = '{tenant}",
        'prod") |> yield(name: "all") //',
        "prod\\",
        "prod\n|> yield()",
        "${tenant}",
        '"}} or true',
        "prod\u2028",
    ):
        yield [first, ("where", f"env:{value}")]
        yield [first, ("by", f"env,{value}")]
        yield [first, ("agent", value)]
        yield [("metric", f"{NAME}{value}")]
    yield [first, ("agent", agent)]
    yield [first, ("where", f"agent:{agent}")]
    yield [first, ("tenant", tenant)]
    yield [first, ("tenant_id", tenant), ("org", "tests"), ("bucket", scene.influx.buckets.raw)]
    yield [first, ("start", f"0) |> yield() // {tenant}")]
    yield [first, ("step", "1m) |> yield()")]
    yield [("metric", f'{NAME}" or true or r._measurement == "')]


async def test_no_write_reaches_another_tenant(scene: Scene) -> None:
    before, points = await scene.sees(), await scene.stored()
    rows = [{"agent": AGENT, "metric": NAME, "tags": tags} for tags in forged_tags(scene)]
    rows += [{"agent": AGENT, "metric": name} for name in forged_names(scene)]
    rows += [{"agent": name, "metric": NAME} for name in forged_names(scene)]
    rows += [{"agent": AGENT, "metric": f"u{i}", "unit": name[:50]} for i, name in enumerate(forged_names(scene))]
    assert len(rows) >= 40
    accepted = 0
    for row in rows:
        accepted += (await scene.post(scene.attacker, {**row, "value": FORGED, "timestamp": scene.at}))["accepted"]
        assert await scene.stored() >= points, row
    stored = await scene.stored()
    victim, attacker = str(scene.victim.id), str(scene.attacker.id)
    assert {row for row in stored if row[0] == victim} == {row for row in points if row[0] == victim}
    assert {tenant for tenant, _, _ in stored} == {victim, attacker}
    # One point for each that was taken: nothing was split, merged or lost.
    assert len({one for tenant, one, _ in stored if tenant == attacker}) == accepted + 1 > 40
    assert await scene.sees() == before


async def test_no_read_reaches_another_tenant(scene: Scene) -> None:
    tried = list(forged_queries(scene))
    assert len(tried) >= 40
    for params in tried:
        status, body = await scene.ask(scene.attacker, [*params, ("reduce", "max")])
        assert status in (200, 400, 422), (params, body)
        assert str(SECRET) not in str(body), params
        if status == 200:
            values = [value for line in body["series"] for _, value in line["points"]]
            assert set(values) <= {1.5}, (params, body)
    answer = await scene.client.get(f"/api/v1/agents/{scene.agent_id}/metrics", headers=scene.attacker.headers)
    assert answer.status_code == 404


async def test_what_was_written_comes_back_under_its_own_tags(scene: Scene) -> None:
    for number, tags in enumerate(forged_tags(scene)):
        row = {"agent": AGENT, "metric": "own", "value": number, "timestamp": scene.at, "tags": tags}
        if not (await scene.post(scene.attacker, row))["accepted"]:
            continue
        where = [("where", f"{name}:{value}") for name, value in tags.items() if ":" not in name]
        if len(where) == len(tags):
            status, body = await scene.ask(scene.attacker, [("metric", "own"), ("reduce", "last"), *where])
            assert (status, [line["points"][0][1] for line in body["series"]]) == (200, [float(number)]), tags
