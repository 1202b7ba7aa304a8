"""A tenant with a row in every table, and a word in each of them that nobody else may ever see.

A module for each slice, whose `rows` are inserted in the order in which the slices stand here.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, insert, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.tables import Agent
from monitor.db import Database
from monitor.identity.tables import ApiKey, Tenant
from monitor.principal import Scope
from sql.models import metadata
from tests.factories import make_agent, make_key, make_tenant
from tests.http.furnished import (
    alerting,
    conversations,
    identity,
    imports,
    insight,
    knowledge,
    regions,
    retention,
    runs,
    subjects,
    telemetry,
    tools,
    usage,
)
from tests.http.furnished.made import Furnished

_SLICES = (
    identity,
    telemetry,
    runs,
    usage,
    regions,
    insight,
    conversations,
    knowledge,
    tools,
    alerting,
    imports,
    retention,
    subjects,
)

PLATFORMS = {"subscription_plans", "replication_status", "cross_region_sync_logs", "regions"}
"""Tables whose rows are the platform's alone."""
TABLES = sorted(
    name for name, table in metadata.tables.items() if "tenant_id" in table.columns and name not in PLATFORMS
)
"""Those that have tenants."""


async def furnish(db: Database, word: str) -> Furnished:
    """Make the tenant and fill every table that has tenants."""
    tenant = await make_tenant(db, slug=f"{word}-tenant")
    agent = f"{word}-agent"
    agent_id = await make_agent(db, tenant.id, agent, tags={word: word})
    # Both tenants have an agent of this name: whose it is depends on the key alone.
    await make_agent(db, tenant.id, "shared-name")
    spare_key_id, _text = await make_key(db, tenant.id, scopes=(Scope.READ,))
    made = Furnished(tenant, word, agent_id, agent, {}, spare_key_id)
    async with db.owner() as owner:
        await owner.execute(text("SELECT set_config('app.current_tenant_id', :id, true)"), {"id": str(tenant.id)})
        now = datetime.now(UTC)
        for one in _SLICES:
            for name, values in one.rows(made, now).items():
                await _insert(owner, made, metadata.tables[name], values)
        privacy = {"patterns": [{"name": word, "pattern": f"never-{word}"}]}
        fallback = (
            update(Tenant)
            .where(Tenant.id == tenant.id)
            .values(fallback_channel={"email": f"{word}@example.com"}, settings={"privacy": privacy})
        )
        await owner.execute(fallback)
        # Keys that were used just now: using them again within a minute writes nothing down.
        await owner.execute(update(ApiKey).where(ApiKey.tenant_id == tenant.id).values(last_used_at=now))
        called = update(Agent).where(Agent.tenant_id == tenant.id, Agent.id == agent_id)
        await owner.execute(called.values(webhook_url=f"https://{word}.example.com/run", schedule="0 * * * *"))
    return made


async def _insert(owner: AsyncConnection, made: Furnished, table: Table, values: dict[str, Any]) -> None:
    row: dict[str, Any] = {"tenant_id": made.tenant.id} if "tenant_id" in table.columns else {}
    if "agent_id" in table.columns:
        row["agent_id"] = made.agent_id
    await owner.execute(insert(table).values(row | values))


async def rows_of(db: Database, tenant_id: UUID) -> dict[str, list[str]]:
    """Everything a tenant has, as text: the same before and after means that nothing was changed."""
    found: dict[str, list[str]] = {}
    async with db.owner() as owner:
        await owner.execute(text("SELECT set_config('app.current_tenant_id', :id, true)"), {"id": str(tenant_id)})
        for name in [*TABLES, "tenants"]:
            column = "id" if name == "tenants" else "tenant_id"
            query = text(f"SELECT x::text FROM {name} x WHERE {column} = :id ORDER BY 1")
            found[name] = list((await owner.execute(query, {"id": tenant_id})).scalars())
    return found
