"""Signing in by password: the same answer and time for all who may not, limits, fixation, other sites, redirects."""

import asyncio
import time
from collections import Counter
from datetime import timedelta
from uuid import UUID

import bcrypt
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text, update

from monitor.db import Database
from monitor.http.deps import SESSION_COOKIE
from monitor.identity.signing import Signing
from monitor.identity.tables import Membership, Tenant, User, UserSession
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.identity.conftest import (
    LOGIN,
    PASSWORD,
    browser,
    form_of,
    make_person,
    session_of,
    sign_in,
    user_row,
)


async def test_a_password_begins_a_session_and_only_its_digest_is_stored(
    client: httpx.AsyncClient, db: Database, tenant: TenantMade, ann: UUID, clock: SettableClock
) -> None:
    answer = await sign_in(client)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["tenant_id"], answer.json()["user_id"]) == (str(tenant.id), str(ann))
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    token = session_of(client)
    assert token is not None
    assert token not in answer.text
    async with db.owner() as owner:
        rows = (await owner.execute(text("SELECT x::text, ip_address::text FROM user_sessions x"))).all()
    assert len(rows) == 1
    assert token not in rows[0][0]
    assert rows[0][1] == "203.0.113.7/32"
    assert (await user_row(db, ann)).last_login_at == clock()
    assert (await client.get("/api/v1/agents")).status_code == 200


@pytest.mark.parametrize("login", ["ANN@example.com", "Ann.Other", " ann@example.com "])
async def test_a_username_or_an_address_in_any_capitals_will_do(
    client: httpx.AsyncClient, db: Database, ann: UUID, login: str
) -> None:
    async with db.owner() as owner:
        await owner.execute(update(User).where(User.id == ann).values(username="ann.other"))
    assert (await sign_in(client, login)).status_code == 200


async def _refusals(client: httpx.AsyncClient, db: Database, tenant: TenantMade, hashed: str) -> dict[str, str]:
    """One of each kind of refusal, by its login."""
    await make_person(db, tenant.id, "nopassword@example.com")
    gone = await make_person(db, tenant.id, "gone@example.com", password_hash=hashed)
    suspended = await make_person(db, tenant.id, "suspended@example.com", password_hash=hashed)
    other = await make_tenant(db)
    await make_person(db, other.id, "lost@example.com", password_hash=hashed)
    async with db.owner() as owner:
        await owner.execute(text("UPDATE users SET deleted_at = now() WHERE id = :id"), {"id": gone})
        await owner.execute(update(Membership).where(Membership.user_id == suspended).values(status="suspended"))
        await owner.execute(update(Tenant).where(Tenant.id == other.id).values(status="deleted"))
    return {
        LOGIN: "wrong password 123", "nobody@example.com": PASSWORD, "nopassword@example.com": PASSWORD,
        "gone@example.com": PASSWORD, "suspended@example.com": PASSWORD, "lost@example.com": PASSWORD,
        "nobody": PASSWORD,
    }  # fmt: skip


async def test_whoever_may_not_come_in_is_told_the_same(
    client: httpx.AsyncClient, db: Database, tenant: TenantMade, ann: UUID, hashed: str
) -> None:
    answers = {}
    for login, password in (await _refusals(client, db, tenant, hashed)).items():
        answer = await sign_in(client, login, password)
        answers[login] = (answer.status_code, answer.text, sorted(set(answer.headers) - {"content-length"}))
    assert len(set(map(str, answers.values()))) == 1, answers
    assert answers[LOGIN][0] == 401
    assert session_of(client) is None


