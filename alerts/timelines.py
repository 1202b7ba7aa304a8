"""Timelines of alerts: what happened, line by line."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import arrays
from monitor.ids import microseconds, uuid7_us

_INSERT_EVENTS = text("""
    INSERT INTO alert_events (tenant_id, id, alert_id, kind, actor, at, details)
    SELECT t, i, a, k, w, :now, d::jsonb
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:alerts AS uuid[]), CAST(:kinds AS text[]),
                CAST(:actors AS text[]), CAST(:details AS text[])) AS e (t, i, a, k, w, d)
""")


class TimelineEntry(msgspec.Struct, frozen=True):
    """One line of an alert's timeline."""

    tenant_id: UUID
    alert_id: UUID
    kind: str
    details: dict[str, Any]
    actor: str = "system"


async def insert_events(connection: AsyncConnection, entries: Sequence[TimelineEntry], *, now: datetime) -> None:
    """Add lines to timelines, in this order."""
    if not entries:
        return
    start = microseconds(now)
    await connection.execute(
        _INSERT_EVENTS,
        {
            "now": now,
            "tenants": arrays.uuids([entry.tenant_id for entry in entries]),
            # A microsecond after each other: they sort in this order.
            "ids": arrays.uuids([uuid7_us(at) for at in range(start, start + len(entries))]),
            "alerts": arrays.uuids([entry.alert_id for entry in entries]),
            "kinds": arrays.texts([entry.kind for entry in entries]),
            "actors": arrays.texts([entry.actor for entry in entries]),
            "details": arrays.jsons(entry.details for entry in entries),
        },
    )
