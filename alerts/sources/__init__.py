"""What rules read: one statement for all targets that read the same shape, turned into readings by leaf.

One file for each kind of read. A new kind of leaf is read by one more file and one line in SOURCES.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from alerts.core.condition import (
    AnomalyLeaf,
    BudgetLeaf,
    BurnRateLeaf,
    CompareLeaf,
    DurationLeaf,
    ErrorGroupLeaf,
    HeartbeatLeaf,
    Leaf,
    LogLeaf,
    MetricLeaf,
    RateLeaf,
    RepeatCallLeaf,
    ScheduleLeaf,
    StateLeaf,
    StatusLeaf,
)
from alerts.sources import (
    anomalies,
    budgets,
    durations,
    errors,
    lines,
    live,
    metrics,
    rates,
    repeats,
    schedules,
    state,
    versions,
)
from alerts.sources.base import Agent, Batch, Facts, Guard, Memory, Shape, Source
from monitor.db import Database
from monitor.errors import SeriesDown
from monitor.series.store import SeriesStore

SOURCES: Final[Mapping[type[Leaf], Source]] = {
    StatusLeaf: live.SOURCE,
    HeartbeatLeaf: live.SOURCE,
    ScheduleLeaf: schedules.SOURCE,
    RateLeaf: rates.SOURCE,
    LogLeaf: lines.SOURCE,
    MetricLeaf: metrics.SOURCE,
    DurationLeaf: durations.SOURCE,
    BudgetLeaf: budgets.SOURCE,
    BurnRateLeaf: rates.BURNS,
    RepeatCallLeaf: repeats.SOURCE,
    AnomalyLeaf: anomalies.SOURCE,
    ErrorGroupLeaf: errors.SOURCE,
    CompareLeaf: versions.SOURCE,
    StateLeaf: state.SOURCE,
}


class Sources:
    """Reads facts. A failed read spoils its own group and nothing else."""

    def __init__(self, db: Database, series: SeriesStore) -> None:
        self._db = db
        self._series = series
        self._memory = Memory()

    async def read(self, wanted: Mapping[Leaf, Sequence[Agent]], *, now: datetime, guard: Guard) -> Facts:
        """Read every leaf for its agents, over windows that end at `now`. `guard` keeps a fault in its group."""
        facts = Facts()
        shapes: dict[Shape, list[Leaf]] = defaultdict(list)
        for leaf in wanted:
            shapes[SOURCES[type(leaf)].shape(leaf)].append(leaf)
        for leaves in shapes.values():
            source = SOURCES[type(leaves[0])]
            batch = Batch(leaves[0], _by_agent(leaves, wanted), now, self._db, self._series, facts, self._memory)
            with guard(f"reading {leaves[0]}") as fault:
                await source.read(batch)
                if source.history:
                    facts.history_read |= batch.by_tenant.keys()
            if fault.error is not None:
                facts.failed |= {(leaf, agent) for leaf in leaves for agent in wanted[leaf]}
                if isinstance(fault.error, SeriesDown):
                    facts.history_failed |= {tenant for leaf in leaves for tenant, _ in wanted[leaf]}
        return facts


def _by_agent(leaves: Sequence[Leaf], wanted: Mapping[Leaf, Sequence[Agent]]) -> dict[Agent, list[Leaf]]:
    by_agent: dict[Agent, list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        for agent in dict.fromkeys(wanted[leaf]):
            by_agent[agent].append(leaf)
    return by_agent
