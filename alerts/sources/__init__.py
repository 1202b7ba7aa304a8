"""What rules read: one statement for all targets that read the same shape, turned into readings by leaf.

One file for each kind of read. A new kind of leaf is read by one more file and one line in SOURCES.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from alerts.core.condition import (
    HeartbeatLeaf,
    Leaf,
    LogLeaf,
    MetricLeaf,
    RateLeaf,
    ScheduleLeaf,
    StatusLeaf,
)
from alerts.sources import lines, live, metrics, rates, schedules
from alerts.sources.base import Agent, Batch, Facts, Guard, Shape, Source
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
}


class Sources:
    """Reads facts. A failed read spoils its own group and nothing else."""

    def __init__(self, db: Database, series: SeriesStore) -> None:
        self._db = db
        self._series = series

    async def read(self, wanted: Mapping[Leaf, Sequence[Agent]], *, now: datetime, guard: Guard) -> Facts:
        """Read every leaf for its agents, over windows that end at `now`. `guard` keeps a fault in its group."""
        facts = Facts()
        shapes: dict[Shape, list[Leaf]] = defaultdict(list)
        for leaf, agents in wanted.items():
            if type(leaf) not in SOURCES:
                facts.failed |= {(leaf, agent) for agent in agents}
                continue
            shapes[SOURCES[type(leaf)].shape(leaf)].append(leaf)
        for leaves in shapes.values():
            source = SOURCES[type(leaves[0])]
            batch = Batch(leaves[0], _by_agent(leaves, wanted), now, self._db, self._series, facts)
            with guard(f"reading {leaves[0]}") as fault:
                await source.read(batch)
                facts.history_read |= source.history
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
