"""Who is behind a session cookie, remembered in Redis for under a second: `session:{id}`.

The cookie is signed, and its signature is checked before this is asked. What is remembered is what may change: whether
the tenant stands. It is believed no longer than a looked up API key is, so that suspending takes effect as fast.
The id is a digest: nobody who reads Redis can sign in with it.
"""

import hashlib
from datetime import datetime
from uuid import UUID

from redis.asyncio import Redis
from redis.typing import EncodableT, FieldT

from monitor.live import Live
from monitor.principal import TenantStatus


def _key(cookie: str) -> str:
    return f"session:{hashlib.sha256(cookie.encode()).hexdigest()[:32]}"


class Sessions:
    """Signed in people and the tenant that each of them acts in."""

    def __init__(self, live: Live, *, seconds: float) -> None:
        """`seconds`: how long an answer of PostgreSQL is believed."""
        self._live = live
        self._seconds = seconds

    async def find(self, cookie: str, tenant_id: UUID, user_id: UUID, *, now: datetime) -> TenantStatus | None:
        """The status of the tenant of this session, if it is known. The ids are those of the checked cookie."""
        if not self._live.ready:
            return None
        found = await self._live.ask(lambda redis: redis.hgetall(_key(cookie)))
        values = {_text(name): _text(value) for name, value in (found or {}).items()}
        status = None
        if (values.get("tenant_id"), values.get("user_id")) == (str(tenant_id), str(user_id)):
            status = self._believed(values, now)
        self._live.found("session", hit=status is not None)
        return status

    def _believed(self, values: dict[str, str], now: datetime) -> TenantStatus | None:
        try:
            age = now.timestamp() - float(values["read_at"])
            status = TenantStatus(values["tenant_status"])
        except (KeyError, ValueError):
            return None
        return status if 0 <= age <= self._seconds else None

    def keep(self, cookie: str, tenant_id: UUID, user_id: UUID, status: TenantStatus, *, now: datetime) -> None:
        """Remember what PostgreSQL was asked for at `now`."""
        key = _key(cookie)
        values: dict[FieldT, EncodableT] = {
            "tenant_id": str(tenant_id),
            "user_id": str(user_id),
            "tenant_status": status.value,
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
