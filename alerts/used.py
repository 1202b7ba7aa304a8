"""What may act once: remembered in the database, so that no other process lets it act again."""

import hashlib
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import Gone

# A second one waits here for the first one's transaction, and finds its row or, where that one failed, none.
_USE = text("""
    INSERT INTO used_tokens (tenant_id, digest, expires_at) VALUES (:tenant_id, :digest, :expires_at)
    ON CONFLICT DO NOTHING RETURNING 1
""")
_USED = text("SELECT 1 FROM used_tokens WHERE tenant_id = :tenant_id AND digest = :digest")


async def use_once(
    connection: AsyncConnection, tenant_id: UUID, identity: str, *, expires_at: datetime, what: str
) -> None:
    """Use something up with the caller's transaction. Raises Gone where it was used before.

    `identity` is the same for every copy of it, `what` its name in the error. After `expires_at` the caller refuses it
    by its time.
    """
    given = {"tenant_id": tenant_id, "digest": _digest(identity), "expires_at": expires_at}
    if (await connection.execute(_USE, given)).first() is None:
        raise Gone(f"this {what} was used already")


async def was_used(connection: AsyncConnection, tenant_id: UUID, identity: str) -> bool:
    """Whether it was used up."""
    given = {"tenant_id": tenant_id, "digest": _digest(identity)}
    return (await connection.execute(_USED, given)).first() is not None


def _digest(identity: str) -> bytes:
    return hashlib.sha256(identity.encode()).digest()
