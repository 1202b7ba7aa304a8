"""A collector with Redis: its figures, its health, and what `doctor` says."""

from dataclasses import replace
from pathlib import Path

import httpx

from monitor import doctor
from monitor.app import create_app
from monitor.compose import make_deps
from monitor.db import Database, Role
from monitor.embedded import EmbeddedPostgres
from monitor.ingest import Ingest
from monitor.settings import Settings
from tests.factories import make_tenant
from tests.servers.redis import RedisServer


async def test_it_is_ready_without_redis_and_says_that_it_is_off(
    db: Database, own_redis: RedisServer, tmp_path: Path
) -> None:
    settings = Settings(redis_url=own_redis.url, data_dir=tmp_path, disk_reserve=0, secret_keys=("a key for tests",))
    deps, tenant = make_deps(settings, db), await make_tenant(db)
    app = create_app(deps, Ingest(deps), closing=deps.live.close)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://collector") as client,
    ):
        assert "agent_monitor_redis_off 0.0" in (await client.get("/metrics")).text
        own_redis.kill()
        row = {"agent": "a", "status": "success"}
        assert (await client.post("/api/v1/logs", json=row, headers=tenant.headers)).status_code == 202
        assert (await client.get("/api/v1/agents/a/status", headers=tenant.headers)).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        figures = (await client.get("/metrics")).text
    assert "agent_monitor_redis_off 1.0" in figures
    assert "agent_monitor_redis_errors_total 1.0" in figures
    assert not deps.live.ready


async def test_doctor_looks_at_redis_where_one_is_named(
    postgres: EmbeddedPostgres, database_name: str, own_redis: RedisServer, tmp_path: Path
) -> None:
    url = {role: postgres.url(role, database_name) for role in Role}
    settings = Settings(
        database_url=url[Role.APP],
        database_alerter_url=url[Role.ALERTER],
        database_doorman_url=url[Role.DOORMAN],
        database_owner_url=url[Role.OWNER],
        data_dir=tmp_path,
        redis_url=own_redis.url,
    )

    async def found(settings: Settings) -> list[tuple[bool, str]]:
        return [(one.well, one.detail) for one in await doctor.examine(settings) if one.subject == "redis"]

    (said,) = await found(settings)
    assert said[0]
    assert said[1].startswith("Redis ")
    own_redis.kill()
    (said,) = await found(settings)
    assert not said[0]
    assert "does not answer" in said[1]
    assert await found(replace(settings, redis_url=None)) == []
