"""What withheld messages along a replay: silences and maintenance windows of that time, and flapping."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import ConditionError
from alerts.core.matchers import parse_matchers
from alerts.core.muting import Muting, Scope
from alerts.core.policy import Withheld
from alerts.muting import Known, MutingNow, windows
from monitor.calendar.model import CalendarEvent, EventKind
from monitor.calendar.recurrence import occurrences
from monitor.calendar.store import read_events

_SILENCES = text("""
    SELECT id, matchers, starts_at, ends_at, comment FROM silences
    WHERE tenant_id = :tenant_id AND starts_at < :end AND ends_at > :start ORDER BY id
""")


@dataclass(frozen=True, slots=True)
class Mutes:
    """All that may withhold messages of one tenant from a time on. `turns`: when that changes, in order."""

    tenant_id: UUID
    silences: Sequence[tuple[datetime, Scope]] = ()
    events: Sequence[CalendarEvent] = ()
    agents: Mapping[tuple[UUID, UUID], Known] | None = None
    turns: Sequence[datetime] = ()

    def at(self, now: datetime) -> MutingNow:
        """What withholds messages at a time."""
        scopes = [scope for starts_at, scope in self.silences if starts_at <= now < scope.until]
        scopes += [scope for _, scope in windows(self.events, now)]
        return MutingNow(Muting(now, scopes={self.tenant_id: scopes} if scopes else None), self.agents or {})


async def read_mutes(
    connection: AsyncConnection,
    tenant_id: UUID,
    agents: Mapping[tuple[UUID, UUID], Known],
    *,
    start: datetime,
    end: datetime,
) -> Mutes:
    """As people have set them by now: a silence counts for its time, an event for all of its occurrences."""
    silences = []
    for row in await connection.execute(_SILENCES, {"tenant_id": tenant_id, "start": start, "end": end}):
        scope = _scope(row)
        if scope is not None:
            silences.append((row.starts_at, scope))
    events = await read_events(connection, [tenant_id], EventKind.MAINTENANCE, since=start)
    turns = {at for starts_at, scope in silences for at in (starts_at, scope.until)}
    turns |= {at for event in events for one in occurrences(event, start, end) for at in (one.start, one.end)}
    return Mutes(tenant_id, silences, events, agents, sorted(turns))


def _scope(row: Any) -> Scope | None:
    try:
        matchers = parse_matchers(row.matchers)
    except ConditionError:
        return None
    return Scope(Withheld.SILENCED, str(row.id), row.comment, row.ends_at, matchers) if matchers else None
