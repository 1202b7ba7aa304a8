"""People as the door sees them, before anybody is in: by name or address, by what they are elsewhere, by id."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.identity.tables import Membership, Tenant, User, UserIdentity
from monitor.principal import TenantStatus


@dataclass(frozen=True, slots=True)
class Place:
    """A tenant that somebody belongs to; `status` is the membership's."""

    tenant_id: UUID
    slug: str
    name: str
    status: str
    role: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, and where they belong: by the tenants' slugs, without those that are deleted."""

    id: UUID
    email: str
    username: str | None
    password_hash: str | None
    password_changed_at: datetime | None
    email_verified_at: datetime | None
    places: tuple[Place, ...]

    @property
    def open_places(self) -> tuple[Place, ...]:
        """Where they may go in."""
        return tuple(place for place in self.places if place.status == "active")


_PERSON = (User.id, User.email, User.username, User.password_hash, User.password_changed_at, User.email_verified_at)


async def find_by_login(doorman: AsyncConnection, login: str) -> Person | None:
    """By email address or username, whatever its capitals. A username has no @."""
    column = User.email if "@" in login else User.username
    return await _find(doorman, func.lower(column) == login.strip().lower())


async def find_by_id(doorman: AsyncConnection, user_id: UUID) -> Person | None:
    """By id."""
    return await _find(doorman, User.id == user_id)


async def find_by_identity(doorman: AsyncConnection, issuer: str, subject: str) -> Person | None:
    """By what a provider of OpenID Connect calls them."""
    linked = select(UserIdentity.user_id).where(UserIdentity.issuer == issuer, UserIdentity.subject == subject)
    return await _find(doorman, User.id == linked.scalar_subquery())


async def _find(doorman: AsyncConnection, which: ColumnElement[bool]) -> Person | None:
    row = (await doorman.execute(select(*_PERSON).where(which, User.deleted_at.is_(None)))).first()
    # Asked for whoever it is, and for nobody: the time tells nothing.
    places = (
        select(Tenant.id, Tenant.slug, Tenant.name, Membership.status, Membership.role)
        .join(Membership, Membership.tenant_id == Tenant.id)
        .where(Membership.user_id == (None if row is None else row.id), Tenant.status != TenantStatus.DELETED)
        .order_by(Tenant.slug)
    )
    found = [Place(*place) for place in await doorman.execute(places)]
    return None if row is None else Person(**row._mapping, places=tuple(found))
