"""What a read is given and gives: facts by leaf and agent, and one batch of leaves of the same shape."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import TextClause

from alerts.core.condition import Leaf
from alerts.core.labels import Labels
from alerts.core.reading import Reading
from monitor.db import Database
from monitor.series.store import SeriesStore

L = TypeVar("L", bound=Leaf)

Agent = tuple[UUID, UUID]
"""(tenant, agent)."""

Shape = tuple[object, ...]
"""Leaves of one shape are read by one statement."""


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
    history_read: set[UUID] = field(default_factory=set)
    """Tenants whose rules could."""

    def of(self, leaves: Iterable[Leaf], agent: Agent) -> dict[Leaf, Mapping[Labels, Reading] | None]:
        """The readings of these leaves for one agent, as `judge` takes them."""
        return {leaf: None if (leaf, agent) in self.failed else self.sets.get((leaf, agent), {}) for leaf in leaves}


@dataclass(slots=True)
class Memory:
    """What is read once an hour and not at every tick, by shape and agent: it speaks of the past alone."""

    hour: datetime | None = None
    known: dict[tuple[Shape, Agent], Any] = field(default_factory=dict)

    def of(self, hour: datetime) -> dict[tuple[Shape, Agent], Any]:
        """What was read in this hour; what was read in another one is forgotten."""
        if self.hour != hour:
            self.hour, self.known = hour, {}
        return self.known


@dataclass(frozen=True, slots=True)
class Batch(Generic[L]):
    """Leaves of one shape, by the agents that they are wanted for, to be read as of `now`."""

    leaf: L
    """Any one of them: it has the shape."""
    by_agent: Mapping[Agent, Sequence[L]]
    now: datetime
    db: Database
    series: SeriesStore
    facts: Facts
    memory: Memory

    def put(self, agent: Agent, reading: Reading, labels: Labels = ()) -> None:
        """Give all leaves of this agent the same reading."""
        for leaf in self.by_agent[agent]:
            self.facts.sets[leaf, agent][labels] = reading

    @property
    def agents(self) -> dict[str, list[UUID]]:
        """The agents as two columns, `tenants` and `agents`."""
        pairs = sorted(self.by_agent)
        return {"tenants": [tenant for tenant, _ in pairs], "agents": [agent for _, agent in pairs]}

    @property
    def by_tenant(self) -> dict[UUID, list[UUID]]:
        """The agents of each tenant."""
        agents: dict[UUID, list[UUID]] = defaultdict(list)
        for tenant_id, agent_id in self.by_agent:
            agents[tenant_id].append(agent_id)
        return agents

    async def rows(self, statement: TextClause, given: Mapping[str, Any]) -> Sequence[Any]:
        """What a statement finds, as the alerter."""
        async with self.db.alerter() as connection:
            return (await connection.execute(statement, given)).all()


@dataclass(frozen=True, slots=True)
class Source:
    """A way to read leaves of a kind. `history`: from the history store, whose faults are told as one alert."""

    shape: Callable[[Any], Shape]
    read: Callable[[Batch[Any]], Awaitable[None]]
    history: bool = False
