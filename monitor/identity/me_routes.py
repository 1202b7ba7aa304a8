"""`/api/v1/me`: who asks, their names, their password, and whether their address is theirs."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import Conflict, Forbidden
from monitor.http.deps import Given, Reader, origin_of
from monitor.identity import people, sessions
from monitor.identity.accounts import set_password
from monitor.identity.browser import Signs, refuse_foreign, set_session
from monitor.identity.passwords import LONGEST
from monitor.identity.session_store import Method
from monitor.identity.tables import Membership, User
from monitor.principal import Principal

_Name = Annotated[str, Field(min_length=1, max_length=200)]


class MeBody(BaseModel):
    """Who asks. A key is nobody: it has no name, and what it may do is all there is to say."""

    tenant_id: UUID
    scopes: list[str]
    key_id: UUID | None
    user_id: UUID | None
    role: str | None = None
    email: str | None = None
    email_verified_at: datetime | None = None
    username: str | None = None
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    avatar_url: str | None = None
    last_login_at: datetime | None = None


class MePatch(BaseModel):
    """What is to be changed; what is not sent stays, null takes away."""

    model_config = ConfigDict(extra="forbid")

    username: Annotated[str | None, Field(pattern=r"^[^@\s]{1,100}$")] = None
    name: _Name | None = None
    first_name: _Name | None = None
    last_name: _Name | None = None
    avatar_url: Annotated[str | None, Field(pattern=r"^https?://\S+$", max_length=2000)] = None


class PasswordBody(BaseModel):
    """`current`: what it is now; nothing where there is none yet."""

    model_config = ConfigDict(extra="forbid")

    current: Annotated[str | None, Field(max_length=LONGEST)] = None
    new: Annotated[str, Field(max_length=LONGEST)]


async def _myself(principal: Reader) -> Principal:
    if principal.user_id is None or principal.key_id is not None:
        raise Forbidden("sign in: a key is nobody")
    return principal


Myself = Annotated[Principal, Depends(_myself)]

router = APIRouter(prefix="/api/v1/me", tags=["identity"])
_SHOWN = (
    User.email, User.email_verified_at, User.username, User.name, User.first_name, User.last_name, User.avatar_url,
    User.last_login_at,
)  # fmt: skip


@router.get("")
async def get_me(deps: Given, principal: Reader) -> MeBody:
    """Who asks, and what they may do in this tenant."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return await _read(connection, principal)


@router.patch("")
async def patch_me(deps: Given, principal: Myself, body: MePatch) -> MeBody:
    """Change one's names. A username is taken by one person in the whole installation."""
    changes = body.model_dump(exclude_unset=True)
    try:
        async with deps.db.tenant(principal.tenant_id) as connection:
            if changes:
                await connection.execute(update(User).where(User.id == principal.user_id).values(changes))
                # Names are not repeated in a trail that nobody can change.
                await deps.audit(
                    connection, principal, "user.updated", resource=("user", str(principal.user_id)),
                    new={"changed": sorted(changes)},
                )  # fmt: skip
            return await _read(connection, principal)
    except Conflict:
        raise Conflict("this username is taken") from None


@router.post("/password", status_code=204)
async def change_password(
    request: Request, deps: Given, signing: Signs, principal: Myself, body: PasswordBody
) -> Response:
    """Change one's password. Every session of theirs ends, in all tenants; this one is replaced by a new one."""
    refuse_foreign(request, deps.settings)
    assert principal.user_id is not None  # noqa: S101 - `Myself`
    now = deps.clock()
    origin = origin_of(request)
    await signing.attempts.enter(origin.address, str(principal.user_id), what="password", now=now)
    async with deps.db.doorman() as doorman:
        person = await people.find_by_id(doorman, principal.user_id)
    if person is None:
        raise Forbidden("this account is gone")
    if person.password_hash is not None:
        checked = await signing.passwords.check(person.password_hash, body.current or "")
        if not checked.right:
            raise Forbidden("the current password is another one")
    async with deps.db.tenant(principal.tenant_id) as connection:
        await set_password(connection, signing.passwords, person, body.new, path="new", now=now)
        await deps.audit(connection, principal, "user.password_changed", resource=("user", str(person.id)))
        made = await sessions.begin(
            connection, principal.tenant_id, person.id, method=Method.PASSWORD, origin=origin, now=now
        )
    response = Response(status_code=204)
    set_session(response, made, deps.settings)
    return response


async def _read(connection: AsyncConnection, principal: Principal) -> MeBody:
    known: dict[str, Any] = {}
    if principal.user_id is not None and principal.key_id is None:
        query = (
            select(*_SHOWN, Membership.role)
            .join(Membership, Membership.user_id == User.id)
            .where(User.id == principal.user_id, Membership.tenant_id == principal.tenant_id)
        )
        known = dict((await connection.execute(query)).one()._mapping)
    return MeBody(
        tenant_id=principal.tenant_id,
        scopes=sorted(principal.scopes),
        key_id=principal.key_id,
        user_id=principal.user_id,
        **known,
    )
