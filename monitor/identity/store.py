"""Tenants, users, memberships and keys: SQL, and rows as frozen dataclasses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import Conflict, NotFound
from monitor.identity.keys import NewKey
from monitor.identity.tables import ApiKey, Membership, Tenant, User
from monitor.ids import PLATFORM_TENANT, uuid7
from monitor.named import Named, refuse_named
from monitor.principal import TenantStatus


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant."""

    id: UUID
    slug: str
    name: str
    status: str
    plan: str
    auto_register: bool
    created_at: datetime
    contact_name: str | None
    contact_email: str | None
    max_agents: int | None
    daily_requests: int | None
    monthly_tokens: int | None
    suspended_at: datetime | None
    suspended_reason: str | None
    deleted_at: datetime | None
    purge_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key without its secret."""

    id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    agent_id: UUID | None
    status: str
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime
    replaces_id: UUID | None

    def standing(self, now: datetime) -> str:
        """`active`, `revoked` or `expired`: the last follows from the time and is stored nowhere."""
        if self.status == "active" and self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return self.status


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A user in a tenant."""

    id: UUID
    email: str
    role: str
    status: str


_TENANT = (
    Tenant.id,
    Tenant.slug,
    Tenant.name,
    Tenant.status,
    Tenant.plan,
    Tenant.auto_register,
    Tenant.created_at,
    Tenant.contact_name,
    Tenant.contact_email,
    Tenant.max_agents,
    Tenant.daily_requests,
    Tenant.monthly_tokens,
    Tenant.suspended_at,
    Tenant.suspended_reason,
    Tenant.deleted_at,
    Tenant.purge_at,
)
_KEY = (
    ApiKey.id, ApiKey.name, ApiKey.prefix, ApiKey.scopes, ApiKey.agent_id, ApiKey.status, ApiKey.expires_at,
    ApiKey.last_used_at, ApiKey.created_at, ApiKey.replaces_id,
)  # fmt: skip


async def insert_tenant(owner: AsyncConnection, *, slug: str, name: str, now: datetime) -> UUID:
    """Make a tenant, as the owner. Raises Conflict when the slug is taken."""
    tenant_id = uuid7(now)
    await owner.execute(insert(Tenant).values(id=tenant_id, slug=slug, name=name))
    return tenant_id


async def find_tenant(connection: AsyncConnection, slug: str) -> TenantRow | None:
    """The tenant with this slug, if the connection may see it."""
    row = (await connection.execute(select(*_TENANT).where(Tenant.slug == slug))).one_or_none()
    return None if row is None else TenantRow(**row._mapping)


async def get_tenant(connection: AsyncConnection, tenant_id: UUID) -> TenantRow:
    """The tenant with this id."""
    row = (await connection.execute(select(*_TENANT).where(Tenant.id == tenant_id))).one_or_none()
    if row is None:
        raise NotFound("there is no such tenant")
    return TenantRow(**row._mapping)


async def list_tenants(owner: AsyncConnection) -> list[TenantRow]:
    """All tenants, as the owner."""
    return [TenantRow(**row._mapping) for row in await owner.execute(select(*_TENANT).order_by(Tenant.created_at))]


async def set_tenant_status(
    owner: AsyncConnection,
    tenant_id: UUID,
    status: TenantStatus,
    *,
    now: datetime,
    reason: str | None = None,
    purge_after: timedelta = timedelta(0),
) -> None:
    """Suspend (with a `reason`), delete or revive a tenant, as the owner. A deleted one comes back until it is purged,
    which is due after `purge_after`. Raises Conflict for the platform's own.
    """
    if tenant_id == PLATFORM_TENANT:
        raise Conflict("the platform's own tenant stays as it is")
    deleted, suspended = status is TenantStatus.DELETED, status is TenantStatus.SUSPENDED
    values = {
        "status": status.value,
        "suspended_at": now if suspended else None,
        "suspended_reason": reason if suspended else None,
        "deleted_at": now if deleted else None,
        "purge_at": now + purge_after if deleted else None,
    }
    await owner.execute(update(Tenant).where(Tenant.id == tenant_id).values(values))


async def change_tenant(connection: AsyncConnection, tenant_id: UUID, values: Mapping[str, Any]) -> TenantRow:
    """Change columns of the tenant; what it is then."""
    query = update(Tenant).where(Tenant.id == tenant_id).values(dict(values)).returning(*_TENANT)
    return TenantRow(**(await connection.execute(query)).one()._mapping)


async def set_fallback(owner: AsyncConnection, tenant_id: UUID, channels: Mapping[str, str]) -> None:
    """Where messages go that no rule's own channels take, spelled as a rule spells channels; as the owner."""
    await owner.execute(update(Tenant).where(Tenant.id == tenant_id).values(fallback_channel=dict(channels)))