async def test_a_stranger_costs_as_much_as_a_wrong_password(
    client: httpx.AsyncClient, app: FastAPI, db: Database, tenant: TenantMade, ann: UUID
) -> None:
    """Without the floor: what is done is the same, and the shortest of several times shows it."""
    app.state.signing = Signing(app.state.deps, floor=0.0)
    fast = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    await make_person(db, tenant.id, "imported@example.com", password_hash=fast)

    async def shortest(login: str) -> float:
        times = []
        for _ in range(4):
            begun = time.perf_counter()
            assert (await sign_in(client, login, "wrong password 123")).status_code == 401
            times.append(time.perf_counter() - begun)
        return min(times)

    known, unknown = await shortest(LOGIN), await shortest("nobody@example.com")
    assert 0.5 < known / unknown < 2
    # A hash that is much cheaper to check is hidden by the floor.
    app.state.signing = Signing(app.state.deps, floor=0.6)
    for login in ("imported@example.com", "nobody2@example.com"):
        assert await shortest(login) >= 0.6


async def test_an_account_takes_ten_attempts_and_a_stranger_as_many(
    app: FastAPI, client: httpx.AsyncClient, ann: UUID
) -> None:
    app.state.signing = Signing(app.state.deps, floor=0.0)

    async def attempt(login: str) -> int:
        return (await sign_in(client, login, "wrong password 123")).status_code

    for login in (LOGIN, "nobody@example.com"):
        # At once: counting comes before the look-up, so that none slips through.
        answers = Counter(await asyncio.gather(*(attempt(login) for _ in range(14))))
        assert answers[401] + answers[429] == 14
        # Those that are counted at one time may see each other's count; none sees a smaller one.
        assert 5 <= answers[401] <= 10
    # The right password does not help any more, in other capitals or from another address.
    async with browser(app, "198.51.100.9") as elsewhere:
        answer = await sign_in(elsewhere, LOGIN.upper())
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 900


async def test_an_address_takes_a_hundred_attempts_whoever_is_tried(
    app: FastAPI, client: httpx.AsyncClient, ann: UUID
) -> None:
    attempts = app.state.signing.attempts
    now = app.state.deps.clock()
    for number in range(100):
        await attempts.enter("2001:db8:1:2::" + str(number), f"user{number}", what="sign-in", now=now)
    async with browser(app, "2001:db8:1:2:ffff::1") as same_network:
        assert (await sign_in(same_network)).status_code == 429
    assert (await sign_in(client)).status_code == 200


async def test_a_cookie_that_was_there_before_is_never_taken_over(
    client: httpx.AsyncClient, app: FastAPI, ann: UUID
) -> None:
    planted = {"Cookie": f"{SESSION_COOKIE}=planted-by-somebody-else"}
    body = {"login": LOGIN, "password": PASSWORD}
    answer = await client.post("/api/v1/sign-in", json=body, headers=planted)
    assert answer.status_code == 200
    given = answer.cookies[SESSION_COOKIE]
    assert (len(given), "planted" in given) == (43, False)
    async with browser(app) as attacker:
        attacker.cookies.set(SESSION_COOKIE, "planted-by-somebody-else")
        assert (await attacker.get("/api/v1/agents")).status_code == 401


async def test_signing_in_again_ends_the_session_before(client: httpx.AsyncClient, app: FastAPI, ann: UUID) -> None:
    await sign_in(client)
    before = session_of(client)
    assert before is not None
    await sign_in(client)
    assert session_of(client) != before
    async with browser(app) as old:
        old.cookies.set(SESSION_COOKIE, before)
        assert (await old.get("/api/v1/agents")).status_code == 401


