"""Everything through PgBouncer in transaction mode, with fewer connections to the server than clients want."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text

from alerts.core.vocabulary import Reason
from monitor import partitions
from monitor.db import Database, Role
from monitor.embedded import EmbeddedPostgres
from monitor.errors import TenantMissing
from monitor.pipeline import SET_TENANT, Pipeline, Statement
from monitor.series import rollup
from sql import migrate
from tests.alerts.timeline import Timeline, timeline
from tests.conftest import SettableClock
from tests.factories import make_tenant
from tests.http.application import serving
from tests.servers.pgbouncer import SERVER_CONNECTIONS, PgBouncer
from tests.stage import until

CLIENTS = 8
PID = text("SELECT pg_backend_pid()")
SLEEPING = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'")
ERROR = {"status": "error"}


def through(pgbouncer: PgBouncer, database: str) -> Database:
    """Doors that open onto the pooler."""
    urls = {role: pgbouncer.url(role, database) for role in Role}
    return Database(urls, pool_size=CLIENTS, prepare=False)


@pytest.fixture
async def pooled(pgbouncer: PgBouncer, database_name: str) -> AsyncIterator[Database]:
    """The four doors to a fresh database, through the pooler."""
    made = through(pgbouncer, database_name)
    yield made
    await made.close()


async def test_clients_share_the_servers_connections(pooled: Database) -> None:
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(pooled.driver(Role.APP)) for _ in range(CLIENTS)]
        used = set()
        for client in clients:
            found = await (await client.execute("SELECT pg_backend_pid()")).fetchone()
            await client.rollback()
            assert found is not None
            used.add(found[0])
    assert len(set(clients)) == CLIENTS
    assert 1 <= len(used) <= SERVER_CONNECTIONS


async def test_a_database_is_migrated_and_kept_up_through_it(
    pgbouncer: PgBouncer, postgres: EmbeddedPostgres, clock: SettableClock
) -> None:
    await postgres.create_database("migrated_through_the_pooler")
    db = through(pgbouncer, "migrated_through_the_pooler")
    await migrate.upgrade(db)
    found, newest = await migrate.current(db)
    assert found == newest
    await partitions.apply(db, clock(), retention={})
    await rollup.run_once(db, clock())
    async with db.owner() as owner:
        assert set(await partitions.existing_names(owner))
    await db.close()
    await postgres.drop_database("migrated_through_the_pooler")


async def test_tenants_interleaved_see_and_keep_their_own(pooled: Database, clock: SettableClock) -> None:
    tenants = [await make_tenant(pooled) for _ in range(4)]
    async with serving(pooled, clock) as client:

        async def post(number: int, tenant: int) -> None:
            made = tenants[tenant]
            name = f"agent-{number % 3}"
            log = {"agent": name, "status": "success", "message": made.slug}
            point = {"agent": name, "metric": f"of-{made.slug}", "value": tenant + 1, "timestamp": at + number}
            beat = {"agent": name, "status": "active"}
            for path, body, key in (("logs", log, f"log-{number}"), ("metrics", point, ""), ("heartbeats", beat, "")):
                headers = made.headers | ({"Idempotency-Key": key} if key else {})
                for _ in range(2 if key else 1):
                    answer = await client.post(f"/api/v1/{path}", json=body, headers=headers)
                    assert (answer.status_code, answer.json()["accepted"]) == (202, 1), answer.text

        at = clock().timestamp() - 60
        await asyncio.gather(*(post(number, tenant) for number in range(12) for tenant in range(4)))
        for index, tenant in enumerate(tenants):
            async with pooled.tenant(tenant.id) as connection:
                messages = await connection.execute(text("SELECT message, count(*) FROM agent_logs GROUP BY message"))
                assert messages.all() == [(tenant.slug, 12)]
                agents = await connection.execute(text("SELECT count(*), count(DISTINCT tenant_id) FROM agents"))
                assert agents.all() == [(3, 1)]
            for theirs in tenants:
                query = {"metric": f"of-{theirs.slug}", "reduce": "sum"}
                answer = await client.get("/api/v1/query", params=query, headers=tenant.headers)
                assert answer.status_code == 200, answer.text
                expected = [12.0 * (index + 1)] if theirs is tenant else []
                assert _values(answer.json()) == expected, answer.text


def _values(answer: dict[str, list[dict[str, list[tuple[str, float]]]]]) -> list[float]:
    return [value for series in answer["series"] for _at, value in series["points"]]


async def test_no_tenant_is_left_on_a_connection(pooled: Database) -> None:
    tenant = await make_tenant(pooled)
    visible = text("SELECT count(*) FROM agents")

    async def look(pid: int) -> None:
        async with pooled.role(Role.APP) as connection:
            assert (await connection.execute(PID)).scalar() == pid
            await connection.execute(visible)

    async def used(tenant_id: UUID) -> int:
        async with pooled.tenant(tenant_id) as connection:
            await connection.execute(visible)
            return int((await connection.execute(PID)).scalar_one())

    pid = await used(tenant.id)
    with pytest.raises(TenantMissing):
        await look(pid)

    async def fail() -> None:
        async with pooled.driver(Role.APP) as driver, Pipeline(driver) as pipeline:
            pipeline.add(SET_TENANT, tenant=str(tenant.id))
            await pipeline.fetch()
            raise LookupError

    for _ in range(SERVER_CONNECTIONS):
        with pytest.raises(LookupError):
            await fail()
        with pytest.raises(TenantMissing):
            await look(pid)


async def test_more_than_a_socket_holds_goes_both_ways(pooled: Database) -> None:
    echo, text_sent = Statement("SELECT :text || ''"), "x" * 8_000_000
    async with pooled.driver(Role.APP) as driver, Pipeline(driver) as pipeline:
        for _ in range(3):
            pipeline.add(echo, text=text_sent)
        assert await pipeline.fetch() == [text_sent.encode()]


async def test_a_client_that_goes_away_leaves_nothing_behind(pooled: Database, db: Database) -> None:
    tenant, other = await make_tenant(pooled), await make_tenant(pooled)

    async def slow() -> None:
        async with pooled.driver(Role.APP) as driver, Pipeline(driver) as pipeline:
            pipeline.add(SET_TENANT, tenant=str(tenant.id))
            await pipeline.fetch()
            pipeline.add(Statement("SELECT pg_sleep(30)"))

    tasks = [asyncio.create_task(slow()) for _ in range(SERVER_CONNECTIONS)]

    async def all_asleep() -> bool:
        async with db.role(Role.APP) as app:
            return int((await app.execute(SLEEPING)).scalar_one()) == len(tasks)

    await until(all_asleep)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    for _ in range(2 * SERVER_CONNECTIONS):
        async with pooled.tenant(other.id) as connection:
            found = await connection.execute(text("SELECT current_setting('app.current_tenant_id')"))
            assert found.scalar() == str(other.id)


@pytest.fixture
async def t(pooled: Database, clock: SettableClock) -> AsyncIterator[Timeline]:
    async with timeline(pooled, clock) as made:
        yield made


async def test_an_alert_opens_is_told_and_resolves(t: Timeline) -> None:
    await t.rule(ERROR)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST, agents=["akira-001"])
    await t.log("akira-001", "success", "15s")
    await t.tick("20s")
    t.expect("email", Reason.RESOLVED)
    t.expect_silence()
    (alert,) = await t.alerts()
    assert alert["resolved_at"] is not None


async def test_two_alerters_tell_it_once(t: Timeline) -> None:
    other, messenger = t.another_evaluator("alerter-2"), t.another_deliverer("alerter-2", 2)
    agents = [f"agent-{number}" for number in range(4)]
    for agent in agents:
        await t.rule({"metric": "cost", "window": "5m", "reduce": "sum", "op": ">", "threshold": 10}, agent=agent)
        await t.metric(agent, "cost", 20, "5s")
    await asyncio.gather(t.evaluate("10s"), other.run_once(t.at("10s")))
    await asyncio.gather(t.deliver("10s"), messenger.run_once(t.at("10s")))
    told = [agent for sent in t.sent for agent in sent.agents]
    assert sorted(told) == agents
