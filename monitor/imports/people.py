"""Tenants, users and memberships that are brought here, of documents that have tenants of their own."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.identity.tables import Membership, Tenant, User
from monitor.imports import mend
from monitor.imports.into import Into
from monitor.imports.report import Report
from monitor.imports.source import Row, Source
from monitor.imports.writing import Writing

ROLES = {role: role for role in ("owner", "admin", "member", "viewer", "on-call")} | {"user": "member"}
MEMBER_STATUSES = frozenset({"active", "inactive", "suspended"})
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_TENANTS = text("SELECT id FROM tenants WHERE id = ANY (:ids)")
_ADDRESSED = text("SELECT id, lower(email) AS email FROM users WHERE lower(email) = ANY (:addresses)")
_HOMES = text("SELECT id, tenant_id FROM agents WHERE tenant_id = ANY (:tenants)")
_SLUGS = text("SELECT slug FROM tenants WHERE id <> ALL (:ids)")


async def look(into: Into, source: Source, tenants: LiteralString) -> None:
    """Learn which tenants, users and agents of the source are here already, and what users will be called here.

    `tenants`: the source's table of them. Two users of one address become the one whose id comes first.
    """
    await into.look()
    ids = [row["id"] for row in await source.rows(tenants, f"SELECT id FROM {tenants}")]
    people = await source.rows("users", "SELECT id, lower(email) AS email FROM users ORDER BY id")
    addresses = [row["email"] for row in people if row["email"] is not None]
    async with into.db.owner() as owner:
        into.tenants.update((await owner.execute(_TENANTS, {"ids": ids})).scalars())
        found = await owner.execute(_ADDRESSED, {"addresses": addresses})
        by_address: dict[str, UUID] = {row.email: row.id for row in found}
        homes = await owner.execute(_HOMES, {"tenants": [*into.tenants, into.tenant_id]})
        into.homes.update((row.id, row.tenant_id) for row in homes)
        into.slugs.update((await owner.execute(_SLUGS, {"ids": ids})).scalars())
    for row in people:
        into.users[row["id"]] = by_address.setdefault(row["email"], row["id"])


def slug_of(into: Into, name: str, tenant_id: UUID, report: Report, key: str) -> str:
    """One that nobody has: of a tenant whose name's is taken, with the beginning of its id."""
    plain = mend.slug(name) or "tenant"
    found = plain if plain not in into.slugs else f"{plain}-{tenant_id.hex[:12]}"
    if found != plain:
        report.note("its slug is taken: it has another one", key)
    into.slugs.add(found)
    return found


def founded(into: Into, rows: Sequence[dict[str, Any]], report: Report) -> Writing:
    """Tenants, by the columns of their table; those that are here stay as they are."""
    report.kept += len(rows)
    into.tenants.update(row["id"] for row in rows)

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(insert(Tenant).on_conflict_do_nothing(), list(rows))

    return Writing(rows=write if rows else None)


def addressed(row: Row, report: Report, key: str) -> bool:
    """Whether somebody can be reached; else it is noted."""
    if row["email"] is not None and _ADDRESS.fullmatch(row["email"]):
        return True
    report.note("left out: its address is none", key)
    return False


def joined(
    into: Into, users: Sequence[dict[str, Any]], memberships: Sequence[dict[str, Any]], report: Report
) -> Writing:
    """Users, by the columns of their table but for the id, which is `into.users`'; memberships in full."""
    report.kept += len(users) or len(memberships)

    async def write(connection: AsyncConnection) -> None:
        if users:
            await connection.execute(insert(User).on_conflict_do_nothing(), list(users))
        if memberships:
            await connection.execute(insert(Membership).on_conflict_do_nothing(), list(memberships))

    return Writing(rows=write if users or memberships else None)


def role_of(given: str | None, report: Report, key: str) -> str:
    """A word that is none of ours is a member's."""
    if given not in ROLES:
        report.note(f"the role {given!r} is not known here: imported as member", key)
    return ROLES.get(given or "", "member")


def home(into: Into, tenant_id: UUID | None, report: Report, key: str) -> UUID | None:
    """Whose a row is: nobody's tenant is the one that imports. None, and noted, where the tenant was left out."""
    found = into.tenant_id if tenant_id is None else tenant_id
    if found == into.tenant_id or found in into.tenants:
        return found
    report.note("left out: there is no such tenant", key)
    return None


def grouped(rows: Sequence[tuple[UUID, Any]]) -> Mapping[UUID, list[Any]]:
    """By tenant, in the order of their ids."""
    made: dict[UUID, list[Any]] = {tenant_id: [] for tenant_id in sorted({tenant_id for tenant_id, _ in rows})}
    for tenant_id, row in rows:
        made[tenant_id].append(row)
    return made


def agent_of(into: Into, tenant_id: UUID, agent_id: UUID | None, report: Report, key: str) -> UUID | None:
    """An agent of this tenant; another one is noted, and left away."""
    if agent_id is None or into.homes.get(agent_id) == tenant_id:
        return agent_id
    report.note("its agent was left out, or is another tenant's: it names none", key)
    return None


def times(row: Row, into: Into) -> dict[str, datetime]:
    """When a row was made and changed."""
    created = row["created_at"] or into.now
    return {"created_at": created, "updated_at": row["updated_at"] or created}


def user(row: Row, user_id: UUID, at: Mapping[str, datetime]) -> dict[str, Any]:
    """The columns of a user, of names in two parts."""
    name = " ".join(part for part in (row["first_name"], row["last_name"]) if part) or None
    said = {"email": row["email"], "name": name, "password_hash": row["password_hash"]}
    return {"id": user_id, **said, "deleted_at": row["deleted_at"], **at}
