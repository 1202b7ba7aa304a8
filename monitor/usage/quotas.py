"""Quotas in SQL: what limits a tenant, what was used, and requests taken from a day's rest and given back.

Requests are counted in `request_counts`. Tokens are what the ledger says, by its sums: nothing that is held in memory
counts, and so nothing is lost with a process.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.usage.quota import Standing, period
from monitor.usage.quota_tables import Resource, TenantQuota

_LIMITS = "SELECT tenant_id, resource, limit_amount, said_by, enforced, warn_at FROM effective_quotas"
_OF_ONE = text(f"{_LIMITS} WHERE tenant_id = :tenant_id ORDER BY resource")
_OF_MANY = text(f"{_LIMITS} WHERE tenant_id = ANY(:ids)")
_TOKENS = text("""
    SELECT tenant_id, sum(input_tokens + output_tokens)::bigint AS tokens FROM usage_hours
    WHERE tenant_id = ANY(:ids) AND hour >= :start GROUP BY tenant_id
""")
_REQUESTS = text("SELECT requests FROM request_counts WHERE tenant_id = :tenant_id AND day = :day")
_AGENTS = text("SELECT count(*) FROM agents WHERE tenant_id = :tenant_id AND deleted_at IS NULL")
_BEGIN = text("""
    INSERT INTO request_counts (tenant_id, day, requests) VALUES (:tenant_id, :day, 0) ON CONFLICT DO NOTHING
""")
# The row is locked by what reads it first, so that what it had before is what this statement adds to.
_TAKE = text("""
    UPDATE request_counts c SET requests = c.requests + least(:wanted, greatest(0, :limit - b.requests))
    FROM (SELECT requests FROM request_counts WHERE tenant_id = :tenant_id AND day = :day FOR UPDATE) b
    WHERE c.tenant_id = :tenant_id AND c.day = :day
    RETURNING c.requests - b.requests AS granted, c.requests
""")
# In order of the tenants: two collectors that count the same ones wait for each other in turn, never both at once.
_GIVEN = """
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:days AS timestamptz[]), CAST(:counts AS bigint[]))
        AS g (tenant_id, day, requests) ORDER BY tenant_id, day
"""
_COUNT = text(f"""
    INSERT INTO request_counts AS c (tenant_id, day, requests) {_GIVEN}
    ON CONFLICT (tenant_id, day) DO UPDATE SET requests = c.requests + excluded.requests
""")
_GIVE_BACK = text(f"""
    WITH given AS MATERIALIZED ({_GIVEN}), held AS (
        SELECT c.tenant_id, c.day, g.requests FROM request_counts c
        JOIN given g ON g.tenant_id = c.tenant_id AND g.day = c.day ORDER BY c.tenant_id, c.day FOR UPDATE OF c)
    UPDATE request_counts c SET requests = greatest(0, c.requests - h.requests)
    FROM held h WHERE c.tenant_id = h.tenant_id AND c.day = h.day
""")

Counted = tuple[UUID, datetime, int]
"""A tenant, a day and a number of requests."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a resource is limited to, and who said so: `quota`, `tenant`, `plan` or `none`."""

    amount: int | None
    enforced: bool
    warn_at: Any
    said_by: str

    @property
    def binding(self) -> int | None:
        """The amount, where something is refused beyond it."""
        return self.amount if self.enforced else None


Limits = Mapping[Resource, Limit]


async def limits_of(connection: AsyncConnection, tenant_id: UUID) -> Limits:
    """What binds one tenant; empty where there is no such tenant."""
    rows = await connection.execute(_OF_ONE, {"tenant_id": tenant_id})
    return {Resource(row.resource): _limit(row) for row in rows}


async def limits_of_many(connection: AsyncConnection, ids: Sequence[UUID]) -> Mapping[UUID, Limits]:
    """What binds these tenants."""
    found: dict[UUID, dict[Resource, Limit]] = {}
    for row in await connection.execute(_OF_MANY, {"ids": list(ids)}):
        found.setdefault(row.tenant_id, {})[Resource(row.resource)] = _limit(row)
    return found


