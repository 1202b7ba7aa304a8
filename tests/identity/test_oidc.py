"""Signing in by OpenID Connect, against a provider that really signs, checks and refuses."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import RSAKey
from sqlalchemy import text, update

from monitor.db import Database
from monitor.identity.tables import Membership, User
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.identity.conftest import LOGIN, browser, make_person, session_of, sign_in, user_row
from tests.identity.provider import CLIENT_ID, CLIENT_SECRET, Provider, query_of, running


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with running() as made:
        yield made


@pytest.fixture
def joins() -> str | None:
    """The tenant that strangers join."""
    return None


@pytest.fixture
def settings(provider: Provider, joins: str | None) -> Settings:
    return Settings(
        secret_keys=("a key for tests only",), public_url="http://console", oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT_ID, oidc_client_secret=CLIENT_SECRET, oidc_tenant=joins, oidc_role="member",
    )  # fmt: skip


async def leave(client: httpx.AsyncClient, **query: str) -> str:
    """Go to the provider and agree; the address that it sends the browser back to."""
    away = await client.get("/sign-in/oidc", params=query)
    assert away.status_code == 303, away.text
    async with httpx.AsyncClient() as there:
        back = await there.get(away.headers["location"])
    assert back.status_code == 302, back.text
    return str(back.headers["location"])


async def there_and_back(client: httpx.AsyncClient, **query: str) -> httpx.Response:
    """The whole way."""
    return await client.get(await leave(client, **query))


async def verified(db: Database, user_id: UUID) -> None:
    """Their address is known to be theirs."""
    async with db.owner() as owner:
        await owner.execute(update(User).where(User.id == user_id).values(email_verified_at=datetime.now(UTC)))


async def test_a_verified_address_leads_to_its_account_and_is_remembered(
    client: httpx.AsyncClient, provider: Provider, db: Database, tenant: TenantMade, ann: UUID
) -> None:
    await verified(db, ann)
    answer = await there_and_back(client, next="/alerts/1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/alerts/1"), answer.text
    assert (await client.get("/api/v1/me")).json()["user_id"] == str(ann)
    assert provider.asked["code_challenge_method"] == "S256"
    assert provider.asked["scope"] == "openid email profile"
    # From now on it is the identity that counts, whatever the address is there.
    provider.claims = {"sub": "sub-1", "email": "other@example.com", "email_verified": False}
    async with browser(client._transport.app) as again:  # type: ignore[attr-defined]
        assert (await there_and_back(again)).status_code == 303
        assert (await again.get("/api/v1/me")).json()["user_id"] == str(ann)
    # The password that was proven stays.
    assert (await sign_in(client)).status_code == 200
    async with db.owner() as owner:
        methods = (await owner.execute(text("SELECT method FROM user_sessions ORDER BY started_at, id"))).scalars()
        assert set(methods) == {"oidc", "password"}


@pytest.mark.parametrize("said", [False, None, "true", 1])
async def test_an_address_that_is_not_verified_leads_nowhere(
    client: httpx.AsyncClient, provider: Provider, db: Database, ann: UUID, said: Any
) -> None:
    provider.claims["email_verified"] = said
    answer = await there_and_back(client)
    assert answer.status_code == 401
    assert "ask an administrator for an invitation" in answer.text
    assert session_of(client) is None
    async with db.owner() as owner:
        assert (await owner.execute(text("SELECT count(*) FROM user_identities"))).scalar() == 0


async def test_a_password_that_somebody_set_for_an_unproven_address_is_taken_away(
    client: httpx.AsyncClient, app: FastAPI, db: Database, ann: UUID, clock: SettableClock
) -> None:
    async with browser(app) as squatter:
        assert (await sign_in(squatter)).status_code == 200
        clock.advance(5)
        assert (await there_and_back(client)).status_code == 303
        assert (await squatter.get("/api/v1/me")).status_code == 401
        assert (await sign_in(squatter)).status_code == 401
    row = await user_row(db, ann)
    assert row.password_hash is None
    assert row.email_verified_at is not None
    assert (await client.get("/api/v1/me")).status_code == 200


@pytest.mark.parametrize(
    "faults",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": ["another-client", CLIENT_ID], "azp": "another-client"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1_000_000_000, "iat": 999_999_000},
        {"exp": None},
        {"sub": None},
    ],
)
async def test_a_token_that_is_not_for_this_way_proves_nothing(
    client: httpx.AsyncClient, provider: Provider, ann: UUID, faults: dict[str, Any]
) -> None:
    provider.faults = faults
    answer = await there_and_back(client)
    assert answer.status_code == 401, faults
    assert "is not proven" in answer.text
    assert session_of(client) is None


@pytest.mark.parametrize("alg", ["none", "HS256"])
async def test_a_token_without_a_signature_of_theirs_proves_nothing(
    client: httpx.AsyncClient, provider: Provider, ann: UUID, alg: str
) -> None:
    provider.signs = alg
    assert (await there_and_back(client)).status_code == 401
    assert session_of(client) is None


async def test_keys_change_and_those_of_others_are_refused(
    client: httpx.AsyncClient, provider: Provider, ann: UUID
) -> None:
    assert (await there_and_back(client)).status_code == 303
    provider.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"})
    assert (await there_and_back(client)).status_code == 303
    # One that signs in the name of a key that is not its own: what was published is known and holds.
    provider.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"})
    assert (await there_and_back(client)).status_code == 401


async def test_the_way_back_works_in_the_browser_that_left_and_once(
    client: httpx.AsyncClient, app: FastAPI, ann: UUID
) -> None:
    back = await leave(client)
    # An attacker's answer, given to somebody else: with no way of their own, and with one.
    async with browser(app) as victim:
        assert (await victim.get(back)).status_code == 401
        await victim.get("/sign-in/oidc")
        assert (await victim.get(back)).status_code == 401
        assert session_of(victim) is None
    assert (await client.get(back)).status_code == 303
    assert (await client.get(back)).status_code == 401


async def test_a_code_of_another_way_is_refused_by_its_challenge(
    client: httpx.AsyncClient, app: FastAPI, ann: UUID
) -> None:
    async with browser(app) as attacker:
        stolen = query_of(await leave(attacker))["code"]
    own = query_of(await leave(client))
    answer = await client.get("/sign-in/oidc/callback", params=own | {"code": stolen})
    assert (answer.status_code, "invalid_grant" in answer.text) == (401, True)


@pytest.mark.parametrize(
    "said", [{"iss": "https://evil.example"}, {"code": ""}, {"error": "access_denied<script>"}, {"state": "other"}]
)
async def test_what_is_no_answer_of_the_provider_is_refused(
    client: httpx.AsyncClient, ann: UUID, said: dict[str, str]
) -> None:
    own = query_of(await leave(client))
    answer = await client.get("/sign-in/oidc/callback", params=own | said)
    assert answer.status_code == 401
    assert "<script>" not in answer.text.replace('<script src="/static', "")
    assert session_of(client) is None


async def test_it_may_take_ten_minutes(client: httpx.AsyncClient, app: FastAPI, ann: UUID) -> None:
    cookie = (await client.get("/sign-in/oidc")).headers["set-cookie"].lower()
    for word in ("max-age=600", "httponly", "samesite=lax", "path=/sign-in/oidc"):
        assert word in cookie


async def test_another_site_is_not_where_it_ends(client: httpx.AsyncClient, ann: UUID) -> None:
    answer = await there_and_back(client, next="//evil.example")
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("joins", ["newcomers"])
async def test_a_stranger_joins_the_tenant_that_is_named(
    client: httpx.AsyncClient, provider: Provider, db: Database, joins: str
) -> None:
    made = await make_tenant(db, slug=joins)
    provider.claims |= {"email": "new@example.com", "name": "New Person"}
    assert (await there_and_back(client)).status_code == 303
    me = (await client.get("/api/v1/me")).json()
    assert (me["tenant_id"], me["role"], me["email"], me["name"]) == (
        str(made.id), "member", "new@example.com", "New Person",
    )  # fmt: skip
    assert me["email_verified_at"] is not None
    provider.claims = {"sub": "sub-2", "email": "x@example.com", "email_verified": False}
    assert (await there_and_back(client)).status_code == 401


async def test_an_invitation_is_taken_by_coming_and_a_suspended_member_stays_out(
    client: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    user = await make_person(db, tenant.id, LOGIN)
    for status, answered in (("suspended", 401), ("invited", 303)):
        async with db.owner() as owner:
            await owner.execute(update(Membership).where(Membership.user_id == user).values(status=status))
        assert (await there_and_back(client)).status_code == answered


async def test_a_provider_that_calls_itself_otherwise_is_not_asked(
    client: httpx.AsyncClient, provider: Provider
) -> None:
    provider.faults = {"discovered": "https://evil.example"}
    answer = await client.get("/sign-in/oidc")
    assert (answer.status_code, "AGENT_MONITOR_OIDC_ISSUER" in answer.text) == (503, True)
