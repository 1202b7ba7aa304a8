"""What the administrative commands do, against the database of the settings."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import clock, compose, firsttime, partitions, pgroles, purging, resealing, seeding
from monitor.agents.store import get_agent
from monitor.audit.store import Recorder
from monitor.db import Database, Role
from monitor.errors import NotFound
from monitor.http.problems import uuid_of
from monitor.identity import keys, store
from monitor.identity.links import Links
from monitor.identity.store import KeyRow, MemberRow, TenantRow
from monitor.ids import PLATFORM_TENANT
from monitor.imports.report import Report
from monitor.imports.running import Import
from monitor.maintenance import work
from monitor.maintenance.planning import Measures, Work
from monitor.maintenance.work import Outcome
from monitor.partitions import Plan
from monitor.principal import Principal, Scope, TenantStatus
from monitor.retention import sweep
from monitor.retention.limits import load
from monitor.sealing import Ring
from monitor.series import choice
from monitor.series.retention import retention_of
from monitor.settings import Settings
from monitor.usage import plans, prices
from monitor.usage.prices import PriceRow
from monitor.usage.tables import PriceSource
from sql import migrate as revisions

_ALL = 100_000
"""More prices than anybody has."""


async def migrate(settings: Settings, *, check: bool, wait: float) -> tuple[str | None, str | None]:
    """The revision before and the newest one; upgrades unless `check`. Waits up to `wait` seconds.

    With the URL of a superuser it makes the login roles and the database first, as the other URLs name them.
    """
    if settings.database_admin_url and not check:
        admin, urls = settings.database_admin_url, _login_urls(settings)
        await revisions.wait_for(lambda: pgroles.furnish(admin, urls), timeout=wait)
    async with compose.database(settings) as db:
        await revisions.wait_for(lambda: _log_in(db), timeout=wait)
        before, newest = await revisions.current(db)
        if not check:
            await revisions.upgrade(db)
            await partitions.apply(db, clock.now(), retention=retention_of(settings))
            await prices.load_shipped(db)
            await plans.load_shipped(db)
            await revisions.wait_for(lambda: choice.prepare(settings), timeout=wait)
        return before, newest


async def import_prices(settings: Settings, document: str, *, tenant: str | None) -> int:
    """Keep prices for everybody, or for one tenant; how many are new or changed. Raises InvalidInput for a fault."""
    listed = prices.parse(document)
    async with compose.database(settings) as db, db.owner() as owner:
        whose = PLATFORM_TENANT if tenant is None else (await tenant_of(owner, tenant)).id
        source = PriceSource.IMPORTED if tenant is None else PriceSource.TENANT
        changed, _ = await prices.replace_prices(owner, whose, listed, source=source, whole=False)
    return changed


async def list_prices(settings: Settings, *, tenant: str | None, search: str | None) -> list[PriceRow]:
    """The prices for everybody, and a tenant's own, by model."""
    async with compose.database(settings) as db, db.owner() as owner:
        whose = PLATFORM_TENANT if tenant is None else (await tenant_of(owner, tenant)).id
        return list(await prices.list_prices(owner, whose, limit=_ALL, search=search))


async def reseal_secrets(settings: Settings) -> list[resealing.Report]:
    """Seal every secret with the newest key; what was done, by column. Raises ConfigError without keys."""
    async with compose.database(settings) as db:
        return await resealing.reseal(db, Ring(settings.secret_keys))


def _login_urls(settings: Settings) -> dict[str, str]:
    urls: dict[str, str] = {role.value: settings.role_url(role) for role in Role}
    others = {
        pgroles.GRAFANA: settings.database_grafana_url,
        pgroles.BACKUP: settings.database_backup_url,
        pgroles.OPERATOR: settings.database_operator_url,
    }
    return urls | {role: url for role, url in others.items() if url}


async def _log_in(db: Database) -> None:
    async with db.owner() as connection:
        await connection.execute(text("SELECT 1"))


