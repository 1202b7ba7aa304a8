"""How many more agents a tenant may have."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import QuotaExceeded

QUOTA = "agents"
_LIMIT = text("""
    SELECT limit_amount FROM effective_quotas
    WHERE tenant_id = :tenant_id AND resource = 'agents' AND enforced AND limit_amount IS NOT NULL
""")
# Whoever makes agents of a limited tenant waits here for others that do: nobody counts what another is about to add.
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('agents ' || CAST(:tenant_id AS text), 0))")
_COUNT = text("SELECT count(*) FROM agents WHERE tenant_id = :tenant_id AND deleted_at IS NULL")


@dataclass(frozen=True, slots=True)
class Room:
    """A tenant's limit of agents, and how many there are."""

    limit: int
    used: int

    @property
    def left(self) -> int:
        """How many more there may be."""
        return max(0, self.limit - self.used)

    @property
    def refusal(self) -> QuotaExceeded:
        """What somebody is told for whose agent there is no room."""
        said = f"the tenant's limit of {self.limit} agents is reached"
        return QuotaExceeded(said, quota=QUOTA, limit=self.limit, used=self.used, resets_at=None, retry_after=None)


async def find_room(connection: AsyncConnection, tenant_id: UUID) -> Room | None:
    """The room there is, which nobody else takes until the end of the transaction; None without a limit."""
    given = {"tenant_id": tenant_id}
    limit: int | None = (await connection.execute(_LIMIT, given)).scalar()
    if limit is None:
        return None
    await connection.execute(_ALONE, given)
    return Room(limit, (await connection.execute(_COUNT, given)).scalar_one())
