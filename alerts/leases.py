"""Leases: of several processes, one does a job, and a late one cannot save what it decided."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import MonitorError

_TAKE = text("""
    INSERT INTO leases AS held (name, holder, expires_at) VALUES (:name, :holder, :expires_at)
    ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at
    WHERE held.holder = EXCLUDED.holder OR held.expires_at <= :now
    RETURNING holder
""")
_FENCE = text("SELECT 1 FROM leases WHERE name = :name AND holder = :holder FOR SHARE")
_GIVE_UP = text("DELETE FROM leases WHERE name = :name AND holder = :holder")


class LeaseLost(MonitorError):
    """Another process took the job over in the meantime: nothing of this pass is saved."""

    code = "lease_lost"


async def take(connection: AsyncConnection, name: str, *, holder: str, now: datetime, lasts: timedelta) -> bool:
    """Take or renew a lease; False while another holder's has not expired."""
    row = await connection.execute(_TAKE, {"name": name, "holder": holder, "now": now, "expires_at": now + lasts})
    return row.first() is not None


async def fence(connection: AsyncConnection, name: str, *, holder: str) -> None:
    """Make sure that the lease is still ours, and that nobody takes it before this transaction ends.

    Raises LeaseLost.
    """
    row = await connection.execute(_FENCE, {"name": name, "holder": holder})
    if row.first() is None:
        raise LeaseLost(f"the lease {name!r} is no longer held by {holder}")


async def give_up(connection: AsyncConnection, name: str, *, holder: str) -> None:
    """Let another process take over at once."""
    await connection.execute(_GIVE_UP, {"name": name, "holder": holder})
