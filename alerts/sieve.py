"""Plain metric rules, many thousands of targets at once: which of them have anything to be judged.

A target is sifted where its rule is one reading of a metric against a threshold (`is_sifted`). While it is INACTIVE
only a breach changes anything: so its value is read and compared together with all others of its shape (`mesh.py`), and
what breaches is judged as every target is, by what was read here. Whatever is not INACTIVE is due in the database, as
with other rules, and read here too.

What the sieve knows is in memory alone. A process that takes a shard looks at all of its sifted targets once, and so
does one that may have lost it in between.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import ConditionError, MetricLeaf
from alerts.core.due import Touched, is_sifted
from alerts.core.parse import parse_condition
from alerts.leases import IN_SHARDS, given, shard_of
from alerts.mesh import Look, Mesh, Places
from alerts.rules import RuleKey
from alerts.sources.base import Agent, Facts, Fault, Guard
from alerts.sources.metrics import reduction_of
from alerts.targets import Changed, News, TargetKey, agent_of, pairs_of, rule_of, wake_targets
from monitor.errors import SeriesDown
from monitor.ids import microseconds
from monitor.series.store import Answer, Reduction, SeriesStore

_METRIC, _SERIES = int(Touched.METRIC), int(Touched.SERIES)
_COLUMNS = "SELECT t.tenant_id, t.config_id, t.agent_id, c.conditions"
_RULE = "JOIN alert_configs c ON c.tenant_id = t.tenant_id AND c.id = t.config_id"
_CHANGED = "unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS changed (tenant_id, id)"
_OF_SHARDS = text(
    f"{_COLUMNS} FROM alert_targets t {_RULE} WHERE t.sifted AND {IN_SHARDS.format(tenant_id='t.tenant_id')}"
)
_OF_RULES = text(f"""
    {_COLUMNS} FROM {_CHANGED} JOIN alert_targets t ON t.tenant_id = changed.tenant_id AND t.config_id = changed.id
    {_RULE} WHERE t.sifted
""")
_OF_AGENTS = text(f"""
    {_COLUMNS} FROM {_CHANGED} JOIN alert_targets t ON t.tenant_id = changed.tenant_id AND t.agent_id = changed.id
    {_RULE} WHERE t.sifted
