"""Where rows go: a tenant, what is known in it already, and how a batch of a source's table is written."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from uuid import UUID

from sqlalchemy import select

from monitor import partitions
from monitor.agents.tables import Agent
from monitor.db import Database
from monitor.imports import mend
from monitor.imports.report import Report
from monitor.imports.source import Row
from monitor.imports.writing import Writing
from monitor.series.store import SeriesStore


@dataclass(slots=True)
class Into:
    """A tenant that something is brought into. `zone`: of times that say none. `dry`: nothing is written.

    `agents`: ids by external id; `by_name`: by display name, the first of a name.
    """

    db: Database
    series: SeriesStore
    tenant_id: UUID
    now: datetime
    zone: tzinfo
    dry: bool = False
    agents: dict[str, UUID] = field(default_factory=dict)
    by_name: dict[str, UUID] = field(default_factory=dict)
    _covered: set[tuple[str, datetime]] = field(default_factory=set)

    async def look(self) -> None:
        """Learn which agents there are."""
        query = select(Agent.id, Agent.external_id, Agent.name).where(Agent.tenant_id == self.tenant_id)
        async with self.db.owner() as owner:
            for row in await owner.execute(query.order_by(Agent.id)):
                self.knows(row.id, row.external_id, row.name)

    def knows(self, agent_id: UUID, external_id: str, name: str) -> None:
        """An agent is there."""
        self.agents[external_id] = agent_id
        self.by_name.setdefault(name, agent_id)

    async def cover(self, tables: Collection[str], times: Iterable[datetime]) -> None:
        """See that there are partitions for rows of these times, however long ago that is."""
        if self.dry:
            return
        for layout in partitions.LAYOUTS:
            if layout.table not in tables:
                continue
            starts = {partitions.floor(at, layout.span) for at in times}
            for start in sorted(starts - {at for table, at in self._covered if table == layout.table}):
                await partitions.cover(self.db, [layout.table], start)
                self._covered.add((layout.table, start))


Take = Callable[[Into, list[Row], Report], Awaitable[Writing]]
"""Judges a batch: notes what is left out or otherwise, counts what is kept, and says how that is written."""


@dataclass(frozen=True, slots=True)
class Step:
    """One table of a document. `key`: unique columns in whose order it is read, or else `order`, SQL for a text."""

    table: str
    key: tuple[str, ...]
    take: Take
    order: str | None = None


def mended(row: Row, into: Into, report: Report, key: str) -> Row:
    """The row with its values put right; what was wrong is noted once a row."""
    made, faults = mend.value(row, into.zone)
    for fault in dict.fromkeys(faults):
        report.note(fault, key)
    values: Row = made
    return values
