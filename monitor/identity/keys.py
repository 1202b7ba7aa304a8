"""API keys and signed cookies: made, hashed, checked.

A key is `am_<prefix>_<secret>`: 8 characters to recognise it by, 32 random bytes in base64url. Only the SHA-256 of
the whole is stored: a secret of 256 random bits needs no slow hash.
"""

import asyncio
import hashlib
import secrets
import string
import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import select

from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import Unauthenticated
from monitor.identity.sessions import Sessions, Standing
from monitor.identity.tables import ApiKey, Membership, Tenant
from monitor.live import Live
from monitor.principal import Principal, Role, TenantStatus

_ALPHABET = string.ascii_lowercase + string.digits
CACHE_SECONDS = 0.9
CACHE_SIZE = 10_000
SESSION_SECONDS = 30 * 86400
LINK_SECONDS = 3600


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


def digest(key: str) -> str:
    """What is stored of a key, in hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    expires_at: datetime | None
    read_at: float


class Authenticator:
    """Looks keys up through the doorman's door and remembers them for under a second, so that revoking one is
    effective within a second everywhere."""

    def __init__(self, db: Database, clock: Clock, *, secret_keys: tuple[str, ...], live: Live | None = None) -> None:
        """`secret_keys`: the key ring, newest first; the newest signs, all of them verify. `live`: where sessions
        are remembered."""
        self._db = db
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._looking: dict[str, asyncio.Task[_Known]] = {}
        # itsdangerous takes the newest last.
        ring = list(reversed(secret_keys)) or [secrets.token_urlsafe(32)]
        self._remembered = Sessions(live or Live(), seconds=CACHE_SECONDS)
        self._sessions = URLSafeTimedSerializer(ring, salt="session")
        self._links = URLSafeTimedSerializer(ring, salt="sign-in")

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
                ApiKey.expires_at, Tenant.status.label("tenant_status"),
            )
            .join(Tenant, Tenant.id == ApiKey.tenant_id)
            .where(ApiKey.key_hash == hashed)
        )  # fmt: skip
        async with self._db.doorman() as connection:
            row = (await connection.execute(query)).one_or_none()
        self._known.pop(hashed, None)
        if row is None or row.status != "active" or row.tenant_status == TenantStatus.DELETED:
            raise Unauthenticated("this API key is unknown or revoked")
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

    def sign_in_link(self, tenant_id: UUID, user_id: UUID) -> str:
        """A token for `/sign-in?token=`, good for an hour."""
        return str(self._links.dumps([str(tenant_id), str(user_id)]))

    def session(self, token: str) -> str:
        """The cookie for a sign-in token. Raises Unauthenticated for a forged or old one."""
        try:
            tenant_and_user = self._links.loads(token, max_age=LINK_SECONDS)
        except BadData:
            raise Unauthenticated("this sign-in link is not valid any more") from None
        return str(self._sessions.dumps(tenant_and_user))

    async def by_session(self, cookie: str) -> Principal:
        """The principal of a session cookie: a person with the scopes of their role. Raises Unauthenticated."""
        try:
            tenant, user = self._sessions.loads(cookie, max_age=SESSION_SECONDS)
        except BadData:
            raise Unauthenticated("the session is not valid any more: sign in again") from None
        tenant_id, user_id, now = UUID(tenant), UUID(user), self._clock()
        standing = await self._remembered.find(cookie, tenant_id, user_id, now=now)
        if standing is None:
            standing = await self._stands(tenant_id, user_id)
            self._remembered.keep(cookie, tenant_id, user_id, standing, now=now)
        if standing.tenant is TenantStatus.DELETED:
            raise Unauthenticated("the tenant is gone")
        if standing.role is None:
            raise Unauthenticated("you are no member of this tenant any more")
        return Principal(
            tenant_id=tenant_id, tenant_status=standing.tenant, scopes=standing.role.scopes, user_id=user_id
        )

    async def _stands(self, tenant_id: UUID, user_id: UUID) -> Standing:
        role = (
            select(Membership.role)
            .where(Membership.tenant_id == Tenant.id, Membership.user_id == user_id, Membership.status == "active")
            .scalar_subquery()
        )
        async with self._db.doorman() as connection:
            row = (await connection.execute(select(Tenant.status, role).where(Tenant.id == tenant_id))).first()
        if row is None:
            return Standing(TenantStatus.DELETED, None)
        return Standing(TenantStatus(row[0]), None if row[1] is None else Role(row[1]))
