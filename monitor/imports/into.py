"""Where rows go: a tenant, what is known in it already, and how a batch of a source's table is written."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
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
    `source`: what the database that is read is called here.

    `agents`: ids by external id; `by_name`: by display name, the first of a name.

    Of documents that have tenants of their own: `tenants` that are here under the same id, `users` by the source's id
    (one address is one user), `homes`: the tenant of each agent. `tenant_id` is whose everything is that has none.
    `slugs`: those that are taken; `types`: agent types' slugs; `members`: users who belong to a tenant; `rules`: the
    tenant and name of each.
    """

    db: Database
    series: SeriesStore
    tenant_id: UUID
    now: datetime
    zone: tzinfo
    dry: bool = False
    source: str = ""
    agents: dict[str, UUID] = field(default_factory=dict)
    by_name: dict[str, UUID] = field(default_factory=dict)
    tenants: set[UUID] = field(default_factory=set)
    users: dict[UUID, UUID] = field(default_factory=dict)
    homes: dict[UUID, UUID] = field(default_factory=dict)
    slugs: set[str] = field(default_factory=set)
    types: dict[UUID | None, str] = field(default_factory=dict)
    members: set[UUID] = field(default_factory=set)
    rules: dict[UUID, tuple[UUID, str]] = field(default_factory=dict)
    _covered: set[tuple[str, datetime]] = field(default_factory=set)

    def of(self, tenant_id: UUID) -> "Into":
        """The same with another tenant; what is known is known to both."""
        return replace(self, tenant_id=tenant_id)

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


async def known(into: Into, _source: object) -> None:
    """Learn which agents there are; of documents without tenants that is all."""
    await into.look()
