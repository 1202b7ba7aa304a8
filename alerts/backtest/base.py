"""What reading a past is given and gives: whose, over what time, and the tracks that come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause

from alerts.backtest.tracks import Int, Track
from alerts.core.condition import Leaf
from alerts.core.labels import Labels
from monitor.db import Database
from monitor.errors import InvalidInput
from monitor.series.store import SeriesStore

ROWS_AT_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class LateRow:
    """What an agent told late. `felt`: how long it may change what is read, once it has come."""

    agent: str
    happened: datetime
    received: datetime
    felt: timedelta


@dataclass(slots=True)
class History:
    """Tracks by agent and leaf, and in sentences what they cannot tell."""

    tracks: dict[UUID, dict[Leaf, dict[Labels, Track] | None]] = field(default_factory=dict)
    differs: list[str] = field(default_factory=list)
    late: dict[UUID, "LateRow"] = field(default_factory=dict)
    """Executions and lines that came later than a tick after they happened, by their ids."""
    others_us: dict[UUID, Int] = field(default_factory=dict)
    """When points came of metrics that the rule does not read."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The past of some agents of a tenant, by their ids with their names, from `start` to `end`.

    `tick`: the distance of two ticks of the replay that it is for.
    """

    db: Database
    series: SeriesStore
    tenant_id: UUID
    agents: Mapping[UUID, str]
    start: datetime
    end: datetime
    tick: timedelta
    history: History

    async def rows(self, statement: TextClause, given: Mapping[str, Any]) -> Sequence[Any]:
        """What a statement finds, with the tenant, the agents and `at_most` given. Raises InvalidInput for too much."""
        named = {"tenant_id": self.tenant_id, "agents": list(self.agents), "at_most": ROWS_AT_MOST + 1}
        wanted = {name: value for name, value in (named | dict(given)).items() if name in statement.compile().params}
        async with self.db.tenant(self.tenant_id) as connection:
            found = (await connection.execute(statement, wanted)).all()
        if len(found) > ROWS_AT_MOST:
            raise InvalidInput(f"there are more than {ROWS_AT_MOST:,} rows: take a shorter time", path="since")
        return found

    def put(self, agent: UUID, leaf: Leaf, track: Track, labels: Labels = ()) -> None:
        """The track of a leaf for one label set of an agent."""
        sets = self.history.tracks[agent].setdefault(leaf, {})
        if sets is not None:
            sets[labels] = track

    def nothing(self, leaf: Leaf) -> None:
        """No agent has a label set yet."""
        for agent in self.agents:
            self.history.tracks[agent][leaf] = {}

    def differs(self, said: str) -> None:
        """Say, once, what a replay tells otherwise than the alerter did."""
        if said not in self.history.differs:
            self.history.differs.append(said)
