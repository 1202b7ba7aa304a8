"""What the commands about statements do, against the database of the settings."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitor import administration, clock, compose
from monitor.audit.store import Recorder
from monitor.errors import InvalidInput
from monitor.settings import Settings
from monitor.usage import statements
from monitor.usage.statement_tables import BillingStatus

_ALL = 1_000
"""More months than anybody has."""


async def list_statements(settings: Settings, slug: str) -> list[Mapping[str, Any]]:
    """A tenant's statements, the newest month first."""
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await administration.tenant_of(owner, slug)
        return await statements.list_records(owner, tenant.id, limit=_ALL)


async def settle(settings: Settings, slug: str, month: str, status: BillingStatus) -> None:
    """Issue a month's draft as it is computed now, or mark what was issued. Raises NotFound, Conflict, InvalidInput."""
    now, begin = clock.now(), month_of(month)
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await administration.tenant_of(owner, slug)
        if status is BillingStatus.ISSUED:
            if statements.following(begin) > now:
                raise InvalidInput("the month has not ended yet", path="month")
            await statements.compute(owner, tenant.id, begin, now=now)
        await statements.settle(owner, tenant.id, begin, status, now=now, audit=Recorder(clock.now))


def month_of(text: str) -> datetime:
    """When a month such as `2026-10` begins. Raises InvalidInput."""
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput("a month is expected, as in 2026-10", path="month") from None
