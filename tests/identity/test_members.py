"""Who belongs to a tenant: invitations, parts, the last owner; and keys that are changed and replaced."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from monitor.db import Database
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.identity.conftest import (
    LOGIN,
    PASSWORD,
    Letterbox,
    browser,
    form_of,
    make_person,
    sign_in,
    user_row,
)

GUEST = "guest@example.com"


async def test_whoever_is_invited_comes_by_the_mail_sets_a_password_and_is_a_member(
    client: httpx.AsyncClient, letterbox: Letterbox, tenant: TenantMade, db: Database
) -> None:
    body = {"email": GUEST, "role": "viewer"}
    made = await client.post("/api/v1/members", json=body, headers=tenant.headers)
    assert made.status_code == 201, made.text
    assert (made.json()["status"], made.json()["active"], made.json()["name"]) == ("invited", False, None)
    mail = letterbox.mails[-1]
    assert mail.to == GUEST
    page = await client.get(mail.path)
    assert (page.status_code, GUEST in page.text) == (200, True)
    member = f"/api/v1/members/{GUEST}"
    assert (await client.get(member, headers=tenant.headers)).json()["status"] == "invited"
    form = await form_of(client, mail.path)
    assert (await client.post(mail.path, data=form | {"password": "short"})).status_code == 422
    done = await client.post(mail.path, data=form | {"password": PASSWORD})
    assert (done.status_code, "You have joined" in done.text) == (200, True)
    assert (await client.post(mail.path, data=form | {"password": "another password"})).status_code == 410
    assert (await sign_in(client, GUEST)).status_code == 200
    assert (await client.get("/api/v1/me")).json()["role"] == "viewer"
    assert (await user_row(db, UUID(made.json()["id"]))).email_verified_at is not None


async def test_an_invitation_changes_no_password_and_tells_of_no_account(
    client: httpx.AsyncClient, letterbox: Letterbox, db: Database, tenant: TenantMade, ann: UUID
) -> None:
    other = await make_tenant(db)
    async with db.owner() as owner:
        await owner.execute(text("UPDATE users SET name = 'Ann Other' WHERE id = :id"), {"id": ann})
    known = await client.post("/api/v1/members", json={"email": LOGIN.upper()}, headers=other.headers)
    unknown = await client.post("/api/v1/members", json={"email": GUEST}, headers=other.headers)
    shapes = [one.json() | {"id": "", "email": ""} for one in (known, unknown)]
    assert shapes[0] == shapes[1]
    assert "Ann Other" not in (await client.get("/api/v1/members", headers=other.headers)).text
    # She has yet to come: the other tenant is no choice of hers.
    assert (await sign_in(client)).json()["tenant_id"] == str(tenant.id)
    token = letterbox.mails[0].path.rpartition("/")[2]
    joined = await client.post(f"/api/v1/invitations/{token}", json={"password": "the administrators own"})
    assert joined.status_code == 204
    assert (await sign_in(client, password="the administrators own", tenant=other.slug)).status_code == 401
    assert (await sign_in(client, tenant=other.slug)).status_code == 200
    assert "Ann Other" in (await client.get("/api/v1/members", headers=other.headers)).text


async def test_an_invitation_is_replaced_by_the_next_and_taken_back(
    client: httpx.AsyncClient, letterbox: Letterbox, tenant: TenantMade
) -> None:
    for _ in range(2):
        answer = await client.post("/api/v1/members", json={"email": GUEST}, headers=tenant.headers)
        assert answer.status_code == 201
    first, second = (mail.path.rpartition("/")[2] for mail in letterbox.mails)
    assert (await client.post(f"/api/v1/invitations/{first}", json={})).status_code == 410
    assert (await client.delete(f"/api/v1/members/{GUEST}", headers=tenant.headers)).status_code == 204
    assert (await client.post(f"/api/v1/invitations/{second}", json={})).status_code == 410
    assert (await client.get(f"/api/v1/members/{GUEST}", headers=tenant.headers)).status_code == 404


@pytest.fixture
async def root(client: httpx.AsyncClient, db: Database, tenant: TenantMade, hashed: str) -> httpx.AsyncClient:
    """A browser of an administrator."""
    await make_person(db, tenant.id, "root@example.com", role="admin", password_hash=hashed)
    await sign_in(client, "root@example.com")
    return client


async def test_parts_are_an_administrators_to_change_and_owners_an_owners(
    root: httpx.AsyncClient, app: FastAPI, db: Database, tenant: TenantMade, ann: UUID, hashed: str
) -> None:
    first_owner = f"/api/v1/members/owner@{tenant.slug}.example"
    answers = {
        "promotes": await root.patch(f"/api/v1/members/{LOGIN}", json={"role": "on-call", "permissions": ["write"]}),
        "makes an owner": await root.patch(f"/api/v1/members/{LOGIN}", json={"role": "owner"}),
        "invites an owner": await root.post("/api/v1/members", json={"email": GUEST, "role": "owner"}),
        "demotes an owner": await root.patch(first_owner, json={"role": "viewer"}),
        "suspends an owner": await root.patch(first_owner, json={"status": "suspended"}),
        "removes an owner": await root.delete(first_owner),
        "makes itself one": await root.patch("/api/v1/members/root@example.com", json={"role": "owner"}),
        "by a key": await root.patch(first_owner, json={"role": "viewer"}, headers=tenant.headers),
        "makes active": await root.patch(f"/api/v1/members/{LOGIN}", json={"status": "invited"}),
        "grants nothing": await root.patch(f"/api/v1/members/{LOGIN}", json={"permissions": ["everything"]}),
    }
    statuses = {what: answer.status_code for what, answer in answers.items()}
    assert statuses == dict.fromkeys(answers, 403) | {"promotes": 200, "makes active": 422, "grants nothing": 422}
    async with browser(app) as other:
        await sign_in(other)
        # What was granted beside the role holds, and no more.
        assert set((await other.get("/api/v1/me")).json()["scopes"]) == {"read", "alerts", "write"}
        assert (await other.patch(f"/api/v1/members/{LOGIN}", json={"contacts": []})).status_code == 200
        assert (await other.patch(f"/api/v1/members/{LOGIN}", json={"role": "admin"})).status_code == 403
        assert (await other.post("/api/v1/members", json={"email": GUEST})).status_code == 403


async def test_of_two_owners_who_take_each_other_out_one_stays(
    client: httpx.AsyncClient, app: FastAPI, db: Database, hashed: str
) -> None:
    tenant = await make_tenant(db)
    first = f"owner@{tenant.slug}.example"
    async with db.owner() as owner:
        values = {"hash": hashed, "id": tenant.user_id}
        await owner.execute(text("UPDATE users SET password_hash = :hash WHERE id = :id"), values)
    await make_person(db, tenant.id, "second@example.com", role="owner", password_hash=hashed)
    async with browser(app) as one, browser(app) as two:
        assert (await sign_in(one, first)).status_code == 200
        assert (await sign_in(two, "second@example.com")).status_code == 200
        answers = await asyncio.gather(
            one.patch("/api/v1/members/second@example.com", json={"role": "member"}),
            two.patch(f"/api/v1/members/{first}", json={"status": "suspended"}),
        )
        assert 200 in {answer.status_code for answer in answers}
    async with db.owner() as owner:
        query = text("SELECT count(*) FROM memberships WHERE tenant_id = :id AND role = 'owner' AND status = 'active'")
        assert (await owner.execute(query, {"id": tenant.id})).scalar() == 1


async def test_the_last_owner_stays(client: httpx.AsyncClient, app: FastAPI, db: Database, hashed: str) -> None:
    tenant = await make_tenant(db)
    own = f"/api/v1/members/owner@{tenant.slug}.example"
    async with db.owner() as owner:
        values = {"hash": hashed, "id": tenant.user_id}
        await owner.execute(text("UPDATE users SET password_hash = :hash WHERE id = :id"), values)
    await sign_in(client, f"owner@{tenant.slug}.example")
    for answer in (
        await client.patch(own, json={"role": "admin"}),
        await client.patch(own, json={"status": "inactive"}),
        await client.delete(own),
    ):
        assert (answer.status_code, "last owner" in answer.text) == (409, True)


async def test_a_key_is_changed_within_a_second_and_its_use_remembered(
    client: httpx.AsyncClient, tenant: TenantMade, clock: SettableClock
) -> None:
    made = (await client.post("/api/v1/api-keys", json={"name": "ci"}, headers=tenant.headers)).json()
    address, own = f"/api/v1/api-keys/{made['id']}", {"X-API-Key": made["key"]}
    assert (await client.get("/api/v1/agents", headers=own)).status_code == 403
    changed = await client.patch(address, json={"scopes": ["read"], "name": "reads"}, headers=tenant.headers)
    assert (changed.json()["scopes"], changed.json()["name"]) == (["read"], "reads")
    await asyncio.sleep(1)
    assert (await client.get("/api/v1/agents", headers=own)).status_code == 200

    async def listed() -> dict[str, Any]:
        """The key among the tenant's, which are in the order of times that two clocks gave."""
        items = (await client.get("/api/v1/api-keys", headers=tenant.headers)).json()["items"]
        return next(dict(one) for one in items if one["id"] == made["id"])

    used = await listed()
    assert used["last_used_at"] is not None
    ends = (clock() + timedelta(seconds=5)).isoformat()
    assert (await client.patch(address, json={"expires_at": ends}, headers=tenant.headers)).status_code == 200
    clock.advance(6)
    assert (await listed())["status"] == "expired"
    # What is over does not come back to life.
    revived = await client.patch(address, json={"expires_at": None}, headers=tenant.headers)
    assert revived.status_code == 409