async def insert_member(owner: AsyncConnection, tenant_id: UUID, *, email: str, role: str, now: datetime) -> UUID:
    """Make a membership, and the user where nobody has this address yet; as the owner. Raises Conflict for a member."""
    user_id = (await owner.execute(select(User.id).where(func.lower(User.email) == email.lower()))).scalar()
    if user_id is None:
        user_id = uuid7(now)
        await owner.execute(insert(User).values(id=user_id, email=email))
    await owner.execute(insert(Membership).values(tenant_id=tenant_id, user_id=user_id, role=role))
    return user_id


async def remove_member(connection: AsyncConnection, tenant_id: UUID, email: str) -> None:
    """End a membership and the sessions in it; the user stays where they are a member elsewhere, and keys that they
    made do.

    Raises NotFound; Conflict for somebody who stands in a rotation, and for the last owner.
    """
    query = select(Membership.user_id).join(User, User.id == Membership.user_id)
    theirs = (Membership.tenant_id == tenant_id, func.lower(User.email) == email.lower())
    user_id = (await connection.execute(query.where(*theirs))).scalar()
    if user_id is None:
        raise NotFound("there is no such member")
    await keep_an_owner(connection, tenant_id, without=user_id)
    await refuse_named(connection, tenant_id, Named.MEMBER, str(user_id))
    gone = delete(Membership).where(Membership.tenant_id == tenant_id, Membership.user_id == user_id)
    await connection.execute(gone)


async def keep_an_owner(connection: AsyncConnection, tenant_id: UUID, *, without: UUID) -> None:
    """Raise Conflict if nobody but this member owns the tenant. Whoever else asks at the same time waits."""
    query = (
        select(Membership.user_id)
        .where(Membership.tenant_id == tenant_id, Membership.role == "owner", Membership.status == "active")
        .order_by(Membership.user_id)
        .with_for_update()
    )
    if set((await connection.execute(query)).scalars()) == {without}:
        raise Conflict("the last owner of a tenant stays")


async def list_members(owner: AsyncConnection, tenant_id: UUID) -> list[MemberRow]:
    """A tenant's people by email, as the owner."""
    query = (
        select(User.id, User.email, Membership.role, Membership.status)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.tenant_id == tenant_id)
        .order_by(User.email)
    )
    return [MemberRow(*row) for row in await owner.execute(query)]


async def find_owner(owner: AsyncConnection, tenant_id: UUID) -> UUID | None:
    """The first user who owns a tenant."""
    query = (
        select(Membership.user_id)
        .where(Membership.tenant_id == tenant_id, Membership.role == "owner")
        .order_by(Membership.created_at)
        .limit(1)
    )
    return (await owner.execute(query)).scalar()


async def insert_key(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    key: NewKey,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    agent_id: UUID | None = None,
    user_id: UUID | None = None,
    expires_at: datetime | None = None,
    replaces_id: UUID | None = None,
) -> KeyRow:
    """Store the digest of a new key. `agent_id` binds it to one agent. Raises Conflict for an unknown agent."""
    values = {
        "tenant_id": tenant_id, "id": uuid7(now), "name": name, "prefix": key.prefix, "key_hash": key.digest,
        "scopes": [str(scope) for scope in scopes], "agent_id": agent_id, "user_id": user_id, "expires_at": expires_at,
        "replaces_id": replaces_id,
    }  # fmt: skip
    row = (await connection.execute(insert(ApiKey).values(values).returning(*_KEY))).one()
    return _key(row)


async def list_keys(connection: AsyncConnection, tenant_id: UUID) -> list[KeyRow]:
    """A tenant's keys, newest first."""
    query = select(*_KEY).where(ApiKey.tenant_id == tenant_id).order_by(ApiKey.id.desc())
    return [_key(row) for row in await connection.execute(query)]


async def get_key(connection: AsyncConnection, tenant_id: UUID, key_id: UUID) -> KeyRow:
    """One key, which nobody else changes until the transaction ends. Raises NotFound."""
    query = select(*_KEY).where(ApiKey.tenant_id == tenant_id, ApiKey.id == key_id).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound("there is no such key")
    return _key(row)


async def change_key(connection: AsyncConnection, tenant_id: UUID, key_id: UUID, values: Mapping[str, Any]) -> KeyRow:
    """Change columns of a key; effective everywhere within a second. Raises NotFound."""
    where = (ApiKey.tenant_id == tenant_id, ApiKey.id == key_id)
    row = (await connection.execute(update(ApiKey).where(*where).values(dict(values)).returning(*_KEY))).one_or_none()
    if row is None:
        raise NotFound("there is no such key")
    return _key(row)


async def revoke_key(connection: AsyncConnection, tenant_id: UUID, key_id: UUID, *, now: datetime) -> KeyRow:
    """Revoke a key, for good; effective everywhere within a second. Raises NotFound."""
    return await change_key(connection, tenant_id, key_id, {"status": "revoked", "revoked_at": now})


def _key(row: Sequence[object]) -> KeyRow:
    key = KeyRow(*row)  # type: ignore[arg-type]
    return KeyRow(key.id, key.name, key.prefix, tuple(key.scopes), *row[4:])  # type: ignore[arg-type]