""")


@dataclass(slots=True)
class Sifted:
    """What one pass has looked at. `found`: targets that breach and are not due by themselves, at most so many."""

    looked: list[tuple[Mesh, Look]] = field(default_factory=list)
    found: dict[TargetKey, MetricLeaf] = field(default_factory=dict)
    more: bool = False
    """Whether more of them breach."""

    @property
    def targets(self) -> int:
        """How many were looked at."""
        return sum(len(look.places) for _, look in self.looked)


class Sieve:
    """The sifted targets of this process' shards."""

    def __init__(self, series: SeriesStore) -> None:
        """Knows nothing yet."""
        self._series = series
        self._shards: frozenset[int] = frozenset()
        self._until: datetime | None = None
        self._meshes: dict[Reduction, Mesh] = {}
        self._of: dict[TargetKey, Mesh] = {}
        self._agents: dict[Agent, int] = {}
        self._names: list[Agent] = []

    def holds(self, key: TargetKey, leaf: object) -> bool:
        """Whether a target is sifted, and by this leaf."""
        mesh = self._of.get(key)
        return mesh is not None and mesh.leaves[mesh.places[key]] == leaf

    def leave(self) -> None:
        """All shards are others' now."""
        self._until = None

    async def follow(
        self,
        connection: AsyncConnection,
        shards: frozenset[int],
        news: News,
        changed: Changed,
        *,
        now: datetime,
        until: datetime,
    ) -> None:
        """Know the targets of these shards, of rules and agents that have changed, and whose points have come. The
        shards are certainly this process' `until` then."""
        if self._until is None or now > self._until:
            self._shards = frozenset()
        self._until = until
        rules, agents, stay = set(changed.rules), set(changed.agents), self._shards & shards
        if stay != self._shards or rules or agents or not stay:
            self._forget(
                [
                    key
                    for key in self._of
                    if shard_of(key.tenant_id) not in stay or rule_of(key) in rules or agent_of(key) in agents
                ]
            )
        odd: list[TargetKey] = []
        for statement, parameters in (
            (_OF_SHARDS, {"shards": given(shards - stay)} if shards - stay else None),
            (_OF_RULES, pairs_of(rules) if rules else None),
            (_OF_AGENTS, pairs_of(agents) if agents else None),
        ):
            if parameters is not None:
                odd += self._add(await connection.execute(statement, parameters))
        self._shards = shards
        await wake_targets(connection, odd, now=now)
        self._hear(news, microseconds(now))

    async def sift(
        self, due: Iterable[TargetKey], facts: Facts, *, now: datetime, guard: Guard, at_most: int
    ) -> Sifted:
        """Look at whatever may have changed, and at what is `due` anyway: what was read of the latter and of what
        breaches goes into `facts`. `at_most`: how many that breach are to be judged at once."""
        asked: dict[Reduction, set[int]] = defaultdict(set)
        for key in due:
            if (mesh := self._of.get(key)) is not None:
                asked[mesh.reduction].add(mesh.places[key])
        wanted: dict[Reduction, Places] = {}
        for reduction, mesh in self._meshes.items():
            places = mesh.due(microseconds(now), asked[reduction])
            if len(places):
                wanted[reduction] = places
        sifted = Sifted()
        await self._select(wanted, facts, guard)
        for reduction, answer in (await self._read(wanted, facts, now=now, guard=guard)).items():
            mesh = self._meshes[reduction]
            look = mesh.look(wanted.pop(reduction), answer)
            self._judge(mesh, look, asked[reduction], sifted, facts, at_most)
        for reduction in wanted:
            mesh = self._meshes[reduction]
            facts.failed |= {(mesh.leaves[row], agent_of(mesh.keys[row])) for row in asked[reduction]}
        return sifted

    def settle(self, sifted: Sifted, *, now: datetime, interval: timedelta) -> None:
        """What a pass has looked at was saved."""
        for mesh, look in sifted.looked:
            mesh.settle(look, microseconds(now), interval)

    @staticmethod
    def _judge(mesh: Mesh, look: Look, asked: Collection[int], sifted: Sifted, facts: Facts, at_most: int) -> None:
        """What breaches, and what was asked for, is to be judged one by one."""
        asked_for = np.isin(look.places, np.fromiter(asked, np.int64, len(asked)))
        new = np.flatnonzero(look.breached & ~asked_for)
        room = max(0, at_most - len(sifted.found))
        sifted.more |= len(new) > room
        for row in [*new[:room].tolist(), *np.flatnonzero(asked_for).tolist()]:
            place = int(look.places[row])
            key, leaf, reading = mesh.keys[place], mesh.leaves[place], look.reading(row)
            facts.sets[leaf, agent_of(key)] = {(): reading} if reading else {}
            if not asked_for[row]:
                sifted.found[key] = leaf
        sifted.looked.append((mesh, look.without(new[room:])))

    async def _select(self, wanted: Mapping[Reduction, Places], facts: Facts, guard: Guard) -> None:
        """Find the series that are not known yet."""
        for reduction in wanted:
            mesh = self._meshes[reduction]
            if mesh.unselected:
                by_tenant: dict[UUID, list[UUID]] = defaultdict(list)
                for tenant_id, agent_id in mesh.unselected:
                    by_tenant[tenant_id].append(agent_id)
                with guard(f"finding the series of {reduction}") as fault:
                    mesh.select(await self._series.select(reduction, by_tenant))
                if isinstance(fault.error, SeriesDown):
                    facts.history_failed |= set(by_tenant)

    async def _read(
        self, wanted: Mapping[Reduction, Places], facts: Facts, *, now: datetime, guard: Guard
    ) -> dict[Reduction, Answer]:
        """All at once; one by one where that cannot be done. What could not be read is absent."""
        chosen = {
            reduction: self._meshes[reduction].selected(places)
            for reduction, places in wanted.items()
            if not self._meshes[reduction].unselected
        }
        answers: dict[Reduction, Answer] = {}

        async def read(several: Sequence[Reduction]) -> Fault:
            tenants = set[UUID]().union(*(self._meshes[one].tenants(wanted[one]) for one in several))
            with guard(f"reading {len(several)} shapes of metrics") as fault:
                asked = [(one, chosen[one]) for one in several]
                answers.update(zip(several, await self._series.read(asked, now=now), strict=True))
                facts.history_read |= tenants
            if isinstance(fault.error, SeriesDown):
                facts.history_failed |= tenants
            return fault

        fault = await read(list(chosen)) if chosen else Fault()
        if fault.error is not None and not isinstance(fault.error, SeriesDown):
            for reduction in chosen:
                await read([reduction])
        return answers

    def _hear(self, news: News, now_us: int) -> None:
        """Whose points have come, and who has a new series."""
        touched, renewed = np.zeros(len(self._names), np.bool_), np.zeros(len(self._names), np.bool_)
        for agent, kinds in news.items():
            number = self._agents.get(agent)
            if number is not None:
                touched[number] = kinds & _METRIC
                renewed[number] = kinds & _SERIES
        if touched.any() or renewed.any():
            for mesh in self._meshes.values():
                mesh.touch(touched, now_us)
                mesh.unselect(renewed, self._names)

    def _add(self, rows: Iterable[Any]) -> list[TargetKey]:
        """Take targets up, each to be looked at as soon as possible. Returns those whose rule cannot be read."""
        leaves: dict[RuleKey, MetricLeaf | None] = {}
        made: dict[Reduction, dict[TargetKey, MetricLeaf]] = defaultdict(dict)
        odd: list[TargetKey] = []
        for row in rows:
            key, rule = TargetKey(row.tenant_id, row.config_id, row.agent_id), (row.tenant_id, row.config_id)
            if rule not in leaves:
                leaves[rule] = _leaf_of(row.conditions)
            if (leaf := leaves[rule]) is None:
                odd.append(key)
            elif key not in self._of:
                made[reduction_of(leaf)][key] = leaf
        for reduction, targets in made.items():
            mesh = self._meshes.setdefault(reduction, Mesh(reduction))
            for key in targets:
                self._of[key] = mesh
                if agent_of(key) not in self._agents:
                    self._agents[agent_of(key)] = len(self._names)
                    self._names.append(agent_of(key))
            mesh.add(targets, self._agents)
        return odd

    def _forget(self, gone: Collection[TargetKey]) -> None:
        if not gone:
            return
        by_mesh: dict[Reduction, list[TargetKey]] = defaultdict(list)
        for key in gone:
            by_mesh[self._of.pop(key).reduction].append(key)
        for reduction, keys in by_mesh.items():
            self._meshes[reduction].drop(keys)
            if not self._meshes[reduction].keys:
                del self._meshes[reduction]


def _leaf_of(conditions: object) -> MetricLeaf | None:
    try:
        made = parse_condition(conditions)
    except ConditionError:
        return None
    return made if isinstance(made, MetricLeaf) and is_sifted(made) else None
