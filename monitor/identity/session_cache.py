"""Who is behind a session cookie, remembered in Redis for under a second: `session:{id}`.

What is remembered is what may change: whether the session and the tenant stand, and as what its member. It is believed
no longer than a looked up API key is, so that signing out, suspending and removing take effect as fast.
The id is the cookie's digest: nobody who reads Redis can sign in with it. What is remembered is sealed with the key
ring: nobody who writes into Redis can become somebody else.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from redis.asyncio import Redis
from redis.typing import EncodableT, FieldT

from monitor.live import Live
from monitor.principal import Role, TenantStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """What PostgreSQL says of a session. `role` None: no active member. `permissions`: beyond those of the role."""

    tenant_id: UUID
    user_id: UUID
    tenant: TenantStatus
    role: Role | None
    permissions: tuple[str, ...]
    expires_at: datetime


class SessionCache:
    """Standings by the digests of cookies."""

    def __init__(self, live: Live, *, seconds: float, secret: str) -> None:
        """`seconds`: how long an answer of PostgreSQL is believed; `secret` seals what is written."""
        self._live = live
        self._seconds = seconds
        self._secret = secret.encode()

    async def find(self, digest: str, *, now: datetime) -> Standing | None:
        """How this session stands, if it is known."""
        if not self._live.ready:
            return None
        found = await self._live.ask(lambda redis: redis.hgetall(_key(digest)))
        values = {_text(name): _text(value) for name, value in (found or {}).items()}
        standing = self._believed(digest, values, now)
        self._live.found("session", hit=standing is not None)
        return standing

    def _believed(self, digest: str, values: dict[str, str], now: datetime) -> Standing | None:
        if not hmac.compare_digest(values.pop("seal", ""), self._seal(digest, values)):
            return None
        age = now.timestamp() - float(values["read_at"])
        if not 0 <= age <= self._seconds:
            return None
        return Standing(
            tenant_id=UUID(values["tenant_id"]),
            user_id=UUID(values["user_id"]),
            tenant=TenantStatus(values["tenant_status"]),
            role=Role(values["role"]) if values["role"] else None,
            permissions=tuple(json.loads(values["permissions"])),
            expires_at=datetime.fromtimestamp(float(values["expires_at"]), UTC),
        )

    def _seal(self, digest: str, values: dict[str, str]) -> str:
        said = json.dumps([digest, sorted(values.items())]).encode()
        return hmac.new(self._secret, b"session cache" + said, hashlib.sha256).hexdigest()

    def keep(self, digest: str, standing: Standing, *, now: datetime) -> None:
        """Remember what PostgreSQL was asked for at `now`."""
        key = _key(digest)
        values = {
            "tenant_id": str(standing.tenant_id),
            "user_id": str(standing.user_id),
            "tenant_status": standing.tenant.value,
            "role": "" if standing.role is None else standing.role.value,
            "permissions": json.dumps(standing.permissions),
            "expires_at": repr(standing.expires_at.timestamp()),
            "read_at": repr(now.timestamp()),
        }
        sealed: dict[FieldT, EncodableT] = {"seal": self._seal(digest, values)}
        sealed |= dict[FieldT, EncodableT](values.items())

        async def keep(redis: Redis) -> None:
            async with redis.pipeline(transaction=True) as pipe:
                pipe.delete(key)
                pipe.hset(key, mapping=sealed)
                pipe.pexpire(key, round(self._seconds * 1000))
                await pipe.execute()

        self._live.tell(keep)

    def forget(self, digest: str) -> None:
        """Ask PostgreSQL again at once."""
        self._live.tell(lambda redis: redis.delete(_key(digest)))


def _key(digest: str) -> str:
    return f"session:{digest[:32]}"


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
