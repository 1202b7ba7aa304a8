"""Who belongs to a tenant, and as what: inviting, changing what somebody may do, taking them out."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import Conflict, Forbidden, NotFound
from monitor.http.deps import Deps
from monitor.identity.store import keep_an_owner
from monitor.identity.tables import Membership, User
from monitor.ids import uuid7
from monitor.principal import Principal, Role

_M = Membership


@dataclass(frozen=True, slots=True)
class Part:
    """What somebody is in a tenant. `permissions`: grants beyond those of the role."""

    role: Role
    status: str
    permissions: tuple[str, ...]


async def part_of(connection: AsyncConnection, tenant_id: UUID, user_id: UUID) -> Part:
    """What a member is. Raises NotFound."""
    return (await parts_of(connection, tenant_id, user_id=user_id))[user_id]


async def parts_of(connection: AsyncConnection, tenant_id: UUID, *, user_id: UUID | None = None) -> dict[UUID, Part]:
    """What all members are, or one. Raises NotFound where that one is none."""
    query = select(_M.user_id, _M.role, _M.status, _M.permissions).where(_M.tenant_id == tenant_id)
    if user_id is not None:
        query = query.where(_M.user_id == user_id)
    found = {row[0]: Part(Role(row[1]), row[2], tuple(row[3])) for row in await connection.execute(query)}
    if user_id is not None and not found:
        raise NotFound("there is no such member")
    return found


async def invite(deps: Deps, principal: Principal, connection: AsyncConnection, email: str, part: Part) -> UUID:
    """Make somebody a member who has yet to come; whoever was invited already is invited anew, by another link.

    Whether anybody has this address elsewhere is not told. Raises Conflict for a member, Forbidden.
    """
    tenant_id, now = principal.tenant_id, deps.clock()
    await refuse_owners(connection, principal, part.role)
    async with deps.db.doorman() as doorman:
        user_id = (await doorman.execute(select(User.id).where(func.lower(User.email) == email.lower()))).scalar()
    if user_id is None:
        user_id = uuid7(now)
        await connection.execute(insert(User).values(id=user_id, email=email))
    stood = (await parts_of(connection, tenant_id)).get(user_id)
    values: dict[str, Any] = {"role": part.role.value, "permissions": list(part.permissions), "status": "invited"}
    if stood is None:
        values |= {"tenant_id": tenant_id, "user_id": user_id}
        await connection.execute(insert(_M).values(values))
    elif stood.status == "invited":
        await refuse_owners(connection, principal, stood.role)
        values["updated_at"] = now  # the link before is of another time
        await connection.execute(update(_M).where(_M.tenant_id == tenant_id, _M.user_id == user_id).values(values))
    else:
        raise Conflict("this is a member already")
    return user_id


async def change(connection: AsyncConnection, principal: Principal, user_id: UUID, new: Part) -> None:
    """Give a member another part; effective within a second. Raises NotFound, Forbidden, Conflict: the last owner."""
    tenant_id = principal.tenant_id
    old = await part_of(connection, tenant_id, user_id)
    if old == new:
        return
    await refuse_owners(connection, principal, old.role, new.role)
    if old.status != new.status and "invited" in (old.status, new.status):
        raise Conflict("who is invited becomes active by coming: take them out, or invite them")
    if old.role is Role.OWNER and (new.role is not Role.OWNER or new.status != "active"):
        await keep_an_owner(connection, tenant_id, without=user_id)
    values = {"role": new.role.value, "status": new.status, "permissions": list(new.permissions)}
    await connection.execute(update(_M).where(_M.tenant_id == tenant_id, _M.user_id == user_id).values(values))


async def refuse_owners(connection: AsyncConnection, principal: Principal, *roles: Role) -> None:
    """Raise Forbidden where an owner is made or touched by anybody but an owner who is signed in."""
    if Role.OWNER not in roles:
        return
    if principal.user_id is not None and principal.key_id is None:
        found = (await parts_of(connection, principal.tenant_id)).get(principal.user_id)
        if found is not None and found.role is Role.OWNER:
            return
    raise Forbidden("only an owner who is signed in makes or changes owners")
