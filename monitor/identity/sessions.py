"""Who is behind a session cookie, remembered in Redis for under a second: `session:{id}`.

The cookie is signed, and its signature is checked before this is asked. What is remembered is what may change: whether
the tenant stands, and as what its member. It is believed no longer than a looked up API key is, so that suspending and
removing take effect as fast.
The id is a digest: nobody who reads Redis can sign in with it.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from redis.asyncio import Redis
from redis.typing import EncodableT, FieldT

from monitor.live import Live
from monitor.principal import Role, TenantStatus


def _key(cookie: str) -> str:
    return f"session:{hashlib.sha256(cookie.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What PostgreSQL says of a session's tenant and of whose it is. `role` None: no active member."""

    tenant: TenantStatus
    role: Role | None


class Sessions:
    """Signed in people and the tenant that each of them acts in."""

    def __init__(self, live: Live, *, seconds: float) -> None:
        """`seconds`: how long an answer of PostgreSQL is believed."""
        self._live = live
        self._seconds = seconds

    async def find(self, cookie: str, tenant_id: UUID, user_id: UUID, *, now: datetime) -> Standing | None:
        """How this session stands, if it is known. The ids are those of the checked cookie."""
        if not self._live.ready:
            return None
        found = await self._live.ask(lambda redis: redis.hgetall(_key(cookie)))
        values = {_text(name): _text(value) for name, value in (found or {}).items()}
        standing = None
        if (values.get("tenant_id"), values.get("user_id")) == (str(tenant_id), str(user_id)):
            standing = self._believed(values, now)
        self._live.found("session", hit=standing is not None)
        return standing

    def _believed(self, values: dict[str, str], now: datetime) -> Standing | None:
        try:
            age = now.timestamp() - float(values["read_at"])
            role = Role(values["role"]) if values["role"] else None
            standing = Standing(TenantStatus(values["tenant_status"]), role)
        except (KeyError, ValueError):
            return None
        return standing if 0 <= age <= self._seconds else None

    def keep(self, cookie: str, tenant_id: UUID, user_id: UUID, standing: Standing, *, now: datetime) -> None:
        """Remember what PostgreSQL was asked for at `now`."""
        key = _key(cookie)
        values: dict[FieldT, EncodableT] = {
            "tenant_id": str(tenant_id),
            "user_id": str(user_id),
            "tenant_status": standing.tenant.value,
            "role": "" if standing.role is None else standing.role.value,
            "read_at": now.timestamp(),
        }

        async def keep(redis: Redis) -> None:
            async with redis.pipeline(transaction=True) as pipe:
                pipe.delete(key)
                pipe.hset(key, mapping=values)
                pipe.pexpire(key, round(self._seconds * 1000))
                await pipe.execute()

        self._live.tell(keep)


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
