"""Sessions: listed, ended by their owner or an administrator, and with a new password; a role that changes at once."""

import asyncio
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlalchemy import text, update

from monitor.db import Database
from monitor.identity.tables import Membership
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.identity.conftest import LOGIN, PASSWORD, browser, form_of, make_person, session_of, sign_in

NEW = "a brand new password"


async def test_signing_out_ends_the_session_for_good(client: httpx.AsyncClient, app: FastAPI, ann: UUID) -> None:
    await sign_in(client)
    cookie = session_of(client)
    assert cookie is not None
    assert (await client.post("/api/v1/sign-out")).status_code == 204
    assert session_of(client) is None
    async with browser(app) as thief:
        thief.cookies.set("agent_monitor_session", cookie)
        assert (await thief.get("/api/v1/me")).status_code == 401
    # On the page too, where a form has to say so.
    await sign_in(client)
    assert (await client.post("/sign-out")).status_code == 403
    assert session_of(client) is not None
    form = await form_of(client, "/")
    assert (await client.post("/sign-out", data=form)).status_code == 303
    assert (await client.get("/api/v1/me")).status_code == 401


async def test_one_sees_and_ends_ones_own_and_an_administrator_everybodys(
    client: httpx.AsyncClient, app: FastAPI, db: Database, tenant: TenantMade, ann: UUID, hashed: str
) -> None:
    await make_person(db, tenant.id, "bob@example.com", role="viewer", password_hash=hashed)
    await make_person(db, tenant.id, "root@example.com", role="admin", password_hash=hashed)
    async with browser(app) as bob, browser(app) as root:
        await sign_in(client)
        await sign_in(bob, "bob@example.com")
        await sign_in(root, "root@example.com")
        (own,) = (await bob.get("/api/v1/sessions")).json()["items"]
        assert (own["email"], own["current"], own["status"], own["method"], own["ip_address"]) == (
            "bob@example.com", True, "active", "password", "203.0.113.7",
        )  # fmt: skip
        (anns,) = (await client.get("/api/v1/sessions")).json()["items"]
        assert (await bob.delete(f"/api/v1/sessions/{anns['id']}")).status_code == 404
        assert (await client.get("/api/v1/me")).status_code == 200
        everybody = (await root.get("/api/v1/sessions")).json()["items"]
        assert [one["email"] for one in everybody if one["current"]] == ["root@example.com"]
        assert len(everybody) == 3
        assert len((await root.get("/api/v1/sessions?mine=true")).json()["items"]) == 1
        assert (await root.delete(f"/api/v1/sessions/{anns['id']}")).status_code == 204
        assert (await client.get("/api/v1/me")).status_code == 401
        statuses = {one["email"]: one["status"] for one in (await root.get("/api/v1/sessions")).json()["items"]}
        assert statuses["ann@example.com"] == "revoked"
        actions = (await root.get("/api/v1/audit-logs")).text
    assert "session.started" in actions
    assert "session.revoked" in actions


async def test_a_role_is_another_within_a_second_and_a_removed_member_is_out(
    client: httpx.AsyncClient, db: Database, ann: UUID
) -> None:
    await sign_in(client)
    assert (await client.get("/api/v1/api-keys")).status_code == 403
    async with db.owner() as owner:
        await owner.execute(update(Membership).where(Membership.user_id == ann).values(role="admin"))
    await asyncio.sleep(1)
    assert (await client.get("/api/v1/api-keys")).status_code == 200
    async with db.owner() as owner:
        await owner.execute(text("UPDATE memberships SET status = 'suspended' WHERE user_id = :id"), {"id": ann})
    await asyncio.sleep(1)
    assert (await client.get("/api/v1/api-keys")).status_code == 401