async def test_a_member_of_several_tenants_says_which_once_the_password_was_right(
    client: httpx.AsyncClient, db: Database, tenant: TenantMade, ann: UUID
) -> None:
    other = await make_tenant(db)
    async with db.owner() as owner:
        values = {"tenant": other.id, "user": ann}
        await owner.execute(
            text("INSERT INTO memberships (tenant_id, user_id, role) VALUES (:tenant, :user, 'viewer')"), values
        )
    wrong = await sign_in(client, password="wrong password 123")
    assert (wrong.status_code, other.slug in wrong.text) == (401, False)
    asked = await sign_in(client)
    assert (asked.status_code, asked.json()["path"]) == (422, "tenant")
    assert other.slug in asked.text
    assert session_of(client) is None
    answer = await sign_in(client, tenant=other.slug)
    assert answer.json()["tenant_id"] == str(other.id)
    assert (await client.post("/api/v1/channels", json={})).status_code == 403
    assert (await sign_in(client, tenant="no-such")).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://console.evil.example"},
    ],
)
async def test_another_site_signs_nobody_in(client: httpx.AsyncClient, ann: UUID, headers: dict[str, str]) -> None:
    body = {"login": LOGIN, "password": PASSWORD}
    assert (await client.post("/api/v1/sign-in", json=body, headers=headers)).status_code == 403
    form = await form_of(client, "/sign-in")
    assert (await client.post("/sign-in", data=form | body, headers=headers)).status_code == 403
    assert session_of(client) is None
    # What a form of another site can send without asking first is no JSON.
    sneaked = await client.post(
        "/api/v1/sign-in", content=f'{{"login":"{LOGIN}","password":"{PASSWORD}"}}',
        headers={"Content-Type": "text/plain"},
    )  # fmt: skip
    assert sneaked.status_code == 422


async def test_the_form_acts_only_in_the_browser_that_asked_for_it(
    client: httpx.AsyncClient, app: FastAPI, ann: UUID
) -> None:
    given = {"login": LOGIN, "password": PASSWORD}
    assert (await client.post("/sign-in", data=given)).status_code == 403
    async with browser(app) as attacker:
        theirs = await form_of(attacker, "/sign-in")
    assert (await client.post("/sign-in", data=given | theirs)).status_code == 403
    own = await form_of(client, "/sign-in")
    assert (await client.post("/sign-in", data=given | own | {"form": "é"})).status_code == 403
    assert session_of(client) is None
    answer = await client.post("/sign-in", data=given | own)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await client.get("/")).status_code == 200


async def test_the_page_says_what_was_wrong_and_keeps_the_name_but_not_the_password(
    client: httpx.AsyncClient, ann: UUID
) -> None:
    own = await form_of(client, "/sign-in?next=/alerts")
    wrong = {"login": '"><script>x', "password": "wrong password 123"}
    answer = await client.post("/sign-in", data=own | wrong)
    assert answer.status_code == 401
    assert "The name or the password is wrong." in answer.text
    assert "&#34;&gt;&lt;script&gt;x" in answer.text
    assert "wrong password 123" not in answer.text
    assert 'name="next" value="/alerts"' in answer.text


@pytest.mark.parametrize(
    ("asked", "went"),
    [
        ("/alerts/1?x=y#z", "/alerts/1?x=y#z"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("javascript:alert(1)", "/"),
        ("evil", "/"),
        ("/a\\b", "/"),
        ("", "/"),
    ],
)
async def test_after_signing_in_nobody_is_sent_elsewhere(
    client: httpx.AsyncClient, ann: UUID, asked: str, went: str
) -> None:
    own = await form_of(client, "/sign-in")
    answer = await client.post("/sign-in", data=own | {"login": LOGIN, "password": PASSWORD, "next": asked})
    assert (answer.status_code, answer.headers["location"]) == (303, went)


async def test_a_page_that_needs_a_session_is_gone_back_to(client: httpx.AsyncClient, ann: UUID) -> None:
    page = await client.get("/console/chart.json?range=1h")
    assert page.status_code == 401
    assert 'name="next" value="/console/chart.json?range=1h"' in page.text


async def test_a_session_ends_after_thirty_days(
    client: httpx.AsyncClient, clock: SettableClock, db: Database, ann: UUID
) -> None:
    await sign_in(client)
    clock.advance(29 * 86400)
    assert (await client.get("/api/v1/agents")).status_code == 200
    async with db.owner() as owner:
        used = (await owner.execute(text("SELECT last_activity_at FROM user_sessions"))).scalar()
        assert used == clock()
        await owner.execute(update(UserSession).values(expires_at=clock() + timedelta(seconds=5)))
    clock.advance(6)
    assert (await client.get("/api/v1/agents")).status_code == 401
