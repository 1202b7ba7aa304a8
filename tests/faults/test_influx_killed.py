"""InfluxDB is killed for a minute under load: every accepted point is there once, and only one alert speaks of it."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.series import influx_buckets
from monitor.series.influx_client import Influx
from monitor.settings import Settings
from tests.factories import TenantMade
from tests.faults.clients import Fleet, check_logs_kept_once
from tests.servers.influx import InfluxServer
from tests.stage import Stage, until

pytestmark = pytest.mark.accept

AWAY = 60.0
BLIND = "history store unreachable"
# One fires all the time; one would fire as soon as a window were empty; one never fires.
RULES = [
    {"name": "Always", "conditions": {"metric": "load", "reduce": "count", "window": "20s", "op": ">", "threshold": 0}},
    {
        "name": "Silence",
        "conditions": {
            "metric": "load", "reduce": "count", "window": "20s", "op": "<", "threshold": 0, "no_data": "alert",
        },
    },
    {"name": "Never", "conditions": {"metric": "load", "reduce": "max", "window": "20s", "op": ">", "threshold": 5000}},
]  # fmt: skip
_ALERTS = text("""
    SELECT coalesce(c.name, a.rule), a.status, count(*)
    FROM alerts a LEFT JOIN alert_configs c ON c.tenant_id = a.tenant_id AND c.id = a.config_id GROUP BY 1, 2
""")
_SPOOLED = text("SELECT count(*) FROM spool")
_SERIES = text("""
    SELECT s.id, a.external_id FROM series s JOIN agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id
    WHERE s.metric = 'load'
""")
_POINTS = """
from(bucket: bucket) |> range(start: 0) |> filter(fn: (r) => r._measurement == "load" and r.tenant == tenant)
    |> group() |> keep(columns: ["_id", "_time", "_value"])
"""


async def alerts(db: Database) -> dict[str, dict[str, int]]:
    """How many alerts of each rule have which status."""
    found: dict[str, dict[str, int]] = {}
    async with db.alerter() as connection:
        for rule, status, count in await connection.execute(_ALERTS):
            found.setdefault(rule, {})[status] = count
    return found


async def spooled(db: Database) -> int:
    """Batches that wait."""
    async with db.alerter() as connection:
        return int((await connection.execute(_SPOOLED)).scalar_one())


async def check_points(db: Database, influx: Influx, tenant_id: UUID, sent: dict[str, list[int]]) -> None:
    """Every acknowledged point is there once and none that was not sent."""
    async with db.tenant(tenant_id) as connection:
        agents = {row.id: row.external_id for row in await connection.execute(_SERIES)}
    frame = (await influx.query(_POINTS, bucket=influx.buckets.raw, tenant=str(tenant_id)))["_result"]
    pairs = zip(frame.ints("_id").tolist(), frame.times("_time").tolist(), strict=True)
    found = Counter((agents[series_id], at_us // 1000) for series_id, at_us in pairs)
    expected = {(agent, ms) for agent, times in sent.items() for ms in times}
    assert set(found) == expected
    assert set(found.values()) == {1}


async def test_influxdb_killed_for_a_minute_under_load(stage: Stage, tenant: TenantMade, tmp_path: Path) -> None:
    server = await InfluxServer(tmp_path / "influx").start()
    given: dict[str, Any] = {
        "influx_url": server.at.url, "influx_token": server.at.token, "influx_org": server.at.org,
    }  # fmt: skip
    influx = Influx(server.at.url, token=server.at.token, org=server.at.org, bucket=Settings().influx_bucket)
    await influx_buckets.ensure(influx, Settings())
    collector = await stage.collector(**given).start()
    alerters = [await stage.alerter(**given, evaluation_interval="1s").start() for _ in range(2)]
    try:
        async with Fleet(collector.url, tenant.key, agents=4, pause=0.2) as fleet:
            await until(lambda: fleet.ledger.acknowledged > 200)
            async with aiohttp.ClientSession(collector.url, headers=tenant.headers) as client:
                for rule in RULES:
                    async with client.post("/api/v1/alert-configs", json=rule) as answer:
                        assert answer.status == 201, await answer.text()

            async def firing() -> bool:
                return (await alerts(stage.db)).get("Always") == {"open": 4}

            await until(firing)
            server.kill()
            await asyncio.sleep(AWAY)
            assert (await alerts(stage.db))[BLIND] == {"open": 1}
            assert await spooled(stage.db) > 0
            await server.start()

            async def well() -> bool:
                return await spooled(stage.db) == 0 and (await alerts(stage.db))[BLIND] == {"resolved": 1}

            await until(well)
            await asyncio.sleep(5)
            await fleet.finish()
        assert fleet.ledger.odd == []
        assert set(fleet.ledger.answers) == {202}
        await until(lambda: _empty(stage.db))
        await check_points(stage.db, influx, tenant.id, fleet.ledger.points)
        await check_logs_kept_once(stage.db, tenant.id, [fleet.ledger])
        assert await alerts(stage.db) == {"Always": {"open": 4}, BLIND: {"resolved": 1}}
        for alerter in alerters:
            alerter.check()
    finally:
        await influx.close()
        server.kill()


async def _empty(db: Database) -> bool:
    return await spooled(db) == 0
