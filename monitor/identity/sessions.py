"""Sessions: begun when somebody signs in, found again by their cookie, ended.

A cookie is 32 random bytes; its SHA-256 is stored. Signing in always makes a new one: what a browser sent before is
never taken over.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import Unauthenticated
from monitor.identity import session_store
from monitor.identity.digests import digest
from monitor.identity.session_cache import SessionCache, Standing
from monitor.identity.session_store import Method
from monitor.ids import uuid7
from monitor.live import Live
from monitor.principal import Origin, Principal, TenantStatus

SESSION_SECONDS = 30 * 86400
_TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that just began; `cookie` is never stored."""

    tenant_id: UUID
    user_id: UUID
    id: UUID
    cookie: str
    expires_at: datetime


async def begin(
    connection: AsyncConnection, tenant_id: UUID, user_id: UUID, *, method: Method, origin: Origin, now: datetime
) -> NewSession:
    """Begin a session in the tenant's transaction. `now`: when what lets them in was read, at the latest."""
    ends = now + timedelta(seconds=SESSION_SECONDS)
    made = NewSession(tenant_id, user_id, uuid7(now), secrets.token_urlsafe(32), ends)
    await session_store.insert_session(
        connection,
        tenant_id=tenant_id,
        id=made.id,
        user_id=user_id,
        token_hash=digest(made.cookie),
        method=method.value,
        device_info={"user_agent": origin.user_agent} if origin.user_agent else {},
        ip_address=origin.address,
        started_at=now,
        last_activity_at=now,
        expires_at=made.expires_at,
    )
    return made


class Sessions:
    """Who is behind a cookie, found through the doorman's door and remembered in Redis for under a second."""

    def __init__(self, db: Database, clock: Clock, *, live: Live, seconds: float, secret: str) -> None:
        """`seconds`: how long what was found is believed. `secret`: seals it."""
        self._db = db
        self._clock = clock
        self._cache = SessionCache(live, seconds=seconds, secret=secret)

    async def principal(self, cookie: str) -> Principal:
        """The person, with the scopes of their role and their own permissions. Raises Unauthenticated."""
        now, hashed = self._clock(), digest(cookie)
        standing = await self._cache.find(hashed, now=now)
        if standing is None:
            standing = await self._look_up(hashed, now)
            self._cache.keep(hashed, standing, now=now)
        if standing.expires_at <= now:
            raise _over()
        if standing.tenant is TenantStatus.DELETED:
            raise Unauthenticated("the tenant is gone")
        if standing.role is None:
            raise Unauthenticated("you are no member of this tenant any more")
        return _principal(standing)

    async def _look_up(self, hashed: str, now: datetime) -> Standing:
        async with self._db.doorman() as doorman:
            found = await session_store.find_session(doorman, hashed, now=now)
        if found is None:
            raise _over()
        if now - found.last_activity_at >= _TOUCH_EVERY:
            async with self._db.tenant(found.tenant_id) as connection:
                await session_store.touch_session(connection, found, now=now)
        return found.standing

    async def end(self, cookie: str) -> tuple[Principal, UUID] | None:
        """Revoke the session of a cookie; who it was, and which. None where there is none."""
        now, hashed = self._clock(), digest(cookie)
        async with self._db.doorman() as doorman:
            found = await session_store.find_session(doorman, hashed, now=now)
        if found is None:
            return None
        async with self._db.tenant(found.tenant_id) as connection:
            await session_store.revoke_session(connection, found.tenant_id, found.id, user_id=None, now=now)
        self._cache.forget(hashed)
        return _principal(found.standing), found.id

    def forget(self, hashed: str) -> None:
        """Have a session that was revoked looked up again at once."""
        self._cache.forget(hashed)


def _principal(standing: Standing) -> Principal:
    own = frozenset[str]() if standing.role is None else standing.role.scopes | frozenset(standing.permissions)
    return Principal(tenant_id=standing.tenant_id, tenant_status=standing.tenant, scopes=own, user_id=standing.user_id)


def _over() -> Unauthenticated:
    return Unauthenticated("the session is not valid any more: sign in again")
