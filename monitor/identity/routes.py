"""`/api/v1/tenant` and `/api/v1/api-keys`."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from monitor.errors import Forbidden
from monitor.http.deps import Admin, Given, Reader
from monitor.identity import keys, store
from monitor.principal import Scope, check_grant

Grant = Annotated[str, AfterValidator(check_grant)]


class NewKeyBody(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    scopes: list[Grant] = Field(default=[Scope.INGEST], min_length=1)
    agent_id: UUID | None = None
    expires_at: AwareDatetime | None = None


class KeyBody(BaseModel):
    """A key without its secret."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    agent_id: UUID | None
    status: str
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class ShownKeyBody(KeyBody):
    """A key as it is shown once."""

    key: str


class TenantBody(BaseModel):
    """The tenant of the key that asks."""

    id: UUID
    slug: str
    name: str
    status: str
    plan: str
    auto_register: bool
    created_at: datetime


router = APIRouter(prefix="/api/v1", tags=["identity"])


@router.get("/tenant")
async def get_tenant(deps: Given, principal: Reader) -> TenantBody:
    """The tenant that this key belongs to."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return TenantBody(**asdict(await store.get_tenant(connection, principal.tenant_id)))


@router.get("/api-keys")
async def list_keys(deps: Given, principal: Admin) -> dict[str, list[KeyBody]]:
    """All keys, without their secrets."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await store.list_keys(connection, principal.tenant_id)
    return {"items": [KeyBody(**asdict(row)) for row in rows]}


@router.post("/api-keys", status_code=201)
async def create_key(deps: Given, principal: Admin, body: NewKeyBody) -> ShownKeyBody:
    """Make a key. Its text is in this answer and never again."""
    made = keys.generate()
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await store.insert_key(
            connection, principal.tenant_id, key=made, name=body.name, scopes=body.scopes, now=deps.clock(),
            agent_id=body.agent_id, user_id=principal.user_id, expires_at=body.expires_at,
        )  # fmt: skip
        await deps.audit(connection, principal, "api_key.created", resource=("api_key", str(row.id)), new=_said(row))
    return ShownKeyBody(**asdict(row), key=made.text)


@router.delete("/api-keys/{key_id}")
async def revoke_key(deps: Given, principal: Admin, key_id: UUID) -> KeyBody:
    """Revoke a key; it stops working within a second."""
    if key_id == principal.key_id:
        raise Forbidden("a key cannot revoke itself")
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await store.revoke_key(connection, principal.tenant_id, key_id)
        await deps.audit(connection, principal, "api_key.revoked", resource=("api_key", str(row.id)), new=_said(row))
    return KeyBody(**asdict(row))


def _said(row: store.KeyRow) -> dict[str, Any]:
    return {"name": row.name, "prefix": row.prefix, "scopes": list(row.scopes), "status": row.status}
