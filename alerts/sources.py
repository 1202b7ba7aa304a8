"""What rules read: one statement for all targets that read the same shape, turned into readings by leaf."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from alerts import runs
from alerts.core.condition import (
    ExecutionStatus,
    HeartbeatLeaf,
    Leaf,
    LogLeaf,
    LogLevel,
    MetricLeaf,
    RateLeaf,
    ScheduleLeaf,
    StatusLeaf,
)
from alerts.core.labels import Labels, make_labels
from alerts.core.reading import Reading
from monitor.db import Database
from monitor.errors import SeriesDown
from monitor.ids import uuid7_floor, uuid7_time
from monitor.series.store import Reducer, Reduction, SeriesStore
from monitor.signals import FAREWELLS

Agent = tuple[UUID, UUID]
"""(tenant, agent)."""

_HEARTBEATS_THAT_TEACH = 3
_LEVELS = [str(level) for level in LogLevel]

_LIVE = text("""
    SELECT l.tenant_id, l.agent_id, l.last_execution_id, l.last_status, l.consecutive_failures, l.last_heartbeat_at,
           l.heartbeat_count, l.heartbeat_status, l.heartbeat_interval, l.expected, a.ephemeral
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
    JOIN agent_live l ON l.tenant_id = d.tenant_id AND l.agent_id = d.agent_id
    JOIN agents a ON a.tenant_id = d.tenant_id AND a.id = d.agent_id
""")
# No upper bound: an agent whose clock is ahead of ours by less than ingest allows is heard all the same.
_RATES = text("""
    SELECT d.tenant_id, d.agent_id, f.*
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS rows, count(*) FILTER (WHERE l.status = 'error') AS error,
               count(*) FILTER (WHERE l.status = 'warning') AS warning,
               count(*) FILTER (WHERE l.status = 'success') AS success, max(l.id::text) AS newest
        FROM agent_logs l
        WHERE l.tenant_id = d.tenant_id AND l.agent_id = d.agent_id AND l.id >= :floor AND l.kind = 'execution'
    ) AS f
""")
_LINES = text("""
    SELECT d.no, f.*
    FROM unnest(CAST(:numbers AS bigint[]), CAST(:tenants AS uuid[]), CAST(:agents AS uuid[]),
                CAST(:texts AS text[]), CAST(:ranks AS bigint[])) AS d (no, tenant_id, agent_id, contains, rank)
    CROSS JOIN LATERAL (
        SELECT count(*) AS rows, max(l.id::text) AS newest,
               count(*) FILTER (
                   WHERE strpos(l.message, d.contains) > 0
                     AND (d.rank = 0 OR (l.kind = 'line'
                          AND array_position(CAST(:levels AS text[]), lower(l.level)) >= d.rank))) AS matching
        FROM agent_logs l
        WHERE l.tenant_id = d.tenant_id AND l.agent_id = d.agent_id AND l.id >= :floor
    ) AS f
