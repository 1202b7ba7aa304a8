"""Mail addresses that bounce: noticed, told through another channel, and not written to until somebody clears them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.targets import Target
from alerts.core.vocabulary import ChannelKind
from alerts.undeliverable import send_another_way, works_again
from monitor.db import Database

_SENT_TO = text("""
    SELECT id, target FROM notifications
    WHERE tenant_id = :tenant_id AND channel = 'email' AND id = ANY (:ids) AND status IN ('sent', 'sending', 'dead')
""")
_NOTE = text("""
    INSERT INTO bounces AS known (tenant_id, address, said, at, notification_id)
    VALUES (:tenant_id, :address, :said, :now, :notification_id)
    ON CONFLICT (tenant_id, address) DO UPDATE SET
        said = EXCLUDED.said, at = EXCLUDED.at, notification_id = EXCLUDED.notification_id,
        told = known.told AND known.notification_id IS NOT DISTINCT FROM EXCLUDED.notification_id, cleared_by = NULL
""")
_CLEAR = text("""
    UPDATE bounces SET cleared_by = :actor
    WHERE tenant_id = :tenant_id AND address = :address AND cleared_by IS NULL
    RETURNING address, said, at
""")
_LIST = text("""
    SELECT address, said, at FROM bounces WHERE tenant_id = :tenant_id AND cleared_by IS NULL ORDER BY at DESC, address
    LIMIT 1000
""")
_OPEN = text("""
    SELECT b.*, t.slug FROM bounces b JOIN tenants t ON t.id = b.tenant_id
    WHERE NOT b.told OR b.cleared_by IS NOT NULL
    ORDER BY b.at LIMIT 100 FOR UPDATE OF b SKIP LOCKED
""")
_LOST = text("""
    UPDATE notifications SET status = 'dead', last_error = :error
    WHERE tenant_id = :tenant_id AND id = :id AND status = 'sent' RETURNING *
""")
_TOLD = text("UPDATE bounces SET told = true WHERE tenant_id = :tenant_id AND address = :address")
_FORGET = text("DELETE FROM bounces WHERE tenant_id = :tenant_id AND address = :address")


async def find_mails(connection: AsyncConnection, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """The addresses that these notifications were mailed to, of those that are the tenant's."""
    rows = await connection.execute(_SENT_TO, {"tenant_id": tenant_id, "ids": list(ids)})
    return {row.id: row.target for row in rows}


async def note(
    connection: AsyncConnection, tenant_id: UUID, address: str, said: str, *, notification_id: UUID, now: datetime
) -> None:
    """Record that mail to an address bounced. The alerter tells it, and sends the lost mail another way."""
    given = {"tenant_id": tenant_id, "address": address.lower(), "said": said, "now": now}
    await connection.execute(_NOTE, given | {"notification_id": notification_id})


async def clear(connection: AsyncConnection, tenant_id: UUID, address: str, *, actor: str) -> Any:
    """Have mail sent to an address again; returns what was known of it, None when it was none that bounced."""
    given = {"tenant_id": tenant_id, "address": address.lower(), "actor": actor}
    return (await connection.execute(_CLEAR, given)).first()


async def list_bounces(connection: AsyncConnection, tenant_id: UUID) -> Sequence[Any]:
    """Addresses that bounce, the latest first."""
    return (await connection.execute(_LIST, {"tenant_id": tenant_id})).all()


async def follow_bounces(db: Database, *, now: datetime, public_url: str) -> int:
    """Tell of new bounces, and end the alerts about those that were cleared; returns how many."""
    async with db.alerter() as connection:
        rows = (await connection.execute(_OPEN)).all()
        for row in rows:
            given = {"tenant_id": row.tenant_id, "address": row.address}
            if row.cleared_by is not None:
                await works_again(
                    connection,
                    slug=row.slug,
                    target=Target(ChannelKind.EMAIL, row.address),
                    now=now,
                    public_url=public_url,
                )
                await connection.execute(_FORGET, given)
                continue
            error = f"mail to it bounced: {row.said}"
            lost = {"tenant_id": row.tenant_id, "id": row.notification_id, "error": error}
            dead = (await connection.execute(_LOST, lost)).first()
            if dead is not None:
                await send_another_way(
                    connection, slug=row.slug, dead=dead, detail=error, error=error, now=now, public_url=public_url
                )
            await connection.execute(_TOLD, given)
        return len(rows)
