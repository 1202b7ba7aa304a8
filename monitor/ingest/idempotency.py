"""Requests that may be repeated: the same Idempotency-Key gets the same answer for 24 hours, and is kept once."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import arrays
from monitor.db import Database
from monitor.errors import Conflict, InvalidInput
from monitor.ids import microseconds
from monitor.ingest.tables import IdempotencyKey
from monitor.pipeline import Pipeline, Statement

KEPT = timedelta(hours=24)
KEY_LIMIT = 200

# A key that has expired and is still there is taken over; one that is good returns no row.
_INSERT = Statement("""
INSERT INTO idempotency_keys AS k (tenant_id, key, body_hash, answer, created_at)
SELECT :tenant::uuid, n.key, decode(n.hash, 'hex'), n.answer, n.at
FROM unnest(:keys::text[], :hashes::text[], :answers::jsonb[], :at::timestamptz[]) AS n (key, hash, answer, at)
ORDER BY n.key
ON CONFLICT (tenant_id, key) DO UPDATE
SET body_hash = excluded.body_hash, answer = excluded.answer, created_at = excluded.created_at
WHERE k.created_at <= excluded.created_at - interval '24 hours'
RETURNING 1
""")


class Repeated(Exception):
    """Another request with the same key was committed first, and this one was not."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is stored beside a request's rows: its key, what it was, and what it is answered."""

    key: str
    digest: bytes
    at: datetime
    status: int
    body: dict[str, Any]


class Answered(NamedTuple):
    """The answer that a key got before."""

    digest: bytes
    status: int
    body: dict[str, Any]

    def again(self, digest: bytes) -> "Answered":
        """Itself, for the same request; Conflict for another one with the same key."""
        if digest != self.digest:
            raise Conflict("this Idempotency-Key was used for another request")
        return self


def digest_of(path: str, body: bytes) -> bytes:
    """What makes two requests the same: their path and their body after decompression."""
    return hashlib.sha256(path.encode() + b"\0" + body).digest()


def checked_key(key: str) -> str:
    """The key, or InvalidInput when it is empty or too long."""
    if not 0 < len(key) <= KEY_LIMIT or "\0" in key:
        raise InvalidInput(f"1 to {KEY_LIMIT} characters are expected", path="Idempotency-Key")
    return key


async def store(pipeline: Pipeline, tenant_id: UUID, stamps: Sequence[Stamp]) -> None:
    """Write keys within the caller's transaction. Raises Repeated when one of them is there already."""
    pipeline.add(
        _INSERT,
        tenant=tenant_id,
        keys=arrays.texts([stamp.key for stamp in stamps]),
        hashes=arrays.texts([stamp.digest.hex() for stamp in stamps]),
        answers=arrays.jsonbs([msgspec.json.encode({"status": s.status, "body": s.body}) for s in stamps]),
        at=arrays.times_or_null([microseconds(stamp.at) for stamp in stamps]),
    )
    if len(await pipeline.fetch()) < len(stamps):
        raise Repeated


async def keep(connection: AsyncConnection, tenant_id: UUID, stamp: Stamp) -> None:
    """As `store`, for one request that has a transaction of its own."""
    made = upsert(IdempotencyKey).values(
        tenant_id=tenant_id, key=stamp.key, body_hash=stamp.digest, created_at=stamp.at,
        answer={"status": stamp.status, "body": stamp.body},
    )  # fmt: skip
    new = made.excluded
    written = await connection.execute(
        made.on_conflict_do_update(
            index_elements=["tenant_id", "key"],
            set_={"body_hash": new.body_hash, "answer": new.answer, "created_at": new.created_at},
            where=IdempotencyKey.created_at <= new.created_at - KEPT,
        )
    )
    if not written.rowcount:
        raise Repeated


class _Turn:
    __slots__ = ("holders", "lock")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.holders = 0


class Idempotency:
    """Looks answers up, and lets the requests of one key through one at a time."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._running: dict[tuple[UUID, str], _Turn] = {}

    async def once(
        self, tenant_id: UUID, key: str, digest: bytes, *, now: datetime, work: Callable[[], Awaitable[Answered]]
    ) -> Answered:
        """What `work` answers, or what the key was answered before. `work` raises Repeated where it finds the key
        committed meanwhile. Raises InvalidInput for the key, Conflict where it was used for another request."""
        checked_key(key)
        async with self._turn(tenant_id, key):
            before = await self._find(tenant_id, key, now=now)
            if before is not None:
                return before.again(digest)
            try:
                return await work()
            except Repeated:
                # Another collector was faster; its answer is there now, since our key ran into it.
                before = await self._find(tenant_id, key, now=now)
                if before is None:
                    raise
                return before.again(digest)

    @contextlib.asynccontextmanager
    async def _turn(self, tenant_id: UUID, key: str) -> AsyncIterator[None]:
        """Wait until no other request of this process works with the key."""
        turn = self._running.setdefault((tenant_id, key), _Turn())
        turn.holders += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.holders -= 1
            if not turn.holders:
                del self._running[tenant_id, key]

    async def _find(self, tenant_id: UUID, key: str, *, now: datetime) -> Answered | None:
        """What the key was answered within the last 24 hours."""
        query = select(IdempotencyKey.body_hash, IdempotencyKey.answer).where(
            IdempotencyKey.tenant_id == tenant_id,
            IdempotencyKey.key == key,
            IdempotencyKey.created_at > now - KEPT,
        )
        async with self._db.tenant(tenant_id) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Answered(bytes(row.body_hash), row.answer["status"], row.answer["body"])
