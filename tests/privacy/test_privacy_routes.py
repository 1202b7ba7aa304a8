"""A tenant's rules: set, checked, recorded, and effective within a second."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from monitor.db import Database
from monitor.errors import DatabaseDown
from monitor.ingest.privacy import Privacy
from monitor.principal import Scope
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_key, make_tenant
from tests.http.application import serving

PATH = "/api/v1/tenant/privacy"


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(db, clock) as client:
        yield client


async def test_contents_are_off_and_nothing_is_redacted_until_somebody_says_so(
    api: httpx.AsyncClient, tenant: TenantMade
) -> None:
    answer = await api.get(PATH, headers=tenant.headers)
    assert answer.json() == {"contents": False, "redact": [], "patterns": []}


async def test_what_is_left_out_stays_and_the_change_is_recorded(api: httpx.AsyncClient, tenant: TenantMade) -> None:
    await api.patch(PATH, json={"redact": ["keys", "emails"]}, headers=tenant.headers)
    ticket = {"name": "ticket", "pattern": r"T-\d+"}
    answer = await api.patch(PATH, json={"contents": True, "patterns": [ticket]}, headers=tenant.headers)
    now = {"contents": True, "redact": ["keys", "emails"], "patterns": [ticket]}
    assert (answer.status_code, answer.json()) == (200, now)
    assert (await api.get(PATH, headers=tenant.headers)).json() == now
    audit = (await api.get("/api/v1/audit-logs", headers=tenant.headers)).json()["items"][0]
    assert (audit["action"], audit["old_values"]["contents"], audit["new_values"]) == (
        "tenant.privacy_changed", False, now,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"patterns": [{"name": "a", "pattern": "x"}, {"name": "b", "pattern": "("}]}, "patterns.1.pattern"),
        ({"patterns": [{"name": "a", "pattern": "x*"}]}, "patterns.0.pattern"),
        ({"patterns": [{"name": "a", "pattern": "x\x00"}]}, "patterns.0.pattern"),
        ({"patterns": [{"name": "A!", "pattern": "x"}]}, "patterns.0.name"),
        ({"patterns": [{"name": "a", "pattern": "x"}] * 21}, "patterns"),
        ({"redact": ["everything"]}, "redact.0"),
        ({"content": True}, "content"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_path_of_the_fault(
    api: httpx.AsyncClient, tenant: TenantMade, body: dict[str, Any], path: str
) -> None:
    answer = await api.patch(PATH, json=body, headers=tenant.headers)
    assert answer.status_code == 422
    assert answer.json().get("path", answer.json().get("errors", [{}])[0].get("path")) == path
    assert (await api.get(PATH, headers=tenant.headers)).json()["patterns"] == []


async def test_only_an_admin_changes_it(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    for scope in (Scope.READ, Scope.WRITE, Scope.INGEST):
        _, key = await make_key(db, tenant.id, scopes=(scope,))
        answer = await api.patch(PATH, json={"contents": True}, headers={"X-API-Key": key})
        assert answer.status_code == 403


async def test_a_change_is_effective_within_a_second_and_a_policy_is_made_once(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    privacy = Privacy(db, secret_keys=("a key for tests only",))
    before = await asyncio.gather(*(privacy.of(tenant.id) for _ in range(20)))
    assert all(policy is before[0] for policy in before)
    assert not before[0].contents
    await api.patch(PATH, json={"contents": True, "redact": ["emails"]}, headers=tenant.headers)
    await asyncio.sleep(1)
    after = await privacy.of(tenant.id)
    assert (after.contents, after.text("a@example.com")) == (True, "[redacted email]")
    await asyncio.sleep(1)
    assert await privacy.of(tenant.id) is after
    other = await make_tenant(db)
    assert not (await privacy.of(other.id)).contents


async def test_a_content_has_another_hash_at_another_tenant_and_under_another_key(
    db: Database, tenant: TenantMade
) -> None:
    other = await make_tenant(db)
    one, two = Privacy(db, secret_keys=("one key of the ring",)), Privacy(db, secret_keys=("two key of the ring",))
    made = [(await privacy.of(owner.id)).content("said") for privacy in (one, two) for owner in (tenant, other)]
    assert len({content["hash"] for content in made}) == 4
    assert (await Privacy(db, secret_keys=("one key of the ring",)).of(tenant.id)).content("said") == made[0]


async def test_nothing_passes_while_the_rules_cannot_be_read(db: Database, tenant: TenantMade) -> None:
    privacy = Privacy(db, secret_keys=())
    async with db.owner() as owner:
        await owner.exec_driver_sql("REVOKE SELECT ON tenants FROM agent_monitor_app")
        await owner.commit()
    with pytest.raises(Exception, match="permission denied") as caught:
        await privacy.of(tenant.id)
    assert not isinstance(caught.value, DatabaseDown)
