"""Members of a tenant and how to reach them: SQL, and rows as frozen dataclasses."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import NotFound
from monitor.http.problems import uuid_of
from monitor.identity.tables import ContactMethod, Membership, User
from monitor.sealing import TARGETS, Ring


@dataclass(frozen=True, slots=True)
class Contact:
    """One way to reach a member, as a channel spells it. `after`: how long an alert is open before it is taken.

    A stored `secret` is sealed where there are keys (`monitor.sealing`).
    """

    kind: str
    target: str
    secret: str | None
    after: timedelta


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a tenant. `active`: may be reached; without `contacts` it is the email address."""

    tenant_id: UUID
    id: UUID
    email: str
    name: str | None
    active: bool
    quiet_hours: Mapping[str, Any] | None
    contacts: tuple[Contact, ...]


_ACTIVE = ((Membership.status == "active") & User.deleted_at.is_(None)).label("active")
_MEMBERS = (
    select(Membership.tenant_id, User.id, User.email, User.name, _ACTIVE, Membership.quiet_hours)
    .join(User, User.id == Membership.user_id)
    .order_by(Membership.tenant_id, User.email)
)


async def list_members(connection: AsyncConnection, tenants: Iterable[UUID]) -> list[Member]:
    """All members of these tenants, by their email addresses."""
    return await _read(connection, sorted(set(tenants)), _MEMBERS)


async def get_member(connection: AsyncConnection, tenant_id: UUID, named: str) -> Member:
    """A member by id or email address. Raises NotFound."""
    query = _MEMBERS.where(or_(User.id == uuid_of(named), func.lower(User.email) == named.lower()))
    found = await _read(connection, [tenant_id], query)
    if not found:
        raise NotFound("there is no such member")
    return found[0]


def revealed(member: Member, ring: Ring) -> Member:
    """The same with the secrets of their contacts as they were told."""
    contacts = [
        replace(one, secret=ring.reveal(one.secret, tenant_id=member.tenant_id, place=TARGETS))
        for one in member.contacts
    ]
    return replace(member, contacts=tuple(contacts))


async def set_contacts(
    connection: AsyncConnection, tenant_id: UUID, user_id: UUID, contacts: Sequence[Contact], *, ring: Ring
) -> None:
    """Replace all ways to reach a member, given with their secrets as they were told."""
    theirs = (ContactMethod.tenant_id == tenant_id, ContactMethod.user_id == user_id)
    await connection.execute(delete(ContactMethod).where(*theirs))
    rows = [
        {
            "tenant_id": tenant_id, "user_id": user_id, "position": position, "kind": one.kind, "target": one.target,
            "secret": ring.keep(one.secret, tenant_id=tenant_id, place=TARGETS),
            "after_seconds": int(one.after.total_seconds()),
        }
        for position, one in enumerate(contacts)
    ]  # fmt: skip
    if rows:
        await connection.execute(insert(ContactMethod), rows)


async def set_quiet_hours(
    connection: AsyncConnection, tenant_id: UUID, user_id: UUID, quiet: Mapping[str, Any] | None
) -> None:
    """When a member is not told what is not critical; None: never."""
    theirs = (Membership.tenant_id == tenant_id, Membership.user_id == user_id)
    value = None if quiet is None else dict(quiet)
    await connection.execute(update(Membership).where(*theirs).values(quiet_hours=value))


async def _read(connection: AsyncConnection, tenants: Sequence[UUID], query: Any) -> list[Member]:
    methods = (
        select(ContactMethod)
        .where(ContactMethod.tenant_id.in_(tenants))
        .order_by(ContactMethod.tenant_id, ContactMethod.user_id, ContactMethod.position)
    )
    contacts: dict[tuple[UUID, UUID], list[Contact]] = defaultdict(list)
    for row in await connection.execute(methods):
        after = timedelta(seconds=row.after_seconds)
        contacts[row.tenant_id, row.user_id].append(Contact(row.kind, row.target, row.secret, after))
    rows = await connection.execute(query.where(Membership.tenant_id.in_(tenants)))
    return [Member(**row._mapping, contacts=tuple(contacts.get((row.tenant_id, row.id), ()))) for row in rows]
