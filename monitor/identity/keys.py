"""API keys: made, hashed, checked; and who asks, by key or by session.

A key is `am_<prefix>_<secret>`: 8 characters to recognise it by, 32 random bytes in base64url. Only the SHA-256 of
the whole is stored: a secret of 256 random bits needs no slow hash.
"""

import asyncio
import contextlib
import secrets
import string
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update

from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import MonitorError, Unauthenticated
from monitor.identity.digests import digest
from monitor.identity.sessions import Sessions
from monitor.identity.tables import ApiKey, Tenant
from monitor.live import Live
from monitor.principal import Principal, TenantStatus

_ALPHABET = string.ascii_lowercase + string.digits
CACHE_SECONDS = 0.9
CACHE_SIZE = 10_000
_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is shown once: `text` is never stored."""

    text: str
    prefix: str
    digest: str


def generate() -> NewKey:
    """A new random key."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    text = f"am_{prefix}_{secrets.token_urlsafe(32)}"
    return NewKey(text, prefix, digest(text))


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    expires_at: datetime | None
    read_at: float


class Authenticator:
    """Looks keys up through the doorman's door and remembers them for under a second, so that revoking one is
    effective within a second everywhere."""

    def __init__(self, db: Database, clock: Clock, *, secret_keys: tuple[str, ...], live: Live | None = None) -> None:
        """`secret_keys`: the key ring, newest first. `live`: where sessions are remembered, sealed with the newest."""
        self._db = db
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._looking: dict[str, asyncio.Task[_Known]] = {}
        secret = secret_keys[0] if secret_keys else secrets.token_urlsafe(32)
        self._sessions = Sessions(db, clock, live=live or Live(), seconds=CACHE_SECONDS, secret=secret)

    async def by_key(self, key: str) -> Principal:
        """The principal of an API key. Raises Unauthenticated."""
        hashed = digest(key)
        known = self._known.get(hashed)
        elapsed = time.monotonic()
        if known is None or elapsed - known.read_at > CACHE_SECONDS:
            # One look-up for all requests that wait for it: a busy key has many of them in flight.
            looking = self._looking.get(hashed)
            if looking is None:
                looking = self._looking[hashed] = asyncio.create_task(self._look_up(hashed, elapsed))
                looking.add_done_callback(lambda _: self._looking.pop(hashed, None))
            known = await asyncio.shield(looking)
        if known.expires_at is not None and known.expires_at <= self._clock():
            raise Unauthenticated("this API key has expired")
        return known.principal

    async def _look_up(self, hashed: str, elapsed: float) -> _Known:
        query = (
            select(
                ApiKey.tenant_id, ApiKey.id, ApiKey.user_id, ApiKey.agent_id, ApiKey.scopes, ApiKey.status,
                ApiKey.expires_at, ApiKey.last_used_at, Tenant.status.label("tenant_status"),
            )
            .join(Tenant, Tenant.id == ApiKey.tenant_id)
            .where(ApiKey.key_hash == hashed)
        )  # fmt: skip
        async with self._db.doorman() as connection:
            row = (await connection.execute(query)).one_or_none()
        self._known.pop(hashed, None)
        if row is None or row.status != "active" or row.tenant_status == TenantStatus.DELETED:
            raise Unauthenticated("this API key is unknown or revoked")
        await self._say_used(row.tenant_id, row.id, row.last_used_at)
        principal = Principal(
            tenant_id=row.tenant_id,
            tenant_status=TenantStatus(row.tenant_status),
            scopes=frozenset(row.scopes),
            key_id=row.id,
            user_id=row.user_id,
            agent_id=row.agent_id,
        )
        if len(self._known) >= CACHE_SIZE:
            self._known.clear()
        known = self._known[hashed] = _Known(principal, row.expires_at, elapsed)
        return known

    async def _say_used(self, tenant_id: UUID, key_id: UUID, before: datetime | None) -> None:
        """Remember when a key was used last, to the minute. Whoever asks does not hear that it could not be written."""
        now = self._clock()
        if before is not None and before >= now - _USED_EVERY:
            return
        stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < now - _USED_EVERY)
        query = update(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.id == key_id, stale)
        with contextlib.suppress(MonitorError):
            async with self._db.tenant(tenant_id) as connection:
                await connection.execute(query.values(last_used_at=now))

    async def by_session(self, cookie: str) -> Principal:
        """The principal of a session cookie: a person with the scopes of their role. Raises Unauthenticated."""
        return await self._sessions.principal(cookie)

    async def end_session(self, cookie: str) -> tuple[Principal, UUID] | None:
        """End the session of a cookie; who it was, and which. None where there is none."""
        return await self._sessions.end(cookie)

    def forget_session(self, token_hash: str) -> None:
        """Have a session that was revoked looked up again at once."""
        self._sessions.forget(token_hash)
