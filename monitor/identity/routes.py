"""`/api/v1/tenant`: the tenant itself."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from monitor.http.deps import Admin, Given, Reader
from monitor.identity import store


class TenantBody(BaseModel):
    """The tenant of whom asks. Limits: null: none."""

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


class TenantPatch(BaseModel):
    """What is to be changed; what is not sent stays."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)] = ""
    contact_name: Annotated[str | None, Field(max_length=200)] = None
    contact_email: Annotated[str | None, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)] = None
    auto_register: bool = True


router = APIRouter(prefix="/api/v1", tags=["identity"])


@router.get("/tenant")
async def get_tenant(deps: Given, principal: Reader) -> TenantBody:
    """The tenant that whoever asks acts in."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return _body(await store.get_tenant(connection, principal.tenant_id))


@router.patch("/tenant")
async def patch_tenant(deps: Given, principal: Admin, body: TenantPatch) -> TenantBody:
    """Change what the tenant is called, whom to turn to, and whether agents register by themselves."""
    changes = body.model_dump(exclude_unset=True)
    async with deps.db.tenant(principal.tenant_id) as connection:
        old = await store.get_tenant(connection, principal.tenant_id)
        if not changes:
            return _body(old)
        new = await store.change_tenant(connection, principal.tenant_id, changes)
        await deps.audit(
            connection, principal, "tenant.updated", resource=("tenant", str(principal.tenant_id)),
            old=_said(old, changes), new=_said(new, changes),
        )  # fmt: skip
    return _body(new)


def _body(row: store.TenantRow) -> TenantBody:
    known = asdict(row)
    return TenantBody(**{name: known[name] for name in TenantBody.model_fields})


def _said(row: store.TenantRow, changes: dict[str, Any]) -> dict[str, Any]:
    known = asdict(row)
    return {name: known[name] for name in changes}