async def seed(settings: Settings, *, first: bool) -> list[str]:
    """Make what is missing of a tenant to develop against, or of a plain first one; lines that say what there is."""
    async with compose.database(settings) as db:
        if not first:
            return await seeding.fill(db, clock.now)
        async with db.owner() as owner:
            if await store.find_tenant(owner, firsttime.SLUG) is not None:
                return [f"the tenant {firsttime.SLUG!r} is there already"]
        tenant_id, _ = await firsttime.ensure_tenant(db, clock.now)
        key = await _new_key(db, tenant_id, "first key", (Scope.ADMIN,))
    return [f"made the tenant {firsttime.SLUG!r}, its owner {firsttime.EMAIL} and this key:", key]


async def sign_in_link(settings: Settings, slug: str, *, email: str | None = None) -> str:
    """A link for a member with this address, or for the tenant's owner."""
    links = Links(settings.secret_keys)
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await tenant_of(owner, slug)
        url = settings.public_url
        return await firsttime.link_for(owner, tenant.id, links=links, url=url, email=email)


async def create_key(
    settings: Settings,
    slug: str,
    *,
    name: str,
    scopes: Sequence[str],
    agent: str | None,
    expires: datetime | None,
) -> str:
    """A new key's text."""
    async with compose.database(settings) as db:
        async with db.owner() as owner:
            tenant = await tenant_of(owner, slug)
        async with db.tenant(tenant.id) as connection:
            bound = None
            if agent is not None:
                bound = (await get_agent(connection, tenant.id, uuid_of(agent) or agent, clock.now())).id
        return await _new_key(db, tenant.id, name, scopes, agent_id=bound, expires_at=expires)


