"""How long and how much of each kind is kept: the settings for everybody, and policies of tenants for themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database
from monitor.partitions import Key
from monitor.retention.kinds import PARTS, Kind, Part, defaults
from monitor.series.retention import retention_of
from monitor.settings import Settings

EVER = datetime.min.replace(tzinfo=UTC)
"""Before all rows."""
_DAY = "date_trunc('day', {0}, 'UTC')"
_OF_UUID = "to_timestamp(('x' || lpad(left(replace({0}::text, '-', ''), 12), 16, '0'))::bit(64)::bigint / 1000.0)"
"""The time in a UUIDv7: its first 48 bits are milliseconds (RFC 9562)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a tenant wants of one kind: no rows older than `keep`, and no more than `max_bytes` of them."""

    id: UUID
    tenant_id: UUID
    kind: Kind
    keep: timedelta | None
    max_bytes: int | None


@dataclass(frozen=True, slots=True)
class Limits:
    """Everybody's, and those who have one of their own."""

    general: Mapping[Kind, timedelta | None]
    policies: tuple[Policy, ...]

    def of(self, kind: Kind) -> list[Policy]:
        """The policies for one kind."""
        return [one for one in self.policies if one.kind is kind]

    def longest(self, kind: Kind) -> timedelta | None:
        """How long somebody keeps it, or None for ever: partitions are everybody's."""
        general = self.general[kind]
        if general is None:
            return None
        return max([general, *(one.keep for one in self.of(kind) if one.keep is not None)])

    def partitions(self, settings: Settings) -> Mapping[str, timedelta]:
        """How old a table's partitions get before they are dropped."""
        known = retention_of(settings)
        longest = {part.table: self.longest(kind) for kind, parts in PARTS.items() for part in parts}
        return {table: longest.get(table) or keep for table, keep in known.items()}


async def load(db: Database, settings: Settings) -> Limits:
    """The limits in force, of all tenants."""
    async with db.owner() as connection:
        return Limits(defaults(settings), await policies_of(connection))


async def policies_of(connection: AsyncConnection) -> tuple[Policy, ...]:
    """The policies in force that the connection may see."""
    query = "SELECT id, tenant_id, kind, keep_days, max_bytes FROM retention_policies WHERE enabled ORDER BY tenant_id"
    rows = await connection.execute(text(query))
    return tuple(Policy(row.id, row.tenant_id, Kind(row.kind), _days(row.keep_days), row.max_bytes) for row in rows)


def _days(number: int | None) -> timedelta | None:
    return None if number is None else timedelta(days=number)


async def before(
    connection: AsyncConnection, policy: Policy | None, general: timedelta | None, now: datetime
) -> datetime:
    """Rows from before this go. A policy by size alone keeps what it allows for as long as everybody does."""
    keep = (policy.keep if policy else None) or general
    aged = EVER if keep is None else now - keep
    if policy is None or policy.max_bytes is None:
        return aged
    return max(aged, await _cut(connection, policy, now))


async def _cut(connection: AsyncConnection, policy: Policy, now: datetime) -> datetime:
    """The start of the oldest day whose rows still fit with all younger ones; today's always stay. Rows alone count."""
    sizes: dict[datetime, int] = {}
    for part in PARTS[policy.kind]:
        found = await connection.execute(text(_sizes(part)), {"tenant": policy.tenant_id})
        for day, size in found:
            sizes[day] = sizes.get(day, 0) + size
    start = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    left = policy.max_bytes or 0
    for day in sorted(sizes, reverse=True):
        left -= sizes[day]
        if left < 0:
            break
        start = min(start, day)
    else:
        return EVER
    return start


def _sizes(part: Part) -> str:
    at = _OF_UUID.format(part.aged) if part.by is Key.UUID7 else part.aged
    day = _DAY.format(at)
    return (
        f"SELECT {day} AS day, sum(pg_column_size(t.*))::bigint AS size FROM {part.rows()} "
        f"WHERE t.tenant_id = :tenant AND {part.aged} IS NOT NULL GROUP BY 1"
    )
