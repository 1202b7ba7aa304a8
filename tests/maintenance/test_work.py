"""Real bloat in a real table: seen, vacuumed, rebuilt; what is in use is put off and what was left over goes."""

from uuid import UUID

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from monitor.db import Database, Role
from monitor.ids import uuid7
from monitor.maintenance import work
from monitor.maintenance.job import Maintenance
from monitor.maintenance.planning import Measures, Task, Work
from tests.conftest import SettableClock
from tests.factories import make_agent, make_tenant
from tests.stage import until

TABLE, INDEX = "agent_log_ids", "agent_log_ids_pkey"
ROWS = 40_000
MEASURES = Measures(few=100, index=1 << 20)
VACUUM, REINDEX = Work(Task.VACUUM, TABLE), Work(Task.REINDEX, INDEX)
_FILL = text("""
    INSERT INTO agent_log_ids (tenant_id, agent_id, external_id, log_id)
    SELECT :tenant, :agent, md5(n::text), :log FROM generate_series(1, :rows) n
""")
_THIN = text("DELETE FROM agent_log_ids WHERE external_id > '2'")
_SIZE = text("SELECT pg_relation_size(:index)")


@pytest.fixture
async def bloated(db: Database, clock: SettableClock) -> UUID:
    """A table of which seven eighths are gone, and left alone by autovacuum; whose it is."""
    tenant = await make_tenant(db)
    given = {"tenant": tenant.id, "agent": await make_agent(db, tenant.id), "log": uuid7(clock()), "rows": ROWS}
    async with db.owner() as owner:
        await owner.execute(text(f"ALTER TABLE {TABLE} SET (autovacuum_enabled = off)"))
        await owner.execute(_FILL, given)
    async with db.owner() as owner:
        await owner.execute(_THIN)
        await owner.execute(text("SELECT pg_stat_force_next_flush()"))
    await until(lambda: _seen(db, clock), seconds=30)
    return tenant.id


async def _seen(db: Database, clock: SettableClock) -> bool:
    return VACUUM in await work.plan(db, clock(), MEASURES)


async def _size(db: Database) -> int:
    async with db.owner() as owner:
        return int((await owner.execute(_SIZE, {"index": INDEX})).scalar_one())


async def _recorded(db: Database) -> dict[Work, tuple[int, int]]:
    query = text("SELECT task, relation, bytes_before, bytes_after FROM maintenance_runs")
    async with db.owner() as owner:
        return {Work(Task(task), name): (before, after) for task, name, before, after in await owner.execute(query)}


async def test_a_bloated_table_is_vacuumed_and_its_index_built_anew(
    db: Database, clock: SettableClock, bloated: UUID
) -> None:
    before, registry = await _size(db), CollectorRegistry()
    job = Maintenance(db, clock=clock, registry=registry, measures=MEASURES)
    outcomes = {one.work: one for one in await job.run_once(clock())}
    assert outcomes[VACUUM].failed is None
    # The index is known to be thin once its entries were counted by the vacuum: then it is its turn.
    outcomes |= {one.work: one for one in await job.run_once(clock())}
    assert await _size(db) < before / 2
    assert outcomes[REINDEX].after < outcomes[REINDEX].before / 2
    assert (await _recorded(db))[REINDEX] == (outcomes[REINDEX].before, outcomes[REINDEX].after)
    shown = {"task": "reindex"}
    assert registry.get_sample_value("agent_monitor_maintenance_relations_total", shown) == 1
    freed = registry.get_sample_value("agent_monitor_maintenance_freed_bytes_total", shown)
    assert freed == outcomes[REINDEX].before - outcomes[REINDEX].after
    assert registry.get_sample_value("agent_monitor_maintenance_timestamp_seconds", shown) == clock().timestamp()
    assert await job.run_once(clock()) == [], "nothing is due twice"
    async with db.tenant(bloated) as connection:
        found = await connection.execute(text(f"SELECT count(*) FROM {TABLE} WHERE external_id < '2'"))
        assert 0 < found.scalar_one() < ROWS / 4


async def test_what_is_in_use_is_put_off_and_what_was_left_over_goes(
    db: Database, clock: SettableClock, bloated: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_WAIT", dict.fromkeys(Task, "200ms"))
    await work.run_once(db, clock(), Measures(few=100), clock=clock)
    async with db.tenant(bloated) as writer:
        await writer.execute(text(f"DELETE FROM {TABLE} WHERE external_id < '01'"))
        (outcome,) = await work.run_once(db, clock(), MEASURES, clock=clock)
        assert (outcome.work, outcome.failed is not None) == (REINDEX, True)
        assert await _invalid(db) == [f"{INDEX}_ccnew"]
    assert REINDEX not in await _recorded(db)
    outcomes = await work.run_once(db, clock(), MEASURES, clock=clock)
    assert [one.failed for one in outcomes if one.work == REINDEX] == [None]
    assert await _invalid(db) == []


async def _invalid(db: Database) -> list[str]:
    async with db.owner() as owner:
        query = text("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        return list((await owner.execute(query)).scalars())


async def test_one_process_at_a_time(db: Database, clock: SettableClock, bloated: UUID) -> None:
    async with work._session(db) as connection, work._alone(connection) as mine:
        assert mine
        assert await work.run_once(db, clock(), MEASURES, clock=clock) == []
    assert VACUUM in [one.work for one in await work.run_once(db, clock(), MEASURES, clock=clock)]
    async with db.driver(Role.OWNER) as driver:
        assert isinstance(driver, psycopg.AsyncConnection)
        assert not driver.autocommit, "the connection is given back as it was"


async def test_what_is_gone_is_forgotten(db: Database, clock: SettableClock) -> None:
    gone = text(
        "INSERT INTO maintenance_runs (task, relation, completed_at, seconds, bytes_before, bytes_after) "
        "VALUES ('vacuum', 'agent_logs_p19990101', now(), 1, 1, 1)"
    )
    async with db.owner() as owner:
        await owner.execute(gone)
    await work.run_once(db, clock(), MEASURES, clock=clock)
    assert Work(Task.VACUUM, "agent_logs_p19990101") not in await _recorded(db)
