"""What withheld messages along a replay: silences, maintenance windows and alerts of other rules of that time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import ConditionError
from alerts.core.matchers import parse_matchers
from alerts.core.muting import Inhibition, Muting, Scope, Subject
from alerts.core.policy import Withheld
from alerts.muting import Known, MutingNow, read_inhibitions, subjects_of, windows
from monitor.calendar.model import CalendarEvent, EventKind
from monitor.calendar.recurrence import occurrences
from monitor.calendar.store import read_events

_SILENCES = text("""
    SELECT id, matchers, starts_at, ends_at, comment FROM silences
    WHERE tenant_id = :tenant_id AND starts_at < :end AND ends_at > :start ORDER BY id
""")


# Those of other rules; whether one says that its agent is dead is seen by what its rule asks for.
_ALERTS = text("""
    SELECT a.tenant_id, a.id, a.agent_id, a.rule, a.severity, a.labels, a.triggered_at, a.config_id, a.config_version,
           g.external_id, g.agent_type, c.conditions, a.resolved_at
    FROM alerts a
    LEFT JOIN agents g ON g.tenant_id = a.tenant_id AND g.id = a.agent_id
    LEFT JOIN alert_configs c ON c.tenant_id = a.tenant_id AND c.id = a.config_id
    WHERE a.tenant_id = :tenant_id AND a.config_id IS DISTINCT FROM :rule
      AND a.triggered_at <= :end AND (a.resolved_at IS NULL OR a.resolved_at >= :start)
    ORDER BY a.id LIMIT 100000
""")
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Cause:
    """An alert of another rule that may withhold messages of this one while it is open."""

    begins: datetime
    ends: datetime | None
    alert: Subject


@dataclass(frozen=True, slots=True)
class Mutes:
    """All that may withhold messages of one tenant from a time on. `turns`: when that changes, in order."""

    tenant_id: UUID
    silences: Sequence[tuple[datetime, Scope]] = ()
    events: Sequence[CalendarEvent] = ()
    agents: Mapping[tuple[UUID, UUID], Known] | None = None
    turns: Sequence[datetime] = ()
    inhibitions: Sequence[Inhibition] = ()
    causes: Sequence[Cause] = ()

    def at(self, now: datetime) -> MutingNow:
        """What withholds messages at a time."""
        scopes = [scope for starts_at, scope in self.silences if starts_at <= now < scope.until]
        scopes += [scope for _, scope in windows(self.events, now)]
        # One that ends in this pass has withheld messages in it.
        open_ = [one.alert for one in self.causes if one.begins <= now and (one.ends is None or now <= one.ends)]
        muting = Muting(
            now,
            scopes={self.tenant_id: scopes} if scopes else None,
            inhibitions={self.tenant_id: self.inhibitions} if self.inhibitions else None,
            alerts=open_,
        )
        return MutingNow(muting, self.agents or {})


async def read_mutes(
    connection: AsyncConnection,
    tenant_id: UUID,
    agents: Mapping[tuple[UUID, UUID], Known],
    *,
    rule: UUID,
    start: datetime,
    end: datetime,
) -> Mutes:
    """As people have set them by now: a silence counts for its time, an event for all of its occurrences."""
    silences = []
    inhibitions = (await read_inhibitions(connection, [tenant_id])).get(tenant_id, [])
    given = {"tenant_id": tenant_id, "rule": rule, "start": start, "end": end}
    rows = (await connection.execute(_ALERTS, given)).all()
    causes = [Cause(row.triggered_at, row.resolved_at, one) for row, one in zip(rows, subjects_of(rows), strict=True)]
    causes = [one for one in causes if inhibitions or one.alert.dead]
    for row in await connection.execute(_SILENCES, {"tenant_id": tenant_id, "start": start, "end": end}):
        scope = _scope(row)
        if scope is not None:
            silences.append((row.starts_at, scope))
    events = await read_events(connection, [tenant_id], EventKind.MAINTENANCE, since=start)
    turns = {at for starts_at, scope in silences for at in (starts_at, scope.until)}
    turns |= {at for event in events for one in occurrences(event, start, end) for at in (one.start, one.end)}
    turns |= {one.begins for one in causes} | {one.ends + _TICK for one in causes if one.ends is not None}
    return Mutes(tenant_id, silences, events, agents, sorted(turns), inhibitions, causes)


def _scope(row: Any) -> Scope | None:
    try:
        matchers = parse_matchers(row.matchers)
    except ConditionError:
        return None
    return Scope(Withheld.SILENCED, str(row.id), row.comment, row.ends_at, matchers) if matchers else None
