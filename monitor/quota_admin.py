"""What the commands about plans and quotas do, against the database of the settings."""

from decimal import Decimal
from typing import Any

from sqlalchemy import update

from monitor import administration, clock, compose
from monitor.audit.store import Recorder
from monitor.errors import InvalidInput, NotFound
from monitor.identity.store import TenantRow
from monitor.identity.tables import Tenant
from monitor.principal import Principal, Scope, TenantStatus
from monitor.settings import Settings
from monitor.usage import plans, quotas
from monitor.usage.plans import SLUGS, PlanRow
from monitor.usage.quota import Standing
from monitor.usage.quota_tables import PlanSource, Resource


async def list_plans(settings: Settings) -> list[PlanRow]:
    """The plans there are."""
    async with compose.database(settings) as db, db.owner() as owner:
        return await plans.list_plans(owner)


async def import_plans(settings: Settings, document: str) -> int:
    """Keep the plans of a TOML document; how many are new or changed. Raises InvalidInput for a fault."""
    listed = plans.parse(document)
    async with compose.database(settings) as db, db.owner() as owner:
        return await plans.put_plans(owner, listed, source=PlanSource.IMPORTED)


async def give_plan(settings: Settings, slug: str, plan: str) -> None:
    """Give a tenant another plan. Raises InvalidInput and NotFound."""
    if plan not in SLUGS:
        raise InvalidInput(f"one of {', '.join(SLUGS)} is expected", path="plan")
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await administration.tenant_of(owner, slug)
        await owner.execute(update(Tenant).where(Tenant.id == tenant.id).values(plan=plan))
        await _record(owner, tenant, "tenant.plan_changed", ("tenant", str(tenant.id)), {"plan": plan})


async def list_quotas(settings: Settings, slug: str) -> list[Standing]:
    """How a tenant's quotas stand."""
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await administration.tenant_of(owner, slug)
        return await quotas.standings(owner, tenant.id, now=clock.now())


async def set_quota(
    settings: Settings, slug: str, resource: Resource, *, limit: int | None, enforced: bool, warn_at: Decimal
) -> None:
    """Give a tenant a quota of its own. Raises NotFound, and InvalidInput for an amount that cannot be."""
    values = {"limit_amount": limit, "enforced": enforced, "warn_at": warn_at}
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await administration.tenant_of(owner, slug)
        await quotas.set_quota(owner, tenant.id, resource, values)
        new = values | {"warn_at": str(warn_at)}
        await _record(owner, tenant, "quota.changed", ("quota", str(resource)), new)


async def clear_quota(settings: Settings, slug: str, resource: Resource) -> None:
    """Take a tenant's own quota away. Raises NotFound where there is none."""
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await administration.tenant_of(owner, slug)
        if not await quotas.delete_quota(owner, tenant.id, resource):
            raise NotFound(f"the tenant {slug!r} has no quota of its own for {resource}")
        await _record(owner, tenant, "quota.deleted", ("quota", str(resource)), None)


async def _record(owner: Any, tenant: TenantRow, action: str, resource: tuple[str, str], new: Any) -> None:
    system = Principal(tenant_id=tenant.id, tenant_status=TenantStatus.ACTIVE, scopes=frozenset({Scope.ADMIN}))
    await Recorder(clock.now)(owner, system, action, resource=resource, new=new)
