"""What a pass sends, paced and grouped, before it is written: which messages go out, and who hears of what by them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.grouping import Telling
from alerts.core.pace import Held, Outgoing
from alerts.core.targets import Target
from alerts.heard import Told, told_to_json
from alerts.paces import Addressed, Muted, step_paces
from alerts.timelines import TimelineEntry
from alerts.unsent import cancel
from monitor.ids import uuid7

_AFTER = timedelta(microseconds=1)


class Queued(msgspec.Struct, frozen=True):
    """One message on its way into the table."""

    tenant_id: UUID
    target: Target
    message: Outgoing
    id: UUID
    at: datetime
    told: list[UUID]
    """The alerts that it tells of, each once."""


@dataclass(frozen=True, slots=True)
class Outgoings:
    """What one pass sends, and what that leaves to be written. `heard`: the records of who was told, by alert."""

    queued: Sequence[Queued] = ()
    heard: Mapping[UUID, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    homes: Mapping[UUID, UUID] = field(default_factory=dict)
    """The tenant that each alert is of, which is not always the one that is told."""
    events: Sequence[TimelineEntry] = ()


async def prepare(
    connection: AsyncConnection,
    tellings: Sequence[Telling],
    *,
    now: datetime,
    muted: Sequence[Muted] = (),
    due_of: Iterable[UUID] = (),
) -> Outgoings:
    """Pace what is to be told: it goes out, joins what is held back, or is held back itself, as its timeline says.

    What was held back for tenants in `due_of` is told when its time has come. `muted`: what is withheld now, and so
    is no longer owed. The alerts that open need not be stored yet.
    """
    due = sorted(set(due_of))
    if not tellings and not due:
        return Outgoings()
    going, held = await step_paces(connection, tellings, muted, now=now, due_of=due)
    queued = [_queued(one, now) for one in await cancel(connection, going, now=now)]
    heard: dict[UUID, list[dict[str, Any]]] = {}
    homes: dict[UUID, UUID] = {}
    events = [_held_back(one) for one in held]
    for one in queued:
        said = {"channel": one.target.kind, "target": one.target.address, "notification_id": one.id}
        for telling in one.message.tellings:
            notice = telling.notice
            record = Told(one.tenant_id, one.target, one.at, notice.reason, one.message.group_id)
            heard.setdefault(notice.alert_id, []).append(told_to_json(record))
            homes[notice.alert_id] = telling.home
            details = {**said, "reason": notice.reason}
            events.append(TimelineEntry(telling.home, notice.alert_id, "notified", details))
    return Outgoings(queued, heard, homes, events)


def _queued(going: Addressed, now: datetime) -> Queued:
    after = [one.after + _AFTER for one in going.message.tellings if one.after is not None]
    at = max([now, *after])
    told = list(dict.fromkeys(one.notice.alert_id for one in going.message.tellings))
    return Queued(going.tenant_id, going.target, going.message, uuid7(at), at, told)


def _held_back(held: Held) -> TimelineEntry:
    notice = held.telling.notice
    details = {
        "by": str(held.by),
        "reason": str(notice.reason),
        "channel": str(notice.target.kind),
        "target": notice.target.address,
        "until": held.until.isoformat(),
    }
    return TimelineEntry(held.telling.home, notice.alert_id, "withheld", details)
