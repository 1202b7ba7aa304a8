"""What has had its time goes, in batches; what is open or young stays."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.ids import uuid7
from monitor.retention import sweep
from monitor.retention.kinds import defaults
from monitor.retention.limits import Limits
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import make_agent, make_tenant

RAW = timedelta(days=30)
OLD = timedelta(days=400)


async def _alert(db: Database, tenant_id: UUID, opened: datetime, resolved: datetime | None) -> UUID:
    alert_id = uuid7(opened)
    values = {
        "tenant": tenant_id,
        "id": alert_id,
        "status": "open" if resolved is None else "resolved",
        "opened": opened,
        "resolved": resolved,
        "name": str(alert_id),
    }
    async with db.owner() as owner:
        await owner.execute(
            text(
                "INSERT INTO alerts (tenant_id, id, rule, fingerprint, severity, status, triggered_at, resolved_at) "
                "VALUES (:tenant, :id, :name, '', 'warning', :status, :opened, :resolved)"
            ),
            values,
        )
        await owner.execute(
            text(
                "INSERT INTO notification_groups (tenant_id, id, channel, target, alert_ids, created_at) "
                "VALUES (:tenant, :id, 'email', 'a@example.com', ARRAY[:id]::uuid[], :opened)"
            ),
            values,
        )
    return alert_id


async def test_old_closed_alerts_go_and_open_ones_stay(db: Database, clock: SettableClock) -> None:
    tenant, now = await make_tenant(db), clock()
    await _alert(db, tenant.id, now - OLD, now - OLD)
    still_open = await _alert(db, tenant.id, now - OLD, None)
    young = await _alert(db, tenant.id, now - OLD, now - timedelta(days=1))
    done = await sweep.run_once(db, now, Limits(defaults(Settings()), ()))
    assert (done["alerts"], done["notification_groups"]) == (1, 1)
    async with db.tenant(tenant.id) as connection:
        for table in ("alerts", "notification_groups"):
            rows = await connection.execute(text(f"SELECT id FROM {table}"))
            assert set(rows.scalars()) == {still_open, young}


async def test_old_runs_go(db: Database, clock: SettableClock) -> None:
    tenant, now = await make_tenant(db), clock()
    agent = await make_agent(db, tenant.id)
    run = text(
        "INSERT INTO scheduled_runs (tenant_id, id, agent_id, due_at, status) "
        "VALUES (:tenant, :id, :agent, :at, 'expected')"
    )
    times = [now - RAW - timedelta(hours=1), now - RAW + timedelta(hours=1), now]
    async with db.tenant(tenant.id) as connection:
        for at in times:
            await connection.execute(run, {"tenant": tenant.id, "id": uuid7(at), "agent": agent, "at": at})
    assert (await sweep.run_once(db, now, Limits(defaults(Settings()), ())))["scheduled_runs"] == 1
    async with db.tenant(tenant.id) as connection:
        left = await connection.execute(text("SELECT due_at FROM scheduled_runs ORDER BY due_at"))
        assert list(left.scalars()) == times[1:]


async def test_answers_and_log_ids_go_in_batches(
    db: Database, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BATCH", 3)
    tenant, now = await make_tenant(db), clock()
    agent = await make_agent(db, tenant.id)
    key = text(
        "INSERT INTO idempotency_keys (tenant_id, key, body_hash, answer, created_at) "
        "VALUES (:tenant, :key, '', '{}', :at)"
    )
    log = text("INSERT INTO agent_log_ids VALUES (:tenant, :agent, :key, :id)")
    async with db.tenant(tenant.id) as connection:
        for number in range(8):
            at = now - timedelta(hours=25) if number else now - timedelta(hours=23)
            await connection.execute(key, {"tenant": tenant.id, "key": str(number), "at": at})
            made = uuid7(now - RAW - timedelta(days=1) if number else now - RAW + timedelta(days=1))
            await connection.execute(log, {"tenant": tenant.id, "agent": agent, "key": str(number), "id": made})
    done = await sweep.run_once(db, now, Limits(defaults(Settings()), ()))
    assert (done["idempotency_keys"], done["agent_log_ids"]) == (7, 7)
    assert sum((await sweep.run_once(db, now, Limits(defaults(Settings()), ()))).values()) == 0