async def test_a_key_is_replaced_and_both_work_while_the_grace_lasts(
    client: httpx.AsyncClient, tenant: TenantMade, clock: SettableClock
) -> None:
    body = {"name": "ci", "scopes": ["read"], "expires_at": (clock() + timedelta(hours=9)).isoformat()}
    old = (await client.post("/api/v1/api-keys", json=body, headers=tenant.headers)).json()
    clock.advance(3600)
    address = f"/api/v1/api-keys/{old['id']}/rotate"
    assert (await client.post(address, json={"grace": "31d"}, headers=tenant.headers)).status_code == 422
    new = (await client.post(address, json={"grace": "1h"}, headers=tenant.headers)).json()
    assert (new["replaces_id"], new["scopes"], new["name"]) == (old["id"], ["read"], "ci")
    await asyncio.sleep(1)

    async def answers() -> list[int]:
        keys = (old["key"], new["key"])
        return [(await client.get("/api/v1/agents", headers={"X-API-Key": key})).status_code for key in keys]

    assert await answers() == [200, 200]
    clock.advance(3601)
    assert await answers() == [401, 200]
    # As long as the first was to live: nine hours from its own beginning.
    clock.advance(7.5 * 3600)
    assert await answers() == [401, 200]
    revoked = await client.delete(f"/api/v1/api-keys/{new['id']}", headers=tenant.headers)
    assert revoked.json()["status"] == "revoked"
    again = await client.post(f"/api/v1/api-keys/{new['id']}/rotate", json={}, headers=tenant.headers)
    assert again.status_code == 409
