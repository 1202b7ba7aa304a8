"""Policies of tenants: theirs go when they say, nobody else's; by days and by size; partitions wait for the longest."""

from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from monitor import partitions
from monitor.db import Database
from monitor.ids import uuid7
from monitor.principal import Scope
from monitor.retention import limits, sweep
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import make_agent, make_key, make_tenant
from tests.http.application import serving

LOG = (
    "INSERT INTO agent_logs (tenant_id, agent_id, id, kind, status, message) "
    "VALUES (:tenant, :agent, :id, 'execution', 'success', :said)"
)
DAY = timedelta(days=1)
SETTINGS = Settings()


async def fill(db: Database, tenant: UUID, now: datetime, *, days: int, rows: int = 4) -> None:
    """So many logs a day, each of about 1 kB, for some days back."""
    agent = await make_agent(db, tenant)
    given = [
        {"tenant": tenant, "agent": agent, "id": uuid7(now - day * DAY), "said": "x" * 1000}
        for day in range(days)
        for _ in range(rows)
    ]
    async with db.owner() as owner:
        await owner.execute(text(LOG), given)


async def policy(db: Database, tenant: UUID, **values: int) -> None:
    """A policy for logs."""
    given = {
        "tenant": tenant,
        "id": uuid7(datetime.fromtimestamp(0).astimezone()),
        "days": None,
        "bytes": None,
    } | values
    async with db.owner() as owner:
        await owner.execute(
            text(
                "INSERT INTO retention_policies (tenant_id, id, kind, keep_days, max_bytes, created_by) "
                "VALUES (:tenant, :id, 'logs', :days, :bytes, 'test')"
            ),
            given,
        )


async def left(db: Database, tenant: UUID) -> int:
    """How many logs a tenant has."""
    async with db.tenant(tenant) as connection:
        return int((await connection.execute(text("SELECT count(*) FROM agent_logs"))).scalar_one())


async def test_each_tenant_keeps_what_it_wants(
    db: Database, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BATCH", 7)
    now = clock()
    short, other = await make_tenant(db), await make_tenant(db)
    for tenant in (short, other):
        await fill(db, tenant.id, now, days=20)
    await policy(db, short.id, days=5)
    found = await limits.load(db, SETTINGS)
    seen = await sweep.preview(db, now + timedelta(seconds=1), found)
    assert seen["agent_logs"] == 60
    assert await left(db, short.id) == 80, "a preview removes nothing"
    assert (await sweep.run_once(db, now + timedelta(seconds=1), found))["agent_logs"] == 60
    assert (await left(db, short.id), await left(db, other.id)) == (20, 80)
    async with db.tenant(short.id) as connection:
        runs = (await connection.execute(text("SELECT status, rows_removed, report FROM retention_runs"))).all()
    assert [tuple(run) for run in runs] == [("completed", 60, {"agent_logs": 60})]
    assert (await sweep.run_once(db, now + timedelta(seconds=1), found))["agent_logs"] == 0


async def test_the_longest_wish_keeps_partitions_and_others_rows_go(db: Database, clock: SettableClock) -> None:
    now = clock()
    long, other = await make_tenant(db), await make_tenant(db)
    for tenant in (long, other):
        await fill(db, tenant.id, now, days=31, rows=1)
    await policy(db, long.id, days=60)
    later = now + 10 * DAY + timedelta(seconds=1)
    found = await limits.load(db, SETTINGS)
    await partitions.apply(db, later, retention=found.partitions(SETTINGS))
    assert await left(db, other.id) == 31
    await sweep.run_once(db, later, found)
    assert (await left(db, long.id), await left(db, other.id)) == (31, 20)


async def test_a_size_is_kept_to_by_whole_days(db: Database, clock: SettableClock) -> None:
    now = clock().replace(hour=12)
    tenant = await make_tenant(db)
    await fill(db, tenant.id, now, days=10, rows=4)
    await policy(db, tenant.id, bytes=4 * 3 * 1200)
    await sweep.run_once(db, now, await limits.load(db, SETTINGS))
    assert await left(db, tenant.id) == 12
    async with db.owner() as owner:
        await owner.execute(text("UPDATE retention_policies SET max_bytes = 1"))
    await sweep.run_once(db, now, await limits.load(db, SETTINGS))
    assert await left(db, tenant.id) == 4, "today's stay"


async def test_only_one_process_removes_at_a_time(db: Database, clock: SettableClock) -> None:
    tenant = await make_tenant(db)
    await fill(db, tenant.id, clock(), days=9)
    await policy(db, tenant.id, days=1)
    found = await limits.load(db, SETTINGS)
    async with sweep._alone(db) as mine:
        assert mine
        assert dict(await sweep.run_once(db, clock(), found)) == {}
    assert await left(db, tenant.id) == 36
    assert (await sweep.run_once(db, clock(), found))["agent_logs"] == 28


async def test_policies_are_set_shown_and_audited(db: Database, clock: SettableClock) -> None:
    tenant = await make_tenant(db)
    await fill(db, tenant.id, clock() - timedelta(seconds=1), days=10)
    _, key = await make_key(db, tenant.id, scopes=(Scope.ADMIN,))
    async with serving(db, clock) as api:
        api.headers["Authorization"] = f"Bearer {key}"
        assert (await api.put("/api/v1/retention-policies/logs", json={})).status_code == 422
        assert (await api.put("/api/v1/retention-policies/other", json={"keep_days": 1})).status_code == 422
        for days in (3, 4):
            answer = await api.put("/api/v1/retention-policies/logs", json={"keep_days": days})
            assert answer.status_code == 200, answer.text
        listed = (await api.get("/api/v1/retention-policies")).json()
        assert [(one["kind"], one["keep_days"], one["max_bytes"]) for one in listed] == [("logs", 4, None)]
        preview = (await api.get("/api/v1/retention-preview")).json()
        assert [(one["kind"], one["rows"]["agent_logs"]) for one in preview] == [("logs", 24)]
        await sweep.run_once(db, clock(), await limits.load(db, SETTINGS))
        runs = (await api.get("/api/v1/retention-runs")).json()["items"]
        assert [(run["kind"], run["rows_removed"], run["report"]) for run in runs] == [("logs", 24, {"agent_logs": 24})]
        assert (await api.delete("/api/v1/retention-policies/logs")).status_code == 204
        assert (await api.delete("/api/v1/retention-policies/logs")).status_code == 404
        await _audited(api)


async def _audited(api: httpx.AsyncClient) -> None:
    entries = (await api.get("/api/v1/audit-logs")).json()["items"]
    actions = [entry["action"] for entry in entries if entry["resource_type"] == "retention_policy"]
    assert actions == [f"retention_policy.{verb}" for verb in ("deleted", "updated", "created")]
