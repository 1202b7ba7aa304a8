"""What withholds messages, read once a tick for the alerts that are open: nothing here grows with quiet rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import Condition, ConditionError
from alerts.core.flapping import STEADY, Flaps
from alerts.core.matchers import Matcher, parse_matchers
from alerts.core.muting import Inhibition, Mute, Muting, Scope, Subject, labels_of, says_dead
from alerts.core.parse import parse_condition
from alerts.core.policy import Withheld
from alerts.core.vocabulary import Severity
from alerts.episode import Episode
from alerts.lines import PLATFORM_AGENT
from monitor import arrays
from monitor.calendar.model import CalendarEvent, EventKind
from monitor.calendar.recurrence import active
from monitor.calendar.store import read_events
from monitor.ids import PLATFORM_TENANT

HISTORY_BLIND = "history store unreachable"
"""The rule of the system alert that explains whatever rests on history that cannot be read."""

_SILENCES = text("""
    SELECT tenant_id, id, matchers, ends_at, comment FROM silences
    WHERE tenant_id = ANY (:tenants) AND starts_at <= :now AND ends_at > :now
    ORDER BY tenant_id, id
""")
_INHIBITIONS = text("""
    SELECT tenant_id, name, source, target, equal FROM inhibitions WHERE tenant_id = ANY (:tenants)
    ORDER BY tenant_id, id
""")
_AGENTS = text("""
    SELECT a.tenant_id, a.id, a.external_id, a.agent_type, a.status = 'maintenance' AS resting
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS wanted (tenant_id, id)
    JOIN agents a ON a.tenant_id = wanted.tenant_id AND a.id = wanted.id
""")
_OPEN = """
    SELECT a.tenant_id, a.id, a.agent_id, a.rule, a.severity, a.labels, a.triggered_at, a.config_id, a.config_version,
           g.external_id, g.agent_type, c.conditions
"""
# Alerts that say that an agent is dead, of those agents of which something else is said too. Not joined to a table of
# the agents: when many have opened since the planner last counted, it would hold each alert against each agent.
_DEAD = text(f"""
    {_OPEN}
    FROM alerts a
    JOIN agents g ON g.tenant_id = a.tenant_id AND g.id = a.agent_id
    JOIN alert_configs c ON c.tenant_id = a.tenant_id AND c.id = a.config_id
    WHERE a.tenant_id = ANY (CAST(:tenants AS uuid[])) AND a.agent_id = ANY (CAST(:ids AS uuid[]))
      AND a.resolved_at IS NULL
      AND (jsonb_path_exists(c.conditions, '$.**.heartbeat') OR jsonb_path_exists(c.conditions, '$.**.state'))
""")
_ALL_OPEN = text(f"""
    {_OPEN}
    FROM alerts a
    LEFT JOIN agents g ON g.tenant_id = a.tenant_id AND g.id = a.agent_id
    LEFT JOIN alert_configs c ON c.tenant_id = a.tenant_id AND c.id = a.config_id
    WHERE a.tenant_id = ANY (:tenants) AND a.resolved_at IS NULL
""")
_BLIND = text("""
    SELECT id, severity, labels, triggered_at FROM alerts
    WHERE tenant_id = :platform AND config_id IS NULL AND rule = :rule AND resolved_at IS NULL
    ORDER BY triggered_at LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Known:
    """What matchers ask of an agent. `resting`: a person has set it to maintenance."""

    external_id: str
    agent_type: str | None
    resting: bool = False


@dataclass(frozen=True, slots=True)
class MutingNow:
    """What withholds messages at one moment, and what is known of the agents that it is about."""

    muting: Muting
    agents: Mapping[tuple[UUID, UUID], Known] = field(default_factory=dict)

    def of(self, episode: Episode, *, flaps: Flaps = STEADY, unread: bool = False, dead: bool = False) -> Mute | None:
        """What withholds an open alert's messages now, or None. `dead`: it says that its agent is dead.

        `flaps` are its state's; `unread`: it rests on history that could not be read, or is not there.
        """
        subject = _subject(episode, self.agents, dead=dead)
        return self.muting.of(subject, snooze=episode.snooze, flaps=flaps, unread=unread)


async def read_muting(
    connection: AsyncConnection,
    episodes: Sequence[Episode],
    *,
    now: datetime,
    opening: Sequence[tuple[Episode, Condition]] = (),
) -> MutingNow:
    """What withholds messages of these open alerts at `now`: a few statements, whatever their number.

    `opening`: those of them that are not stored yet, and what their rules ask for. They withhold as others do.
    """
    if not episodes:
        return MutingNow(Muting(now))
    tenants = sorted({one.tenant_id for one in episodes})
    wanted = {(one.tenant_id, one.agent_id) for one in episodes if one.agent_id is not None}
    ids = arrays.uuids(agent for _, agent in wanted)
    given = {"tenants": arrays.uuids(tenant for tenant, _ in wanted), "ids": ids}
    agents = {
        (row.tenant_id, row.id): Known(row.external_id, row.agent_type, row.resting)
        for row in await connection.execute(_AGENTS, given)
    }
    inhibitions = await read_inhibitions(connection, tenants)
    open_alerts = (await connection.execute(_DEAD, {"tenants": tenants, "ids": ids})).all()
    if inhibitions:
        dead = {row.id for row in open_alerts}
        others = await connection.execute(_ALL_OPEN, {"tenants": sorted(inhibitions)})
        open_alerts = [*open_alerts, *(row for row in others if row.id not in dead)]
    subjects = subjects_of(open_alerts)
    for episode, condition in opening:
        says = says_dead(condition)
        if says or episode.tenant_id in inhibitions:
            subjects.append(_subject(episode, agents, dead=says))
    muting = Muting(
        now,
        scopes=await read_scopes(connection, tenants, now=now),
        inhibitions=inhibitions,
        alerts=subjects,
        blind=await _read_blind(connection),
    )
    return MutingNow(muting, agents)


