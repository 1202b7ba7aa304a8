"""Tenants, users and memberships that are brought here, of documents that have tenants of their own."""

import re
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.identity.tables import Membership, Tenant, User
from monitor.imports import mend
from monitor.imports.given import Given, LeftOut
from monitor.imports.into import Into
from monitor.imports.report import Report
from monitor.imports.source import Source
from monitor.imports.step import Made, Values, store
from monitor.imports.writing import Writing

ROLES = {role: role for role in ("owner", "admin", "member", "viewer", "on-call")} | {"user": "member"}
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_USERNAME = re.compile(r"[^@\s]{1,100}")
_PICTURE = re.compile(r"https?://.{1,1990}")
_VERIFIED = frozenset({"verified", "confirmed", "true", "yes"})
_TENANTS = text("SELECT id FROM tenants WHERE id = ANY (:ids)")
_USERS = text("SELECT id, lower(email) AS email, lower(username) AS username FROM users")
_HOMES = text("SELECT id, tenant_id, external_id FROM agents WHERE tenant_id = ANY (:tenants)")
_SLUGS = text("SELECT slug FROM tenants WHERE id <> ALL (:ids)")


async def look(into: Into, source: Source, tenants: LiteralString) -> None:
    """Learn which tenants, users and agents of the source are here already, and what users will be called here.

    `tenants`: the source's table of them. Two users of one address become the one whose id comes first.
    """
    await into.look()
    ids = [row["id"] for row in await source.rows(tenants, f"SELECT id FROM {tenants}")]
    people = await source.rows("users", "SELECT id, lower(email) AS email FROM users ORDER BY id")
    by_address: dict[str, UUID] = {}
    async with into.db.owner() as owner:
        into.tenants.update((await owner.execute(_TENANTS, {"ids": ids})).scalars())
        for row in await owner.execute(_USERS):
            by_address[row.email] = row.id
            into.usernames[row.username] = row.id
        for row in await owner.execute(_HOMES, {"tenants": [*into.tenants, into.tenant_id]}):
            into.homes[row.id] = row.tenant_id
            into.called.add((row.tenant_id, row.external_id))
        into.slugs.update((await owner.execute(_SLUGS, {"ids": ids})).scalars())
    for one in people:
        into.users[one["id"]] = by_address.setdefault(one["email"], one["id"])


def slug(column: str) -> Any:
    """A tenant's, made of a column: one that nobody has. Where it is taken, with the beginning of its id."""

    def made(given: Given) -> str:
        plain = mend.slug(given[column] or given["name"]) or "tenant"
        found = plain if plain not in given.into.slugs else f"{plain}-{given['id'].hex[:12]}"
        if found != plain:
            given.note("its slug is taken: it has another one")
        given.into.slugs.add(found)
        return found

    return made


async def put_tenants(into: Into, made: Made[Values], report: Report) -> Writing:
    """Tenants, by the columns of their table; those that are here stay as they are."""
    report.kept += len(made)
    rows = [values for _, values in made]
    into.tenants.update(values["id"] for values in rows)

    async def write(connection: AsyncConnection) -> None:
        await store(connection, Tenant, rows)

    return Writing(rows=write if rows else None)


def user(given: Given, *, of: str | None = None) -> Values:
    """Who somebody is here: of one address there is one. `of`: the column of the tenant that they belong to. Raises
    LeftOut for who cannot be reached."""
    into, source_id, email = given.into, given["id"], given["email"]
    try:
        if of is not None:
            given.belong(of)
        if email is None or not _ADDRESS.fullmatch(email):
            raise LeftOut("its address is none")
    except LeftOut:
        into.users.pop(source_id, None)
        raise
    if into.users[source_id] != source_id:
        given.note("a user of this address is here already and stays as it is")
    return {"id": into.users[source_id], "email": email, "password_hash": given["password_hash"], **given.times()}


def username(given: Given) -> str | None:
    """The name to sign in with: one that nobody else has and that looks like no address."""
    name: str | None = given["username"]
    if name is None:
        return None
    if not _USERNAME.fullmatch(name):
        given.note("a username that can be none here was left out: they sign in with their address")
        return None
    who = given.into.users[given["id"]]
    if given.into.usernames.setdefault(name.lower(), who) != who:
        given.note("a username that somebody has already was left out: they sign in with their address")
        return None
    return name


def avatar(given: Given) -> str | None:
    """An address of a picture."""
    url: str | None = given["avatar"]
    if url is None or _PICTURE.fullmatch(url):
        return url
    given.note("an avatar that is no address was left out")
    return None


def verified_at(given: Given) -> datetime | None:
    """When an address was confirmed: a document that only says that it was says when at the latest."""
    said = given["email_verification_status"]
    if str(said).lower() not in _VERIFIED:
        return None
    at: datetime = given.times()["updated_at"]
    return at


def role(given: Given) -> str:
    """A word that is none of ours is a member's."""
    return given.word("role", ROLES, "member")


async def put_users(into: Into, made: Made[tuple[Values | None, Values | None]], report: Report) -> Writing:
    """Users by the columns of their table, and memberships, each of the tenant that it is made for."""
    report.kept += len(made)
    users = [one for _, (one, _membership) in made if one is not None]
    members = [{"tenant_id": tenant_id, **one} for tenant_id, (_user, one) in made if one is not None]

    async def write(connection: AsyncConnection) -> None:
        await store(connection, User, users)
        await store(connection, Membership, members)

    return Writing(rows=write if made else None)
