"""Who may do what: keys, scopes, revocation, suspended and deleted tenants."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from monitor.db import Database
from monitor.identity import store
from monitor.identity.keys import generate
from monitor.principal import Scope, TenantStatus
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_agent, make_key, make_tenant
from tests.http.application import serving

LOG = {"agent": "a", "status": "success"}


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(db, clock) as client:
        yield client


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_a_key_is_taken_in_every_way_that_clients_send_it(api: httpx.AsyncClient, tenant: TenantMade) -> None:
    basic = base64.b64encode(f"anybody:{tenant.key}".encode()).decode()
    for headers in (
        {"Authorization": f"Bearer {tenant.key}"},
        {"Authorization": f"Token {tenant.key}"},
        {"Authorization": f"Basic {basic}"},
        {"X-API-Key": tenant.key},
    ):
        assert (await api.get("/api/v1/tenant", headers=headers)).json()["slug"] == tenant.slug


@pytest.mark.parametrize(
    "headers",
    [{}, _bearer("am_none_such"), {"Authorization": "Basic !!"}, {"Authorization": "Digest x"}, {"X-API-Key": ""}],
)
async def test_no_valid_key_is_401(api: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for answer in (
        await api.get("/api/v1/tenant", headers=headers),
        await api.post("/api/v1/logs", json=LOG, headers=headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_does_what_its_scopes_say(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    answers = {}
    for scope in Scope:
        _, key = await make_key(db, tenant.id, scopes=(scope,))
        answers[scope] = (
            (await api.post("/api/v1/logs", json=LOG, headers=_bearer(key))).status_code,
            (await api.get("/api/v1/agents", headers=_bearer(key))).status_code,
            (await api.post("/api/v1/agents", json={"external_id": scope}, headers=_bearer(key))).status_code,
            (await api.get("/api/v1/api-keys", headers=_bearer(key))).status_code,
        )
    assert answers == {
        Scope.INGEST: (202, 403, 403, 403),
        Scope.READ: (403, 200, 403, 403),
        Scope.WRITE: (403, 403, 201, 403),
        Scope.ALERTS: (403, 403, 403, 403),
        Scope.ADMIN: (202, 200, 201, 200),
    }


async def test_a_key_is_shown_once_and_stored_as_a_digest(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    made = (await api.post("/api/v1/api-keys", json={"name": "ci"}, headers=tenant.headers)).json()
    assert made["key"].startswith(f"am_{made['prefix']}_")
    assert made["scopes"] == ["ingest"]
    listed = (await api.get("/api/v1/api-keys", headers=tenant.headers)).text
    assert made["key"] not in listed
    assert made["prefix"] in listed
    audit = (await api.get("/api/v1/audit-logs", headers=tenant.headers)).text
    assert "api_key.created" in audit
    assert made["key"] not in audit


async def test_revoking_is_effective_within_a_second(api: httpx.AsyncClient, tenant: TenantMade) -> None:
    made = (await api.post("/api/v1/api-keys", json={"name": "ci"}, headers=tenant.headers)).json()
    assert (await api.post("/api/v1/logs", json=LOG, headers=_bearer(made["key"]))).status_code == 202
    revoked = await api.delete(f"/api/v1/api-keys/{made['id']}", headers=tenant.headers)
    assert revoked.json()["status"] == "revoked"
    await asyncio.sleep(1)
    assert (await api.post("/api/v1/logs", json=LOG, headers=_bearer(made["key"]))).status_code == 401
    itself = await api.delete(f"/api/v1/api-keys/{tenant.key_id}", headers=tenant.headers)
    assert itself.status_code == 403


async def test_an_expired_key_is_refused(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade
) -> None:
    key = generate()
    async with db.tenant(tenant.id) as connection:
        await store.insert_key(
            connection,
            tenant.id,
            key=key,
            name="brief",
            scopes=(Scope.READ,),
            now=clock(),
            expires_at=clock() + timedelta(minutes=1),
        )
    assert (await api.get("/api/v1/agents", headers=_bearer(key.text))).status_code == 200
    clock.advance(61)
    assert (await api.get("/api/v1/agents", headers=_bearer(key.text))).status_code == 401


async def test_a_key_bound_to_an_agent_speaks_for_it_alone(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    agent = await make_agent(db, tenant.id, "mine")
    _, key = await make_key(db, tenant.id, scopes=(Scope.INGEST,), agent_id=agent)
    rows = [LOG | {"agent": "mine"}, LOG | {"agent": "other"}]
    answer = (await api.post("/api/v1/logs", json=rows, headers=_bearer(key))).json()
    assert answer["accepted"] == 1
    assert answer["rejected"][0]["index"] == 1
    assert "403" in answer["rejected"][0]["error"]


async def test_a_suspended_tenant_reads_and_does_nothing_else(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    async with db.owner() as owner:
        await store.set_tenant_status(owner, tenant.id, TenantStatus.SUSPENDED, now=datetime.now(UTC))
    assert (await api.get("/api/v1/agents", headers=tenant.headers)).status_code == 200
    for answer in (
        await api.post("/api/v1/logs", json=LOG, headers=tenant.headers),
        await api.post("/api/v1/agents", json={"external_id": "x"}, headers=tenant.headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_deleted_tenant_does_nothing_at_all(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    async with db.owner() as owner:
        await store.set_tenant_status(owner, tenant.id, TenantStatus.DELETED, now=datetime.now(UTC))
    assert (await api.get("/api/v1/agents", headers=tenant.headers)).status_code == 401
