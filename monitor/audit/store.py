"""The audit trail: rows are added in the transaction of what they tell of, and read back newest first."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.audit.tables import AuditLog
from monitor.clock import Clock
from monitor.ids import uuid7, uuid7_time
from monitor.principal import Principal


class Recorder:
    """Adds audit rows. Handed to every slice as `deps.audit`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

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
        origin = principal.origin
        await connection.execute(
            insert(AuditLog).values(
                tenant_id=principal.tenant_id,
                id=uuid7(self._clock()),
                actor=principal.actor,
                user_id=principal.user_id,
                action=action,
                resource_type=resource[0],
                resource_id=resource[1],
                old_values=None if old is None else dict(old),
                new_values=None if new is None else dict(new),
                ip_address=None if origin is None else origin.address,
                user_agent=None if origin is None else origin.user_agent,
            )
        )


async def list_entries(
    connection: AsyncConnection, tenant_id: UUID, *, limit: int, before: UUID | None
) -> list[dict[str, Any]]:
    """`limit + 1` entries, newest first, older than the entry `before`."""
    query = (
        select(
            AuditLog.id, AuditLog.actor, AuditLog.action, AuditLog.resource_type, AuditLog.resource_id,
            AuditLog.old_values, AuditLog.new_values, AuditLog.status,
        )
        .where(AuditLog.tenant_id == tenant_id)
        .order_by(AuditLog.id.desc())
        .limit(limit + 1)
    )  # fmt: skip
    if before is not None:
        query = query.where(AuditLog.id < before)
    rows = (await connection.execute(query)).mappings()
    return [{**row, "at": uuid7_time(row["id"])} for row in rows]