async def _new_key(
    db: Database,
    tenant_id: UUID,
    name: str,
    scopes: Sequence[str],
    *,
    agent_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> str:
    made = keys.generate()
    until = None if expires_at is None else expires_at.replace(tzinfo=UTC)
    async with db.tenant(tenant_id) as connection:
        await store.insert_key(
            connection,
            tenant_id,
            key=made,
            name=name,
            scopes=scopes,
            now=clock.now(),
            agent_id=agent_id,
            expires_at=until,
        )
    return made.text


async def list_keys(settings: Settings, slug: str) -> list[KeyRow]:
    """A tenant's keys."""
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await tenant_of(owner, slug)
        return await store.list_keys(owner, tenant.id)


async def revoke_key(settings: Settings, slug: str, key: str) -> KeyRow:
    """Revoke a key by its id or its prefix. Raises NotFound."""
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await tenant_of(owner, slug)
        rows = await store.list_keys(owner, tenant.id)
        found = next((row for row in rows if key in (str(row.id), row.prefix)), None)
        if found is None:
            raise NotFound(f"the tenant {slug!r} has no key {key!r}")
        return await store.revoke_key(owner, tenant.id, found.id, now=clock.now())


async def create_tenant(settings: Settings, slug: str, *, name: str, owner: str) -> str:
    """Make a tenant with its owner and fallback channel; its first key."""
    async with compose.database(settings) as db:
        async with db.owner() as connection:
            tenant_id = await store.insert_tenant(connection, slug=slug, name=name, now=clock.now())
            await store.insert_member(connection, tenant_id, email=owner, role="owner", now=clock.now())
            await store.set_fallback(connection, tenant_id, {"email": owner})
        return await _new_key(db, tenant_id, "first key", (Scope.ADMIN,))


async def list_tenants(settings: Settings) -> list[TenantRow]:
    """All of them."""
    async with compose.database(settings) as db, db.owner() as owner:
        return await store.list_tenants(owner)


async def set_tenant_status(
    settings: Settings, slug: str, status: TenantStatus, *, reason: str | None = None
) -> TenantRow:
    """Suspend, resume or delete; how it was before. The tenant's own audit trail tells of it."""
    now = clock.now()
    async with compose.database(settings) as db:
        async with db.owner() as owner:
            tenant = await tenant_of(owner, slug)
            purge_after = timedelta(seconds=settings.tenant_purge)
            await store.set_tenant_status(owner, tenant.id, status, now=now, reason=reason, purge_after=purge_after)
        async with db.tenant(tenant.id) as connection:
            operator = Principal(tenant_id=tenant.id, tenant_status=status, scopes=frozenset(), reached="operator")
            await Recorder(clock.now)(
                connection, operator, "tenant.updated", resource=("tenant", str(tenant.id)),
                old={"status": tenant.status}, new={"status": status.value, "reason": reason},
            )  # fmt: skip
    return tenant


async def purge_tenants(settings: Settings, *, dry_run: bool) -> dict[str, Mapping[str, int]]:
    """Take away what is left of tenants that were deleted long enough ago: rows by table, by slug."""
    now = clock.now()
    async with compose.database(settings) as db:
        async with db.owner() as owner:
            due = await purging.due(owner, now)
            if dry_run:
                return {slug: await purging.count(owner, tenant_id) for tenant_id, slug in due}
        return {slug: await purging.purge(db, tenant_id, slug, now=now) for tenant_id, slug in due}


async def create_user(settings: Settings, slug: str, *, email: str, role: str) -> UUID:
    """Make a user in a tenant."""
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await tenant_of(owner, slug)
        return await store.insert_member(owner, tenant.id, email=email, role=role, now=clock.now())


async def remove_user(settings: Settings, slug: str, *, email: str) -> None:
    """End somebody's membership of a tenant. Raises NotFound, and Conflict where they are still needed."""
    async with compose.database(settings) as db, db.owner() as owner:
        await store.remove_member(owner, (await tenant_of(owner, slug)).id, email)


async def list_users(settings: Settings, slug: str) -> list[MemberRow]:
    """The people of a tenant."""
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await tenant_of(owner, slug)
        return await store.list_members(owner, tenant.id)


async def retain(settings: Settings, *, dry_run: bool) -> tuple[Plan, dict[str, int]]:
    """What retention drops and makes, and the rows that it removes beside, by table; done unless `dry_run`."""
    now = clock.now()
    async with compose.database(settings) as db:
        limits = await load(db, settings)
        keep = limits.partitions(settings)
        if not dry_run:
            plan = await partitions.apply(db, now, retention=keep)
            return plan, dict(await sweep.run_once(db, now, limits))
        async with db.owner() as owner:
            plan = partitions.plan(now, await partitions.existing_names(owner), keep)
        return plan, dict(await sweep.preview(db, now, limits))


async def maintain(settings: Settings, *, dry_run: bool) -> tuple[list[Work], list[Outcome]]:
    """What maintenance is due, and what became of it unless `dry_run`."""
    async with compose.database(settings) as db:
        if dry_run:
            return await work.plan(db, clock.now(), Measures()), []
        outcomes = await work.run_once(db, clock.now(), Measures(), clock=clock.now)
        return [one.work for one in outcomes], outcomes


async def bring(
    settings: Settings, document: str, url: str, *, tenant: str, zone: tzinfo, dry_run: bool
) -> list[Report]:
    """Import a database that was made from a document; what became of each of its tables."""
    async with compose.database(settings) as db:
        async with db.owner() as owner:
            tenant_id = (await tenant_of(owner, tenant)).id
        series = choice.store_of(settings, db, clock.now)
        try:
            ring = Ring(settings.secret_keys)
            return await Import(document, url, db, series, tenant_id, clock.now, zone, dry_run, ring=ring).run()
        finally:
            await series.close()


async def tenant_of(owner: AsyncConnection, slug: str) -> TenantRow:
    """By its slug. Raises NotFound."""
    found = await store.find_tenant(owner, slug)
    if found is None:
        raise NotFound(f"there is no tenant {slug!r}")
    return found
