"""`/api/v1/api-keys`: made, changed, replaced, revoked."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from alerts.core.duration import format_duration, parse_duration
from monitor.errors import Conflict, Forbidden, InvalidInput
from monitor.http.deps import Admin, Given
from monitor.identity import keys, store
from monitor.identity.grants import Grant
from monitor.identity.store import KeyRow
from monitor.principal import Scope

_LONGEST_GRACE = timedelta(days=30)


class NewKeyBody(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    scopes: list[Grant] = Field(default=[Scope.INGEST], min_length=1)
    agent_id: UUID | None = None
    expires_at: AwareDatetime | None = None


class KeyPatch(BaseModel):
    """What is to be changed; what is not sent stays. `expires_at`: null: never."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)] = ""
    scopes: Annotated[list[Grant], Field(min_length=1)] = []
    expires_at: AwareDatetime | None = None


class RotateBody(BaseModel):
    """`grace`: how long the old key goes on working."""

    model_config = ConfigDict(extra="forbid")

    grace: str | int = "24h"


class KeyBody(BaseModel):
    """A key without its secret. `status`: active, expired or revoked; `last_used_at`: to the minute."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    agent_id: UUID | None
    status: str
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime
    replaces_id: UUID | None


class ShownKeyBody(KeyBody):
    """A key as it is shown once."""

    key: str


router = APIRouter(prefix="/api/v1/api-keys", tags=["identity"])


@router.get("")
async def list_keys(deps: Given, principal: Admin) -> dict[str, list[KeyBody]]:
    """All keys, without their secrets."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await store.list_keys(connection, principal.tenant_id)
    return {"items": [KeyBody(**_shown(row, deps.clock())) for row in rows]}


@router.post("", status_code=201)
async def create_key(deps: Given, principal: Admin, body: NewKeyBody) -> ShownKeyBody:
    """Make a key. Its text is in this answer and never again."""
    made = keys.generate()
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await store.insert_key(
            connection, principal.tenant_id, key=made, name=body.name, scopes=body.scopes, now=deps.clock(),
            agent_id=body.agent_id, user_id=principal.user_id, expires_at=body.expires_at,
        )  # fmt: skip
        await deps.audit(connection, principal, "api_key.created", resource=("api_key", str(row.id)), new=_said(row))
    return ShownKeyBody(**_shown(row, deps.clock()), key=made.text)


@router.patch("/{key_id}")
async def patch_key(deps: Given, principal: Admin, key_id: UUID, body: KeyPatch) -> KeyBody:
    """Change a key's name, scopes or end; effective within a second. One that is over stays so."""
    changes = body.model_dump(mode="json", include={"name", "scopes"}, exclude_unset=True)
    if "expires_at" in body.model_fields_set:
        changes["expires_at"] = body.expires_at
    async with deps.db.tenant(principal.tenant_id) as connection:
        old = await store.get_key(connection, principal.tenant_id, key_id)
        _refuse_over(old, deps.clock())
        new = await store.change_key(connection, principal.tenant_id, key_id, changes) if changes else old
        await deps.audit(
            connection, principal, "api_key.updated", resource=("api_key", str(key_id)), old=_said(old), new=_said(new)
        )
    return KeyBody(**_shown(new, deps.clock()))


@router.post("/{key_id}/rotate", status_code=201)
async def rotate_key(deps: Given, principal: Admin, key_id: UUID, body: RotateBody) -> ShownKeyBody:
    """Make a key in the place of another one, which ends after the grace. As long as the old one was to live, so is
    the new one."""
    grace, now, made = _grace(body), deps.clock(), keys.generate()
    async with deps.db.tenant(principal.tenant_id) as connection:
        old = await store.get_key(connection, principal.tenant_id, key_id)
        _refuse_over(old, now)
        lives = None if old.expires_at is None else now + (old.expires_at - old.created_at)
        row = await store.insert_key(
            connection, principal.tenant_id, key=made, name=old.name, scopes=[Scope(scope) for scope in old.scopes],
            now=now, agent_id=old.agent_id, user_id=principal.user_id, expires_at=lives, replaces_id=old.id,
        )  # fmt: skip
        ends = min(now + grace, old.expires_at or now + grace)
        replaced = await store.change_key(connection, principal.tenant_id, old.id, {"expires_at": ends})
        await deps.audit(
            connection, principal, "api_key.rotated", resource=("api_key", str(old.id)), old=_said(old),
            new=_said(replaced) | {"replaced_by": str(row.id)},
        )  # fmt: skip
    return ShownKeyBody(**_shown(row, now), key=made.text)


@router.delete("/{key_id}")
async def revoke_key(deps: Given, principal: Admin, key_id: UUID) -> KeyBody:
    """Revoke a key, for good; it stops working within a second."""
    if key_id == principal.key_id:
        raise Forbidden("a key cannot revoke itself")
    now = deps.clock()
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await store.revoke_key(connection, principal.tenant_id, key_id, now=now)
        await deps.audit(connection, principal, "api_key.revoked", resource=("api_key", str(row.id)), new=_said(row))
    return KeyBody(**_shown(row, now))


def _grace(body: RotateBody) -> timedelta:
    try:
        grace = parse_duration(body.grace)
    except ValueError as fault:
        raise InvalidInput(str(fault), path="grace") from None
    if not timedelta(0) <= grace <= _LONGEST_GRACE:
        raise InvalidInput(f"must be from 0s to {format_duration(_LONGEST_GRACE)}", path="grace")
    return grace


def _refuse_over(row: KeyRow, now: datetime) -> None:
    """Raise Conflict for a key that nobody can use: it does not come back to life."""
    if row.standing(now) != "active":
        raise Conflict(f"this key is {row.standing(now)}")


def _shown(row: KeyRow, now: datetime) -> dict[str, Any]:
    return asdict(row) | {"status": row.standing(now)}


def _said(row: KeyRow) -> dict[str, Any]:
    ends = None if row.expires_at is None else row.expires_at.isoformat()
    known = {"name": row.name, "prefix": row.prefix, "scopes": list(row.scopes), "status": row.status}
    return known | {"expires_at": ends}
