"""TLS to every store: with the right authority it is used, with a wrong one or another host's name nothing is sent."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from monitor.backup import history
from monitor.db import Database, Role
from monitor.errors import ConfigError, DatabaseDown, SeriesDown, Unavailable
from monitor.live import Live
from monitor.series import choice
from monitor.settings import Settings, load
from tests.factories import make_tenant
from tests.servers.certificates import Authority, Identity
from tests.servers.influx import InfluxServer
from tests.servers.pgbouncer import PgBouncer
from tests.servers.redis import RedisServer
from tests.stage import MAIN, VARIABLES, Stage, open_stage, until

NAME = "localhost"
"""Whom the certificates are for; 127.0.0.1 is another name of the same servers."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Servers that take nothing but TLS; `stranger` signed none of their certificates."""

    stage: Stage
    pooler: PgBouncer
    redis: RedisServer
    influx: InfluxServer
    tls: Identity
    stranger: Path

    def postgres(self, role: str, *, host: str = NAME, authority: Path | None = None) -> str:
        """A role's URL that insists on the server's certificate and name."""
        url = self.pooler.url(role, self.stage.database).replace("127.0.0.1", host)
        return f"{url}?sslmode=verify-full&sslrootcert={authority or self.tls.authority}"

    def history(self, *, url: str | None = None, authority: Path | None = None) -> Settings:
        """Settings with InfluxDB."""
        at = self.influx.at
        return Settings(
            influx_url=url or at.url, influx_token=at.token, influx_org=at.org,
            influx_ca=(authority or self.tls.authority).read_text(),
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Everything by TLS."""
        at = self.influx.at
        made = self.stage.environment(
            influx_url=at.url, influx_token=at.token, influx_org=at.org, influx_ca_file=str(self.tls.authority),
            redis_url=self.redis.url,
        )  # fmt: skip
        return made | {VARIABLES[role]: self.postgres(role) for role in Role}


@pytest.fixture
async def stores(data_dir: Path, tmp_path: Path) -> AsyncIterator[Stores]:
    """PostgreSQL behind a pooler, Redis and InfluxDB, with certificates of one authority."""
    authority, stranger = Authority(data_dir, "authority"), Authority(data_dir, "stranger")
    tls = authority.issue("stores", [NAME])
    async with open_stage(data_dir / "stage") as stage:
        redis, influx = RedisServer(tmp_path / "redis", tls=tls), InfluxServer(tmp_path / "influx", tls=tls)
        pooler = PgBouncer(data_dir / "pooler", stage.server, tls=authority.issue("pooler", [NAME]))
        try:
            await asyncio.gather(redis.start(), influx.start(), pooler.start())
            yield Stores(stage, pooler, redis, influx, tls, stranger.path)
        finally:
            for server in (pooler, redis, influx):
                server.kill()


def _history(settings: Settings) -> history.Influx:
    found = history.influx_of(settings)
    assert found is not None
    return found


async def _run(environment: Mapping[str, str], *words: str) -> tuple[int | None, str]:
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAIN, *words,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(running.communicate(), 120)
    return running.returncode, said.decode()


async def test_everything_works_by_tls(stores: Stores, tmp_path: Path) -> None:
    stage = stores.stage
    tenant = await make_tenant(stage.db)
    await stage.db.close()
    environment = stores.environment()
    status, said = await _run(environment, "migrate")
    assert status == 0, said
    collector, alerter = stage.collector(), stage.alerter()
    for program in (collector, alerter):
        program.env = environment
        await program.start()
    async with httpx.AsyncClient(base_url=f"{collector.url}/api/v1", headers=tenant.headers, timeout=30) as api:
        point = {"agent": "reviewer", "metric": "latency_ms", "value": 12.5}
        assert (await api.post("/metrics", json=point)).status_code == 202

        async def there() -> bool:
            asked = {"metric": "latency_ms", "start": "-1h", "step": "1h"}
            answer = await api.get("/agents/reviewer/metrics", params=asked)
            return "12.5" in answer.text

        await until(there)
        await api.get("/agents/reviewer/status")
    live = Live(stores.redis.url)
    try:
        assert await live.ask(lambda redis: redis.keys(f"*{tenant.id}*"))
    finally:
        await live.close()
    saved = await history.save(_history(stores.history()), tmp_path / "saved", secret=None)
    assert any(name.endswith("_raw") for name in saved)


async def test_postgresql_is_not_spoken_to_where_its_certificate_is_wrong(stores: Stores) -> None:
    for wrong, fault in (
        ({"authority": stores.stranger}, "certificate verify failed"),
        ({"host": "127.0.0.1"}, 'does not match host name "127.0.0.1"'),
    ):
        url = stores.postgres(Role.OWNER, **wrong)
        db = Database({Role.OWNER: url})
        with pytest.raises(DatabaseDown):
            async with db.role(Role.OWNER) as connection:
                await connection.execute(text("SELECT 1"))
        await db.close()
        refused, said = await _run(stores.environment() | {VARIABLES[Role.OWNER]: url}, "migrate")
        assert refused == 1
        assert fault in said


async def test_influxdb_is_not_spoken_to_where_its_certificate_is_wrong(stores: Stores, tmp_path: Path) -> None:
    elsewhere = stores.influx.at.url.replace(NAME, "127.0.0.1")
    for settings, fault in (
        (stores.history(authority=stores.stranger), "CERTIFICATE_VERIFY_FAILED"),
        (stores.history(url=elsewhere), "certificate is not valid for '127.0.0.1'"),
    ):
        with pytest.raises(SeriesDown, match=fault):
            await choice.prepare(settings)
        with pytest.raises(SeriesDown, match=fault):
            await history.save(_history(settings), tmp_path / fault, secret=None)
    await choice.prepare(stores.history())


async def test_redis_is_not_spoken_to_where_its_certificate_is_wrong(stores: Stores) -> None:
    right = stores.redis.url
    for url, fault in (
        (right.replace(str(stores.tls.authority), str(stores.stranger)), "CERTIFICATE_VERIFY_FAILED"),
        (right.replace(NAME, "127.0.0.1"), "certificate is not valid for '127.0.0.1'"),
    ):
        live = Live(url)
        with pytest.raises(Unavailable, match=fault):
            await live.version()
        assert await live.ask(lambda redis: redis.set("agent:1:status", "online")) is None
        await live.close()
    live = Live(right)
    assert await live.ask(lambda redis: redis.keys("*")) == []
    await live.close()


def test_certificates_that_are_none_are_named_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigError, match="AGENT_MONITOR_INFLUX_CA is wrong: certificates in PEM are expected"):
        load({"AGENT_MONITOR_INFLUX_CA_FILE": str(tmp_path / "ca.pem")})
