"""Sessions in Redis: what a cookie stands for, believed for under a second."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from monitor.db import Database
from monitor.errors import Unauthenticated
from monitor.identity import store
from monitor.identity.digests import digest
from monitor.identity.keys import CACHE_SECONDS, Authenticator
from monitor.identity.session_store import Method
from monitor.identity.sessions import begin
from monitor.live import Live
from monitor.principal import Origin, TenantStatus
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.stage import until

RING = ("a key for tests only",)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def live(redis_url: str, registry: CollectorRegistry) -> AsyncIterator[Live]:
    made = Live(redis_url, registry=registry)
    yield made
    await made.close()


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
def authenticator(db: Database, clock: SettableClock, live: Live) -> Authenticator:
    return Authenticator(db, clock, secret_keys=RING, live=live)


@pytest.fixture
async def cookie(db: Database, tenant: TenantMade, clock: SettableClock) -> str:
    async with db.tenant(tenant.id) as connection:
        origin = Origin(None, None)
        made = await begin(connection, tenant.id, tenant.user_id, method=Method.LINK, origin=origin, now=clock())
    return made.cookie


async def key_in(redis: Redis) -> str:
    """The only session there is, once it is there."""

    async def one() -> bool:
        return len(await redis.keys("session:*")) == 1

    await until(one)
    (key,) = await redis.keys("session:*")
    return str(key)


async def suspend(db: Database, tenant: TenantMade) -> None:
    async with db.owner() as owner:
        await store.set_tenant_status(owner, tenant.id, TenantStatus.SUSPENDED, now=datetime.now(UTC))


async def test_a_session_is_remembered_without_its_cookie(
    authenticator: Authenticator, cookie: str, redis: Redis, tenant: TenantMade, registry: CollectorRegistry
) -> None:
    first = await authenticator.by_session(cookie)
    await redis.pexpire(await key_in(redis), 60_000)
    values = await redis.hgetall(await key_in(redis))
    assert (values["tenant_id"], values["user_id"]) == (str(tenant.id), str(tenant.user_id))
    assert values["tenant_status"] == "active"
    assert cookie not in str(values) + await key_in(redis)
    assert await authenticator.by_session(cookie) == first
    assert registry.get_sample_value("agent_monitor_redis_hits_total", {"kind": "session"}) == 1
    assert registry.get_sample_value("agent_monitor_redis_misses_total", {"kind": "session"}) == 1


async def test_it_ends_by_itself_within_a_second(authenticator: Authenticator, cookie: str, redis: Redis) -> None:
    await authenticator.by_session(cookie)
    assert 0 < await redis.pttl(await key_in(redis)) <= 1000


async def test_a_suspension_takes_effect_as_fast_as_a_revoked_key(
    authenticator: Authenticator, cookie: str, redis: Redis, clock: SettableClock, db: Database, tenant: TenantMade
) -> None:
    await authenticator.by_session(cookie)
    # Even where Redis keeps it for longer than it was told to.
    await redis.persist(await key_in(redis))
    await suspend(db, tenant)
    clock.advance(CACHE_SECONDS + 0.05)
    assert (await authenticator.by_session(cookie)).tenant_status is TenantStatus.SUSPENDED


async def test_what_somebody_else_wrote_into_redis_is_not_believed(
    db: Database, clock: SettableClock, live: Live, authenticator: Authenticator, cookie: str, redis: Redis
) -> None:
    await authenticator.by_session(cookie)
    key = await key_in(redis)
    real = {str(name): str(value) for name, value in (await redis.hgetall(key)).items()}
    # As a process with another key ring would seal it, and as one that knows of no seal.
    for forged in ({"seal": "0" * 64}, {"seal": ""}, {"tenant_id": str(uuid4()), "role": "owner"}):
        await redis.hset(key, mapping=dict[Any, Any](real | forged))
        await redis.pexpire(key, 60_000)
        assert str((await authenticator.by_session(cookie)).tenant_id) == real["tenant_id"]
    # Nor is what was sealed for one cookie believed of another.
    other = secrets.token_urlsafe(32)
    await redis.hset(f"session:{digest(other)[:32]}", mapping=dict[Any, Any](real))
    with pytest.raises(Unauthenticated):
        await authenticator.by_session(other)


async def test_signing_out_is_effective_at_once_in_redis_too(
    authenticator: Authenticator, cookie: str, redis: Redis
) -> None:
    await authenticator.by_session(cookie)
    await redis.persist(await key_in(redis))
    assert await authenticator.end_session(cookie) is not None

    async def gone() -> bool:
        return await redis.keys("session:*") == []

    await until(gone)
    with pytest.raises(Unauthenticated, match="sign in again"):
        await authenticator.by_session(cookie)


@pytest.mark.parametrize("field", ["tenant_id", "user_id", "tenant_status", "read_at", "role", "permissions"])
async def test_what_does_not_fit_the_cookie_is_not_believed(
    authenticator: Authenticator, cookie: str, redis: Redis, db: Database, tenant: TenantMade, field: str
) -> None:
    first = await authenticator.by_session(cookie)
    key = await key_in(redis)
    await redis.persist(key)
    await redis.hset(key, field, str(uuid4()))
    await suspend(db, tenant)
    found = await authenticator.by_session(cookie)
    assert (found.tenant_id, found.user_id) == (first.tenant_id, first.user_id)
    assert found.tenant_status is TenantStatus.SUSPENDED


async def test_something_else_under_the_key_is_replaced(
    authenticator: Authenticator, cookie: str, redis: Redis, tenant: TenantMade
) -> None:
    await authenticator.by_session(cookie)
    key = await key_in(redis)
    await redis.delete(key)
    await redis.set(key, "x")
    assert (await authenticator.by_session(cookie)).tenant_id == tenant.id

    async def mended() -> bool:
        return bool(await redis.type(key) == "hash")

    await until(mended)