async def read_scopes(
    connection: AsyncConnection, tenants: Sequence[UUID], *, now: datetime
) -> dict[UUID, list[Scope]]:
    """The silences and maintenance windows of these tenants that are active at `now`."""
    scopes: dict[UUID, list[Scope]] = {}
    for row in await connection.execute(_SILENCES, {"tenants": tenants, "now": now}):
        matchers = _parsed(row.matchers)
        if matchers:
            scope = Scope(Withheld.SILENCED, str(row.id), row.comment, row.ends_at, matchers)
            scopes.setdefault(row.tenant_id, []).append(scope)
    for tenant_id, window in windows(await read_events(connection, tenants, EventKind.MAINTENANCE, since=now), now):
        scopes.setdefault(tenant_id, []).append(window)
    return scopes


def windows(events: Iterable[CalendarEvent], now: datetime) -> list[tuple[UUID, Scope]]:
    """The maintenance windows among events that are open at `now`, with their tenants. Pure."""
    found = []
    for one in active(events, now):
        matchers = _parsed(one.event.matchers)
        if matchers is not None:
            scope = Scope(Withheld.MAINTENANCE, str(one.event.id), one.event.title, one.end, matchers)
            found.append((one.event.tenant_id, scope))
    return found


async def read_inhibitions(connection: AsyncConnection, tenants: Sequence[UUID]) -> dict[UUID, list[Inhibition]]:
    """The inhibition rules of these tenants; a tenant without any is left out."""
    rules: dict[UUID, list[Inhibition]] = {}
    for row in await connection.execute(_INHIBITIONS, {"tenants": tenants}):
        source, target = _parsed(row.source), _parsed(row.target)
        if source and target:
            rules.setdefault(row.tenant_id, []).append(Inhibition(row.name, source, target, tuple(row.equal)))
    return rules


def subjects_of(rows: Iterable[Any]) -> list[Subject]:
    """Alerts as muting sees them, of rows with their agent and with what their rule asks for."""
    says: dict[tuple[UUID, int | None], bool] = {}
    subjects = []
    for row in rows:
        rule = (row.config_id, row.config_version)
        if row.config_id is not None and rule not in says:
            says[rule] = _says_dead(row.conditions)
        severity = Severity(row.severity)
        labels = labels_of(
            row.labels,
            agent=row.external_id or PLATFORM_AGENT,
            agent_type=row.agent_type,
            rule=row.rule,
            severity=severity,
        )
        subjects.append(
            Subject(
                row.tenant_id,
                row.id,
                labels,
                severity,
                row.triggered_at,
                agent_id=row.agent_id,
                dead=says.get(rule, False),
            )
        )
    return subjects


def _subject(episode: Episode, agents: Mapping[tuple[UUID, UUID], Known], *, dead: bool) -> Subject:
    agent = None if episode.agent_id is None else agents.get((episode.tenant_id, episode.agent_id))
    return Subject(
        tenant_id=episode.tenant_id,
        alert_id=episode.id,
        labels=labels_of(
            episode.labels,
            agent=agent.external_id if agent else PLATFORM_AGENT,
            agent_type=agent.agent_type if agent else None,
            rule=episode.rule,
            severity=episode.severity,
        ),
        severity=episode.severity,
        since=episode.triggered_at,
        agent_id=episode.agent_id,
        dead=dead,
        resting=agent is not None and agent.resting,
    )


async def _read_blind(connection: AsyncConnection) -> Subject | None:
    row = (await connection.execute(_BLIND, {"platform": PLATFORM_TENANT, "rule": HISTORY_BLIND})).first()
    if row is None:
        return None
    severity = Severity(row.severity)
    labels = labels_of(row.labels, agent=PLATFORM_AGENT, agent_type=None, rule=HISTORY_BLIND, severity=severity)
    return Subject(PLATFORM_TENANT, row.id, labels, severity, row.triggered_at)


def _says_dead(conditions: Any) -> bool:
    try:
        return says_dead(parse_condition(conditions))
    except ConditionError:
        return False


def _parsed(raw: Sequence[str]) -> tuple[Matcher, ...] | None:
    """Stored matchers; None for what cannot be read any more: it withholds nothing, sooner than too much."""
    try:
        return parse_matchers(raw)
    except ConditionError:
        return None
