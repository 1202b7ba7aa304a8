"""From the names that payloads use to agents: remembered, looked up, or registered by their first message."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.room import find_room
from monitor.agents.tables import Agent, AgentLive, Touched
from monitor.db import Database
from monitor.ids import microseconds, uuid7
from monitor.signals import Touch

CACHE_SIZE = 100_000
# An agent that was deleted or erased is noticed after this long.
CACHE_US = 5_000_000
TOKEN_BYTES = 24
# Agents read again in one statement at most.
TOGETHER = 5_000
UNKNOWN = "there is no such agent"

_POLICY = text("SELECT auto_register FROM tenants WHERE id = :tenant_id")


@dataclass(slots=True)
class AgentRef:
    """An agent as ingest knows it. `seen_us`: when its `last_seen_at` was last written, by this process. `series`: the
    ids of the series that its executions make, by metric, as far as they are known."""

    id: UUID
    external_id: str
    read_us: int
    seen_us: int = 0
    series: dict[str, int] = field(default_factory=dict)


Resolved = AgentRef | str
"""The agent, or why its rows are refused."""


class Registry:
    """Names to agents, for every tenant. One for each process."""

    def __init__(self, db: Database, *, allow_registration: bool = True, size: int = CACHE_SIZE) -> None:
        """`allow_registration` False: only agents made by people are known, whatever the tenant says."""
        self._db = db
        self._allow = allow_registration
        self._size = size
        self._known: dict[UUID, dict[str, AgentRef]] = {}
        self._count = 0
        self._refreshing: set[UUID] = set()

    async def resolve(
        self, tenant_id: UUID, names: Collection[str], *, now: datetime, register: bool = True
    ) -> dict[str, Resolved]:
        """Each name's agent, or the reason why there is none. Unknown ones are registered in one transaction.

        `register` False: an unknown name is not registered, as for a key that is bound to one agent.
        """
        now_us = microseconds(now)
        known = self._known.get(tenant_id, {})
        answer: dict[str, Resolved] = {}
        missing: list[str] = []
        # While somebody reads a tenant's agents again, others go on with what is known, for as long again.
        patience = 2 * CACHE_US if tenant_id in self._refreshing else CACHE_US
        for name in names:
            ref = known.get(name)
            if ref is not None and now_us - ref.read_us < patience:
                answer[name] = ref
            else:
                missing.append(name)
        if missing:
            found = await self._refresh(tenant_id, missing, now, register=register)
            answer |= {name: found[name] for name in missing}
        return answer

    async def _refresh(
        self, tenant_id: UUID, missing: Sequence[str], now: datetime, *, register: bool
    ) -> dict[str, Resolved]:
        """Look up what is missing, and with it what will be soon: one read for a tenant, not one for each agent."""
        if tenant_id in self._refreshing:
            return await self._look_up(tenant_id, sorted(missing), now, register=register)
        old = microseconds(now) - CACHE_US // 2
        aging = [name for name, ref in self._known.get(tenant_id, {}).items() if ref.read_us < old]
        self._refreshing.add(tenant_id)
        try:
            # Those that are known exist: registering them again cannot come about unless they were erased.
            found = await self._look_up(tenant_id, sorted({*missing, *aging[:TOGETHER]}), now, register=False)
            new = [name for name in missing if found[name] == UNKNOWN]
            if new and register:
                found |= await self._look_up(tenant_id, sorted(new), now, register=True)
        finally:
            self._refreshing.discard(tenant_id)
        return found

    async def _look_up(
        self, tenant_id: UUID, names: Sequence[str], now: datetime, *, register: bool
    ) -> dict[str, Resolved]:
        async with self._db.tenant(tenant_id) as connection:
            found = await self._read(connection, tenant_id, names, now)
            unknown = [name for name in names if name not in found]
            if unknown and register:
                refused, allowed = await self._judge(connection, tenant_id, unknown)
                # Some may have been registered while we waited for our turn to count.
                found |= refused | await self._read(connection, tenant_id, list(refused), now)
                if allowed:
                    await _insert(connection, tenant_id, allowed, now)
                    found |= await self._read(connection, tenant_id, allowed, now)
            elif unknown:
                for name in unknown:
                    self._forget(tenant_id, name)
                found |= dict.fromkeys(unknown, UNKNOWN)
        return found

    async def _read(
        self, connection: AsyncConnection, tenant_id: UUID, names: Sequence[str], now: datetime
    ) -> dict[str, Resolved]:
        query = (
            select(Agent.id, Agent.external_id, Agent.deleted_at, AgentLive.agent_id.label("live"))
            .outerjoin(AgentLive, (AgentLive.tenant_id == Agent.tenant_id) & (AgentLive.agent_id == Agent.id))
            .where(Agent.external_id == func.any(list(names)))
            .order_by(Agent.id)
        )
        found: dict[str, Resolved] = {}
        bare: list[UUID] = []
        for row in await connection.execute(query):
            if row.deleted_at is not None:
                self._forget(tenant_id, row.external_id)
                found[row.external_id] = "the agent was deleted"
                continue
            if row.live is None:
                bare.append(row.id)
            found[row.external_id] = self._remember(tenant_id, AgentRef(row.id, row.external_id, microseconds(now)))
        if bare:
            await _insert_live(connection, tenant_id, bare)
        return found

    def _remember(self, tenant_id: UUID, ref: AgentRef) -> AgentRef:
        known = self._known.setdefault(tenant_id, {})
        before = known.get(ref.external_id)
        if before is not None and before.id == ref.id:
            before.read_us = ref.read_us
            return before
        if self._count >= self._size:
            self._known, self._count = {}, 0
            known = self._known.setdefault(tenant_id, {})
        self._count += ref.external_id not in known
        known[ref.external_id] = ref
        return ref

    def _forget(self, tenant_id: UUID, name: str) -> None:
        if self._known.get(tenant_id, {}).pop(name, None) is not None:
            self._count -= 1

    async def _judge(
        self, connection: AsyncConnection, tenant_id: UUID, names: Sequence[str]
    ) -> tuple[dict[str, Resolved], list[str]]:
        """Which unknown names may be registered: refusals by name, and the others."""
        policy = (await connection.execute(_POLICY, {"tenant_id": tenant_id})).one()
        if not (self._allow and policy.auto_register):
            return dict.fromkeys(names, "unknown agent, and this tenant does not let agents register themselves"), []
        room = await find_room(connection, tenant_id)
        if room is None:
            return {}, list(names)
        return dict.fromkeys(names[room.left :], room.refusal.message), list(names[: room.left])


async def _insert(connection: AsyncConnection, tenant_id: UUID, names: Sequence[str], now: datetime) -> None:
    """Register agents, in order of their names so that two collectors cannot deadlock, and tell the alerter."""
    rows = [
        {
            "tenant_id": tenant_id,
            "id": uuid7(now),
            "external_id": name,
            "name": name,
            "ping_token": secrets.token_urlsafe(TOKEN_BYTES),
        }
        for name in names
    ]
    # Another collector may register the same ones at this moment: whoever comes second waits here, then finds them.
    made = upsert(Agent).on_conflict_do_nothing(index_elements=["tenant_id", "external_id"]).returning(Agent.id)
    ids = list((await connection.execute(made, rows)).scalars())
    if not ids:
        return
    await _insert_live(connection, tenant_id, ids)
    news = insert(Touched).values(tenant_id=tenant_id, agent_ids=ids, kinds=[int(Touch.AGENT)] * len(ids))
    await connection.execute(news)


async def _insert_live(connection: AsyncConnection, tenant_id: UUID, ids: Sequence[UUID]) -> None:
    rows = [{"tenant_id": tenant_id, "agent_id": agent_id} for agent_id in sorted(ids)]
    await connection.execute(upsert(AgentLive).on_conflict_do_nothing(), rows)
