"""A first tenant with its owner and a key, for a database that has none."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import ConfigError, Unauthenticated
from monitor.http.deps import Deps
from monitor.identity import keys, store
from monitor.identity.links import Links, Purpose
from monitor.principal import Scope

SLUG = "default"
EMAIL = "owner@localhost"


@dataclass(frozen=True, slots=True)
class Owner:
    """The first tenant: who owns it, and a key of every scope as text."""

    tenant_id: UUID
    user_id: UUID
    email: str
    key: str


async def prepare(deps: Deps, *, known_key: str | None) -> Owner:
    """Find the first tenant or make it. `known_key` is used again where it still works, else a new one is made."""
    tenant_id, user_id = await ensure_tenant(deps.db, deps.clock)
    key = known_key if known_key and await _works(deps, known_key, tenant_id) else None
    if key is None:
        made = keys.generate()
        async with deps.db.tenant(tenant_id) as connection:
            await store.insert_key(
                connection, tenant_id, key=made, name="dev", scopes=(Scope.ADMIN,), now=deps.clock()
            )  # fmt: skip
        key = made.text
    return Owner(tenant_id, user_id, EMAIL, key)


async def ensure_tenant(db: Database, clock: Clock) -> tuple[UUID, UUID]:
    """The first tenant and its owner, made where they are missing."""
    now = clock()
    async with db.owner() as owner:
        found = await store.find_tenant(owner, SLUG)
        tenant_id = found.id if found else await store.insert_tenant(owner, slug=SLUG, name="Default", now=now)
        if found is None:
            await store.set_fallback(owner, tenant_id, {"email": EMAIL})
        user_id = await store.find_owner(owner, tenant_id)
        if user_id is None:
            user_id = await store.insert_member(owner, tenant_id, email=EMAIL, role="owner", now=now)
    return tenant_id, user_id


async def _works(deps: Deps, key: str, tenant_id: UUID) -> bool:
    try:
        principal = await deps.authenticator.by_key(key)
    except Unauthenticated:
        return False
    return principal.tenant_id == tenant_id and Scope.ADMIN in principal.scopes


async def link_for(
    connection: AsyncConnection, tenant_id: UUID, *, links: Links, url: str, email: str | None = None
) -> str:
    """A sign-in link for a member with this address, or for the tenant's owner. Raises ConfigError for nobody."""
    if email is not None:
        user_id = next((one.id for one in await store.list_members(connection, tenant_id) if one.email == email), None)
        if user_id is None:
            raise ConfigError(f"nobody in this tenant has the address {email}")
        return link(links, tenant_id, user_id, url=url)
    user_id = await store.find_owner(connection, tenant_id)
    if user_id is None:
        raise ConfigError("this tenant has no owner: make one with `agent-monitor users create --role owner`")
    return link(links, tenant_id, user_id, url=url)


def link(links: Links, tenant_id: UUID, user_id: UUID, *, url: str) -> str:
    """A sign-in link, good for an hour."""
    return f"{url.rstrip('/')}/sign-in?token={links.make(Purpose.SIGN_IN, tenant_id, user_id)}"