def _limit(row: Any) -> Limit:
    return Limit(row.limit_amount, row.enforced, row.warn_at, row.said_by)


async def tokens_of(connection: AsyncConnection, ids: Sequence[UUID], start: datetime) -> Mapping[UUID, int]:
    """Tokens that calls used which began at `start` or later, by tenant; one without calls is not among them."""
    rows = await connection.execute(_TOKENS, {"ids": list(ids), "start": start})
    return {row.tenant_id: row.tokens for row in rows}


async def requests_of(connection: AsyncConnection, tenant_id: UUID, day: datetime) -> int:
    """Requests of a day, with those that collectors hold."""
    found: int | None = (await connection.execute(_REQUESTS, {"tenant_id": tenant_id, "day": day})).scalar()
    return found or 0


async def take(
    connection: AsyncConnection, tenant_id: UUID, day: datetime, *, wanted: int, limit: int
) -> tuple[int, int]:
    """Take so many requests from what is left of a day; how many there were, and how many are used then."""
    given = {"tenant_id": tenant_id, "day": day}
    await connection.execute(_BEGIN, given)
    row = (await connection.execute(_TAKE, {**given, "wanted": wanted, "limit": limit})).one()
    return row.granted, row.requests


async def count(connection: AsyncConnection, counted: Sequence[Counted]) -> None:
    """Add requests that were let through. Each tenant and day once."""
    await connection.execute(_COUNT, _columns(counted))


async def give_back(connection: AsyncConnection, counted: Sequence[Counted]) -> None:
    """The opposite of `take`. Each tenant and day once."""
    await connection.execute(_GIVE_BACK, _columns(counted))


def _columns(counted: Iterable[Counted]) -> dict[str, list[Any]]:
    ids, days, counts = zip(*counted, strict=True)
    return {"ids": list(ids), "days": list(days), "counts": list(counts)}


async def standings(connection: AsyncConnection, tenant_id: UUID, *, now: datetime) -> list[Standing]:
    """How every quota of a tenant stands; empty where there is no such tenant."""
    return [
        await _standing(connection, tenant_id, resource, limit, now)
        for resource, limit in (await limits_of(connection, tenant_id)).items()
    ]


async def _standing(
    connection: AsyncConnection, tenant_id: UUID, resource: Resource, limit: Limit, now: datetime
) -> Standing:
    start, end = period(resource, now)
    if start is None:
        used = (await connection.execute(_AGENTS, {"tenant_id": tenant_id})).scalar_one()
    elif resource is Resource.REQUESTS:
        used = await requests_of(connection, tenant_id, start)
    else:
        used = (await tokens_of(connection, [tenant_id], start)).get(tenant_id, 0)
    return Standing(
        resource=resource, limit=limit.amount, used=used, enforced=limit.enforced, warn_at=limit.warn_at,
        said_by=limit.said_by, starts_at=start, resets_at=end,
    )  # fmt: skip


async def set_quota(
    connection: AsyncConnection, tenant_id: UUID, resource: Resource, values: Mapping[str, Any]
) -> None:
    """Make or change a tenant's own quota, as the owner: `limit_amount`, `enforced`, `warn_at`."""
    made = upsert(TenantQuota.__table__).values(tenant_id=tenant_id, resource=resource, **values)  # type: ignore[arg-type]
    await connection.execute(made.on_conflict_do_update(index_elements=["tenant_id", "resource"], set_=dict(values)))


async def delete_quota(connection: AsyncConnection, tenant_id: UUID, resource: Resource) -> bool:
    """Forget a tenant's own quota, as the owner: its own limit or its plan's binds again. Whether there was one."""
    query = delete(TenantQuota).where(TenantQuota.tenant_id == tenant_id, TenantQuota.resource == resource)
    return bool((await connection.execute(query)).rowcount)
