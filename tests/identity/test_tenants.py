"""Tenants: changed by administrators, suspended, deleted, brought back, and purged without touching anybody else."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from monitor import purging
from monitor.db import Database
from monitor.errors import Conflict
from monitor.identity import store
from monitor.ids import PLATFORM_TENANT
from monitor.principal import TenantStatus
from tests.conftest import SettableClock
from tests.factories import TenantMade
from tests.http.furnished import furnish, rows_of
from tests.identity.conftest import make_person, sign_in

MONTH = timedelta(days=30)


async def test_administrators_change_what_is_theirs_and_no_limit(
    client: httpx.AsyncClient, tenant: TenantMade, ann: UUID
) -> None:
    changes = {"name": "New name", "contact_name": "Ann", "contact_email": "ann@example.com", "auto_register": False}
    changed = await client.patch("/api/v1/tenant", json=changes, headers=tenant.headers)
    assert changes.items() <= changed.json().items()
    assert (await client.get("/api/v1/tenant", headers=tenant.headers)).json() == changed.json()
    assert "tenant.updated" in (await client.get("/api/v1/audit-logs", headers=tenant.headers)).text
    for wrong in (
        {"contact_email": "x"}, {"max_agents": 9}, {"plan": "enterprise"}, {"status": "active"}, {"name": ""},
    ):  # fmt: skip
        answer = await client.patch("/api/v1/tenant", json=wrong, headers=tenant.headers)
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, next(iter(wrong)))
    await sign_in(client)
    assert (await client.patch("/api/v1/tenant", json={"name": "x"})).status_code == 403


async def test_a_suspended_tenant_says_why_and_can_be_read_and_a_deleted_one_comes_back(
    client: httpx.AsyncClient, db: Database, tenant: TenantMade, ann: UUID, clock: SettableClock
) -> None:
    await sign_in(client)

    async def become(status: TenantStatus, reason: str | None = None) -> None:
        async with db.owner() as owner:
            await store.set_tenant_status(owner, tenant.id, status, now=clock(), reason=reason, purge_after=MONTH)
        await asyncio.sleep(1)

    await become(TenantStatus.SUSPENDED, "unpaid")
    shown = (await client.get("/api/v1/tenant")).json()
    assert (shown["status"], shown["suspended_reason"]) == ("suspended", "unpaid")
    assert (await client.patch("/api/v1/tenant", json={"name": "x"}, headers=tenant.headers)).status_code == 403
    await become(TenantStatus.DELETED)
    assert (await client.get("/api/v1/tenant")).status_code == 401
    assert (await sign_in(client)).status_code == 401
    async with db.owner() as owner:
        assert await purging.due(owner, clock() + MONTH - timedelta(seconds=1)) == []
        assert await purging.due(owner, clock() + MONTH) == [(tenant.id, tenant.slug)]
    await become(TenantStatus.ACTIVE)
    assert (await client.get("/api/v1/tenant")).json()["suspended_reason"] is None
    async with db.owner() as owner:
        assert await purging.due(owner, clock() + 10 * MONTH) == []


async def test_the_platforms_own_tenant_is_never_deleted(db: Database, clock: SettableClock) -> None:
    with pytest.raises(Conflict, match="stays as it is"):
        async with db.owner() as owner:
            await store.set_tenant_status(owner, PLATFORM_TENANT, TenantStatus.DELETED, now=clock())


async def test_a_purge_takes_everything_of_one_tenant_in_batches_and_goes_on_where_it_was_ended(
    db: Database, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    gone, stays = await furnish(db, "apple"), await furnish(db, "walnut")
    both = await make_person(db, gone.tenant.id, "both@example.com")
    async with db.owner() as owner:
        values = {"tenant": stays.tenant.id, "user": both}
        await owner.execute(text("INSERT INTO memberships (tenant_id, user_id) VALUES (:tenant, :user)"), values)
        await store.set_tenant_status(owner, gone.tenant.id, TenantStatus.DELETED, now=clock())
        expected = await purging.count(owner, gone.tenant.id)
    before = await rows_of(db, stays.tenant.id)
    empty, calls = purging._empty, 0

    async def ended(*given: object) -> int:
        nonlocal calls
        calls += 1
        if calls == 10:
            raise asyncio.CancelledError
        return await empty(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(purging, "_empty", ended)
    with pytest.raises(asyncio.CancelledError):
        await purging.purge(db, gone.tenant.id, gone.tenant.slug, now=clock())
    monkeypatch.setattr(purging, "_empty", empty)
    removed = await purging.purge(db, gone.tenant.id, gone.tenant.slug, now=clock())
    assert removed["users"] == 1
    assert removed.keys() - {"users"} < expected.keys()
    left = {name: rows for name, rows in (await rows_of(db, gone.tenant.id)).items() if rows}
    assert set(left) == {"audit_logs"}
    assert await rows_of(db, stays.tenant.id) == before
    async with db.owner() as owner:
        known = set((await owner.execute(text("SELECT id FROM users"))).scalars())
        assert both in known
        assert gone.tenant.user_id not in known
        await owner.execute(text("SELECT set_config('app.current_tenant_id', :id, true)"), {"id": str(PLATFORM_TENANT)})
        query = text("SELECT resource_id FROM audit_logs WHERE action = 'tenant.purged'")
        assert list((await owner.execute(query)).scalars()) == [str(gone.tenant.id)]
