"""Tenants, users, memberships and keys: SQL, and rows as frozen dataclasses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import Conflict, NotFound
from monitor.identity.keys import NewKey
from monitor.identity.tables import ApiKey, Membership, Tenant, User
from monitor.ids import uuid7
from monitor.named import Named, refuse_named


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
)
_KEY = (
    ApiKey.id, ApiKey.name, ApiKey.prefix, ApiKey.scopes, ApiKey.agent_id, ApiKey.status, ApiKey.expires_at,
    ApiKey.last_used_at, ApiKey.created_at,
)  # fmt: skip


async def insert_tenant(owner: AsyncConnection, *, slug: str, name: str, now: datetime) -> UUID:
    """Make a tenant, as the owner. Raises Conflict when the slug is taken."""
    tenant_id = uuid7(now)
    await owner.execute(insert(Tenant).values(id=tenant_id, slug=slug, name=name))
    return tenant_id


async def find_tenant(connection: AsyncConnection, slug: str) -> TenantRow | None:
    """The tenant with this slug, if the connection may see it."""
    row = (await connection.execute(select(*_TENANT).where(Tenant.slug == slug))).one_or_none()
    return None if row is None else TenantRow(*row)


async def get_tenant(connection: AsyncConnection, tenant_id: UUID) -> TenantRow:
    """The tenant with this id."""
    row = (await connection.execute(select(*_TENANT).where(Tenant.id == tenant_id))).one_or_none()
    if row is None:
        raise NotFound("there is no such tenant")
    return TenantRow(*row)


async def list_tenants(owner: AsyncConnection) -> list[TenantRow]:
    """All tenants, as the owner."""
    return [TenantRow(*row) for row in await owner.execute(select(*_TENANT).order_by(Tenant.created_at))]


async def set_tenant_status(owner: AsyncConnection, tenant_id: UUID, status: str) -> None:
    """Suspend, delete or revive a tenant, as the owner."""
    await owner.execute(update(Tenant).where(Tenant.id == tenant_id).values(status=status))


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


async def remove_member(owner: AsyncConnection, tenant_id: UUID, email: str) -> None:
    """End a membership, as the owner; the user stays where they are a member elsewhere, and keys that they made do.

    Raises NotFound; Conflict for somebody who stands in a rotation, and for the last owner.
    """
    query = select(Membership.user_id, Membership.role).join(User, User.id == Membership.user_id)
    theirs = (Membership.tenant_id == tenant_id, func.lower(User.email) == email.lower())
    row = (await owner.execute(query.where(*theirs))).first()
    if row is None:
        raise NotFound("there is no such member")
    owners = select(func.count()).where(Membership.tenant_id == tenant_id, Membership.role == "owner")
    if row.role == "owner" and (await owner.execute(owners)).scalar() == 1:
        raise Conflict("the last owner of a tenant stays")
    await refuse_named(owner, tenant_id, Named.MEMBER, str(row.user_id))
    gone = delete(Membership).where(Membership.tenant_id == tenant_id, Membership.user_id == row.user_id)
    await owner.execute(gone)


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
) -> KeyRow:
    """Store the digest of a new key. `agent_id` binds it to one agent. Raises Conflict for an unknown agent."""
    values = {
        "tenant_id": tenant_id, "id": uuid7(now), "name": name, "prefix": key.prefix, "key_hash": key.digest,
        "scopes": [str(scope) for scope in scopes], "agent_id": agent_id, "user_id": user_id, "expires_at": expires_at,
    }  # fmt: skip
    row = (await connection.execute(insert(ApiKey).values(values).returning(*_KEY))).one()
    return _key(row)


async def list_keys(connection: AsyncConnection, tenant_id: UUID) -> list[KeyRow]:
    """A tenant's keys, newest first."""
    query = select(*_KEY).where(ApiKey.tenant_id == tenant_id).order_by(ApiKey.id.desc())
    return [_key(row) for row in await connection.execute(query)]


async def revoke_key(connection: AsyncConnection, tenant_id: UUID, key_id: UUID) -> KeyRow:
    """Revoke a key; effective everywhere within a second. Raises NotFound."""
    statement = (
        update(ApiKey)
        .where(ApiKey.tenant_id == tenant_id, ApiKey.id == key_id)
        .values(status="revoked")
        .returning(*_KEY)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("there is no such key")
    return _key(row)


def _key(row: Sequence[object]) -> KeyRow:
    key = KeyRow(*row)  # type: ignore[arg-type]
    return KeyRow(key.id, key.name, key.prefix, tuple(key.scopes), *row[4:])  # type: ignore[arg-type]