""")


@dataclass(slots=True)
class Fault:
    """What went wrong under a guard; None when nothing did."""

    error: Exception | None = None


Guard = Callable[[str], AbstractContextManager[Fault]]
"""Keeps whatever is raised under it, logs and counts it; the text says what was being done."""


@dataclass(slots=True)
class Facts:
    """What was read, by leaf and agent. A leaf that is in `failed` for an agent could not be read."""

    sets: dict[tuple[Leaf, Agent], dict[Labels, Reading]] = field(default_factory=lambda: defaultdict(dict))
    failed: set[tuple[Leaf, Agent]] = field(default_factory=set)
    history_failed: set[UUID] = field(default_factory=set)
    """Tenants whose rules could not read the history store."""
    history_read: bool = False
    """Whether the history store answered at least once."""

    def of(self, leaves: Iterable[Leaf], agent: Agent) -> dict[Leaf, Mapping[Labels, Reading] | None]:
        """The readings of these leaves for one agent, as `judge` takes them."""
        return {leaf: None if (leaf, agent) in self.failed else self.sets.get((leaf, agent), {}) for leaf in leaves}


class Sources:
    """Reads facts. A failed read spoils its own group and nothing else."""

    def __init__(self, db: Database, series: SeriesStore) -> None:
        self._db = db
        self._series = series

    async def read(self, wanted: Mapping[Leaf, Sequence[Agent]], *, now: datetime, guard: Guard) -> Facts:
        """Read every leaf for its agents, over windows that end at `now`. `guard` keeps a fault in its group."""
        facts = Facts()
        shapes: dict[tuple[object, ...], list[Leaf]] = defaultdict(list)
        for leaf in wanted:
            shapes[_shape(leaf)].append(leaf)
        for leaves in shapes.values():
            with guard(f"reading {leaves[0]}") as fault:
                await self._read_shape(leaves, wanted, facts, now)
            if fault.error is not None:
                facts.failed |= {(leaf, agent) for leaf in leaves for agent in wanted[leaf]}
                if isinstance(fault.error, SeriesDown):
                    facts.history_failed |= {tenant for leaf in leaves for tenant, _ in wanted[leaf]}
        return facts

    async def _read_shape(
        self, leaves: Sequence[Leaf], wanted: Mapping[Leaf, Sequence[Agent]], facts: Facts, now: datetime
    ) -> None:
        match leaves[0]:
            case StatusLeaf() | HeartbeatLeaf():
                await self._read_live(leaves, wanted, facts)
            case ScheduleLeaf(grace):
                await self._read_runs(leaves, wanted, facts, now, grace)
            case RateLeaf(window=window):
                await self._read_rates(leaves, wanted, facts, now - window)
            case LogLeaf(window=window):
                await self._read_lines(leaves, wanted, facts, now - window)
            case MetricLeaf() as leaf:
                await self._read_metric(leaf, leaves, wanted, facts, now)
                facts.history_read = True

    async def _read_live(self, leaves: Sequence[Leaf], wanted: Mapping[Leaf, Sequence[Agent]], facts: Facts) -> None:
        by_agent = _by_agent(leaves, wanted)
        for row in await self._rows(_LIVE, _columns(by_agent)):
            agent = (row.tenant_id, row.agent_id)
            for leaf in by_agent[agent]:
                reading = _status(leaf, row) if isinstance(leaf, StatusLeaf) else _heartbeat(row)
                facts.sets[leaf, agent][()] = reading

    async def _read_runs(
        self,
        leaves: Sequence[Leaf],
        wanted: Mapping[Leaf, Sequence[Agent]],
        facts: Facts,
        now: datetime,
        grace: timedelta,
    ) -> None:
        by_agent = _by_agent(leaves, wanted)
        given = _columns(by_agent) | {"grace": grace, "floor": now - grace, "early": runs.EARLY}
        for row in await self._rows(runs.READ, given):
            agent = (row.tenant_id, row.agent_id)
            for leaf in by_agent[agent]:
                facts.sets[leaf, agent][()] = runs.reading(row, now=now, grace=grace)

    async def _read_rates(
        self, leaves: Sequence[Leaf], wanted: Mapping[Leaf, Sequence[Agent]], facts: Facts, start: datetime
    ) -> None:
        by_agent = _by_agent(leaves, wanted)
        for row in await self._rows(_RATES, _columns(by_agent) | {"floor": uuid7_floor(start)}):
            agent = (row.tenant_id, row.agent_id)
            for leaf in by_agent[agent]:
                if isinstance(leaf, RateLeaf) and row.rows:
                    share = getattr(row, leaf.rate.value) / row.rows
                    facts.sets[leaf, agent][()] = Reading(share, row.rows, uuid7_time(UUID(row.newest)))

    async def _read_lines(
        self, leaves: Sequence[Leaf], wanted: Mapping[Leaf, Sequence[Agent]], facts: Facts, start: datetime
    ) -> None:
        asked = [(leaf, agent) for leaf in leaves if isinstance(leaf, LogLeaf) for agent in dict.fromkeys(wanted[leaf])]
        given = {
            "numbers": list(range(len(asked))),
            "tenants": [agent[0] for _, agent in asked],
            "agents": [agent[1] for _, agent in asked],
            "texts": [leaf.contains for leaf, _ in asked],
            "ranks": [0 if leaf.level is None else _LEVELS.index(leaf.level) + 1 for leaf, _ in asked],
            "levels": _LEVELS,
            "floor": uuid7_floor(start),
        }
        for row in await self._rows(_LINES, given):
            if row.rows:
                reading = Reading(float(row.matching), row.rows, uuid7_time(UUID(row.newest)))
                facts.sets[asked[row.no]][()] = reading

    async def _read_metric(
        self,
        leaf: MetricLeaf,
        leaves: Sequence[Leaf],
        wanted: Mapping[Leaf, Sequence[Agent]],
        facts: Facts,
        now: datetime,
    ) -> None:
        by_agent = _by_agent(leaves, wanted)
        agents: dict[UUID, list[UUID]] = defaultdict(list)
        for tenant_id, agent_id in by_agent:
            agents[tenant_id].append(agent_id)
        reduction = Reduction(
            metric=leaf.metric, reduce=Reducer(leaf.reduce), window=leaf.window, by=leaf.by, where=leaf.where
        )
        for row in await self._series.reduce(reduction, agents, now=now):
            labels = make_labels(zip(leaf.by, row.labels, strict=True))
            agent = (row.tenant_id, row.agent_id)
            for each in by_agent[agent]:
                facts.sets[each, agent][labels] = Reading(row.value, row.count, row.last_at)

    async def _rows(self, statement: Any, given: Mapping[str, Any]) -> Sequence[Any]:
        async with self._db.alerter() as connection:
            return (await connection.execute(statement, given)).all()


def _shape(leaf: Leaf) -> tuple[object, ...]:
    """Leaves of one shape are read by one statement."""
    match leaf:
        case StatusLeaf() | HeartbeatLeaf():
            return ("live",)
        case ScheduleLeaf(grace):
            return (ScheduleLeaf, grace)
        case RateLeaf(window=window) | LogLeaf(window=window):
            return (type(leaf), window)
        case MetricLeaf():
            return (MetricLeaf, leaf.metric, leaf.reduce, leaf.window, leaf.by, leaf.where)


def _by_agent(leaves: Sequence[Leaf], wanted: Mapping[Leaf, Sequence[Agent]]) -> dict[Agent, list[Leaf]]:
    by_agent: dict[Agent, list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        for agent in dict.fromkeys(wanted[leaf]):
            by_agent[agent].append(leaf)
    return by_agent


def _columns(agents: Iterable[Agent]) -> dict[str, list[UUID]]:
    pairs = sorted(agents)
    return {"tenants": [tenant for tenant, _ in pairs], "agents": [agent for _, agent in pairs]}


def _status(leaf: StatusLeaf, row: Any) -> Reading:
    if row.last_execution_id is None:
        return Reading()
    newest = 1 if row.last_status == leaf.status else 0
    streak = row.consecutive_failures if leaf.status is ExecutionStatus.ERROR else newest
    return Reading(float(streak), 1, uuid7_time(row.last_execution_id))


def _heartbeat(row: Any) -> Reading:
    interval = row.heartbeat_interval
    # `expected` is false before the third heartbeat too: there it has not begun, rather than ended.
    farewell = (row.heartbeat_status or "").lower() in FAREWELLS
    ended = not row.expected and (farewell or row.heartbeat_count >= _HEARTBEATS_THAT_TEACH)
    return Reading(
        count=row.heartbeat_count,
        last_at=row.last_heartbeat_at,
        interval=None if interval is None else timedelta(seconds=interval),
        expected=not (ended or row.ephemeral),
    )