async def test_a_new_password_ends_all_sessions_in_all_tenants_but_the_new_one(
    client: httpx.AsyncClient, app: FastAPI, db: Database, ann: UUID, clock: SettableClock
) -> None:
    other = await make_tenant(db)
    first = await sign_in(client)
    async with db.owner() as owner:
        values = {"tenant": other.id, "user": ann}
        await owner.execute(text("INSERT INTO memberships (tenant_id, user_id) VALUES (:tenant, :user)"), values)
    async with browser(app) as elsewhere:
        assert (await sign_in(elsewhere, tenant=other.slug)).status_code == 200
        clock.advance(5)
        before = session_of(client)
        wrong = await client.post("/api/v1/me/password", json={"current": "not it at all", "new": NEW})
        assert wrong.status_code == 403
        changed = await client.post("/api/v1/me/password", json={"current": PASSWORD, "new": NEW})
        assert changed.status_code == 204, changed.text
        assert (await elsewhere.get("/api/v1/me")).status_code == 401
        assert session_of(client) not in (None, before)
        assert (await client.get("/api/v1/me")).status_code == 200
        statuses = {one["id"]: one["status"] for one in (await client.get("/api/v1/sessions")).json()["items"]}
        assert statuses[first.json()["session_id"]] == "revoked"
        assert (await sign_in(elsewhere, tenant=other.slug)).status_code == 401
        assert (await sign_in(elsewhere, password=NEW, tenant=other.slug)).status_code == 200


async def test_a_session_that_began_with_the_old_password_while_it_was_changed_is_over(
    client: httpx.AsyncClient, app: FastAPI, ann: UUID, clock: SettableClock
) -> None:
    """Whoever was let in by what was read before the change is out after it, whichever is written first."""
    await sign_in(client)
    signing = app.state.signing
    check, reached, go_on = signing.passwords.check, asyncio.Event(), asyncio.Event()

    async def slow(stored: str | None, password: str) -> object:
        checked = await check(stored, password)
        reached.set()
        await go_on.wait()
        return checked

    signing.passwords.check = slow
    async with browser(app) as thief:
        stolen = asyncio.create_task(sign_in(thief))
        await reached.wait()
        signing.passwords.check = check
        clock.advance(1)
        body = {"current": PASSWORD, "new": NEW}
        assert (await client.post("/api/v1/me/password", json=body)).status_code == 204
        clock.advance(1)
        go_on.set()
        assert (await stolen).status_code == 200
        assert (await thief.get("/api/v1/me")).status_code == 401


async def test_weak_passwords_are_refused(client: httpx.AsyncClient, ann: UUID) -> None:
    await sign_in(client)
    for weak in ("short", "aaaaaaaaaaaaaaaa", LOGIN.upper(), "x" * 1001):
        answer = await client.post("/api/v1/me/password", json={"current": PASSWORD, "new": weak})
        assert (answer.status_code, answer.json().get("path", "new")) == (422, "new")


async def test_names_are_ones_own_and_a_username_is_one_persons(
    client: httpx.AsyncClient, app: FastAPI, db: Database, tenant: TenantMade, ann: UUID, hashed: str
) -> None:
    await make_person(db, tenant.id, "bob@example.com", password_hash=hashed)
    await sign_in(client)
    names = {"username": "Ann", "first_name": "Ann", "last_name": "Other", "avatar_url": "https://example.com/a.png"}
    me = (await client.patch("/api/v1/me", json=names)).json()
    assert names.items() <= me.items()
    async with browser(app) as bob:
        await sign_in(bob, "bob@example.com")
        assert (await bob.patch("/api/v1/me", json={"username": "aNN"})).status_code == 409
        # A name that looks like somebody's address would sign in in their place.
        for wrong in ({"username": "ann@example.com"}, {"avatar_url": "javascript:x"}, {"email": "x@y.z"}):
            assert (await bob.patch("/api/v1/me", json=wrong)).status_code == 422
    # A key acts for nobody, whoever made it.
    made = await client.patch("/api/v1/me", json={"name": "x"}, headers=tenant.headers)
    assert made.status_code == 403
