"""The audit trail: rows are added in the transaction of what they tell of, and read back newest first.

An attempt that came to nothing has a row of its own, with the error. Nobody can fill the table with them: of one who
tries again and again a row a second is kept, after the first `BURST`, and it says how many were left out before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.audit.tables import AuditLog
from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import MonitorError
from monitor.ids import uuid7, uuid7_floor, uuid7_time
from monitor.principal import Principal

BURST = 20
"""Attempts of one actor in a row that are all kept."""
LONGEST_ERROR = 500
"""Characters of an error's text that are kept."""
_ACTORS = 10_000
_TABLE = AuditLog.metadata.tables[AuditLog.__tablename__]
_SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class _Bucket:
    """How many more attempts of an actor are kept, as of `at`, and how many were not."""

    left: float
    at: datetime
    left_out: int = 0


class Recorder:
    """Adds audit rows. Handed to every slice as `deps.audit`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[UUID, str], _Bucket] = {}

    async def __call__(
        self,
        connection: AsyncConnection,
        principal: Principal,
        action: str,
        *,
        resource: tuple[str, str],
        old: Mapping[str, Any] | None = None,
        new: Mapping[str, Any] | None = None,
    ) -> None:
        """Record `action` (as in `agent.updated`) on `resource` (type, id), with values before and after."""
        row = self._row(principal, action, resource)
        row["old_values"] = None if old is None else dict(old)
        row["new_values"] = None if new is None else dict(new)
        await connection.execute(insert(_TABLE).values(row))

    async def failed(
        self, db: Database, principal: Principal, action: str, *, resource: tuple[str, str | None], error: MonitorError
    ) -> None:
        """Record an attempt that came to nothing, in a transaction of its own."""
        bucket = self._bucket(principal)
        if bucket.left < 1:
            bucket.left_out += 1
            return
        bucket.left -= 1
        left_out, bucket.left_out = bucket.left_out, 0
        row = self._row(principal, action, resource)
        row |= {"status": "failure", "error_message": error.message[:LONGEST_ERROR]}
        row["metadata"] = {"status": error.status, "code": error.code} | ({"left_out": left_out} if left_out else {})
        async with db.tenant(principal.tenant_id) as connection:
            await connection.execute(insert(_TABLE).values(row))

    def _bucket(self, principal: Principal) -> _Bucket:
        now, key = self._clock(), (principal.tenant_id, principal.actor)
        if len(self._buckets) >= _ACTORS:
            self._buckets.clear()
        bucket = self._buckets.setdefault(key, _Bucket(BURST, now))
        bucket.left = min(BURST, bucket.left + max(0.0, (now - bucket.at) / _SECOND))
        bucket.at = now
        return bucket

    def _row(self, principal: Principal, action: str, resource: tuple[str, str | None]) -> dict[str, Any]:
        origin = principal.origin
        return {
            "tenant_id": principal.tenant_id,
            "id": uuid7(self._clock()),
            "actor": principal.actor,
            "user_id": principal.user_id,
            "action": action,
            "resource_type": resource[0],
            "resource_id": resource[1],
            "ip_address": None if origin is None else origin.address,
            "user_agent": None if origin is None else origin.user_agent,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What entries are asked for; None: any. `since` and `until` are times of entries, `until` not among them."""

    actor: str | None = None
    action: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    user_id: UUID | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EQUAL = ("actor", "action", "resource_type", "resource_id", "user_id", "status")
_COLUMNS = (
    AuditLog.id, AuditLog.actor, AuditLog.user_id, AuditLog.action, AuditLog.resource_type, AuditLog.resource_id,
    AuditLog.old_values, AuditLog.new_values, AuditLog.ip_address, AuditLog.user_agent, AuditLog.status,
    AuditLog.error_message, _TABLE.c.metadata,
)  # fmt: skip


def _entries(tenant_id: UUID, wanted: Wanted) -> Select[*tuple[Any, ...]]:
    query = select(*_COLUMNS).where(AuditLog.tenant_id == tenant_id).order_by(AuditLog.id.desc())
    for name in EQUAL:
        if (value := getattr(wanted, name)) is not None:
            query = query.where(getattr(AuditLog, name) == value)
    if wanted.since is not None:
        query = query.where(AuditLog.id >= uuid7_floor(wanted.since))
    if wanted.until is not None:
        query = query.where(AuditLog.id < uuid7_floor(wanted.until))
    return query


async def list_entries(
    connection: AsyncConnection, tenant_id: UUID, wanted: Wanted, *, limit: int, before: UUID | None
) -> list[dict[str, Any]]:
    """`limit + 1` entries, newest first, older than the entry `before`."""
    query = _entries(tenant_id, wanted).limit(limit + 1)
    if before is not None:
        query = query.where(AuditLog.id < before)
    rows = (await connection.execute(query)).mappings()
    return [_shown(dict(row)) for row in rows]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    address = row["ip_address"]
    return {**row, "at": uuid7_time(row["id"]), "ip_address": None if address is None else str(address)}
