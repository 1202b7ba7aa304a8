"""Where rows go: a tenant, and what is known in it already."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Any
from uuid import UUID

from sqlalchemy import select

from monitor import partitions
from monitor.agents.tables import Agent
from monitor.db import Database
from monitor.sealing import Ring
from monitor.series.store import SeriesStore


@dataclass(slots=True)
class Shelf:
    """A collection of knowledge: whose it is, and of which dimensions its vectors are, if there are any."""

    tenant_id: UUID
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """An MCP server: who it belongs to, its slug and the schema of its configurations."""

    tenant_ids: frozenset[UUID]
    slug: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """A rule that is here. `judges`: whether it is switched on and can be read."""

    tenant_id: UUID
    name: str
    judges: bool


@dataclass(slots=True)
class Into:
    """A tenant that something is brought into. `zone`: of times that say none. `dry`: nothing is written.
    `source`: what the database that is read is called here.

    `agents`: ids by external id; `by_name`: by display name, the first of a name.

    Of documents that have tenants of their own: `tenants` that are here under the same id, `users` by the source's id
    (one address is one user), `homes`: the tenant of each agent, `called`: tenants with external ids that agents of
    theirs have. `tenant_id` is whose everything is that has none. `slugs`: those that are taken, `usernames`: by whom;
    `types`: agent types' slugs; `members`: users who belong to a tenant; `rules`: those that are here; `judged`: open
    alerts that their rules go on judging.

    Of knowledge: `collections`, and the collection of each of `documents`. Of tools: `servers` by the source's id,
    `known_servers`: by tenant and slug, `users_of`: tenants that have a configuration of one, and `configured`: the
    configuration of a tenant and a server. `ring` seals secrets.
    """

    db: Database
    series: SeriesStore
    tenant_id: UUID
    now: datetime
    zone: tzinfo
    dry: bool = False
    source: str = ""
    ring: Ring = field(default_factory=lambda: Ring(()))
    agents: dict[str, UUID] = field(default_factory=dict)
    by_name: dict[str, UUID] = field(default_factory=dict)
    tenants: set[UUID] = field(default_factory=set)
    users: dict[UUID, UUID] = field(default_factory=dict)
    homes: dict[UUID, UUID] = field(default_factory=dict)
    called: set[tuple[UUID, str]] = field(default_factory=set)
    usernames: dict[str, UUID] = field(default_factory=dict)
    slugs: set[str] = field(default_factory=set)
    types: dict[UUID | None, str] = field(default_factory=dict)
    members: set[UUID] = field(default_factory=set)
    rules: dict[UUID, Known] = field(default_factory=dict)
    judged: set[UUID] = field(default_factory=set)
    collections: dict[UUID, Shelf] = field(default_factory=dict)
    documents: dict[UUID, UUID] = field(default_factory=dict)
    servers: dict[UUID, Server] = field(default_factory=dict)
    known_servers: dict[tuple[UUID, str], UUID] = field(default_factory=dict)
    users_of: dict[UUID, set[UUID]] = field(default_factory=dict)
    configured: dict[tuple[UUID, UUID], UUID] = field(default_factory=dict)
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
