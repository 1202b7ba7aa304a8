"""Test data: tenants, keys and agents, made by the product's own code."""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import insert

from monitor.agents.tables import Agent, AgentLive
from monitor.db import Database
from monitor.identity import keys, store
from monitor.ids import uuid7
from monitor.principal import Principal, Scope, TenantStatus

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class TenantMade:
    """A tenant with an owner and a key of every scope."""

    id: UUID
    slug: str
    user_id: UUID
    key_id: UUID
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """Authorization for its key."""
        return {"Authorization": f"Bearer {self.key}"}

    @property
    def principal(self) -> Principal:
        """What its key authenticates as."""
        return Principal(
            tenant_id=self.id,
            tenant_status=TenantStatus.ACTIVE,
            scopes=frozenset({Scope.ADMIN}),
            key_id=self.key_id,
        )


async def make_tenant(db: Database, slug: str | None = None) -> TenantMade:
    """A tenant, its owner and its key."""
    slug = slug or f"tenant-{next(_numbers)}"
    now = datetime.now(UTC)
    async with db.owner() as owner:
        tenant_id = await store.insert_tenant(owner, slug=slug, name=slug.title(), now=now)
        user_id = await store.insert_member(owner, tenant_id, email=f"owner@{slug}.example", role="owner", now=now)
    made = await make_key(db, tenant_id, scopes=(Scope.ADMIN,))
    return TenantMade(tenant_id, slug, user_id, made[0], made[1])


async def make_key(
    db: Database, tenant_id: UUID, *, scopes: tuple[str, ...], agent_id: UUID | None = None
) -> tuple[UUID, str]:
    """A key: its id and its text."""
    key = keys.generate()
    async with db.tenant(tenant_id) as connection:
        row = await store.insert_key(
            connection, tenant_id, key=key, name="test", scopes=scopes, now=datetime.now(UTC), agent_id=agent_id
        )
    return row.id, key.text


async def make_agent(
    db: Database,
    tenant_id: UUID,
    external_id: str = "akira-001",
    *,
    agent_type: str = "coder",
    tags: dict[str, str] | None = None,
) -> UUID:
    """An agent with its live row."""
    agent_id = uuid7(datetime.now(UTC))
    async with db.tenant(tenant_id) as connection:
        await connection.execute(
            insert(Agent).values(
                tenant_id=tenant_id,
                id=agent_id,
                external_id=external_id,
                name=external_id,
                agent_type=agent_type,
                tags=tags or {},
                ping_token=f"token-{agent_id}",
            )
        )
        await connection.execute(insert(AgentLive).values(tenant_id=tenant_id, agent_id=agent_id))
    return agent_id
