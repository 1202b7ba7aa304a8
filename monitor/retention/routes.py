"""`/api/v1/retention-policies` and what became of them: how long a tenant keeps what, and what has gone."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import InvalidInput, NotFound, Unreadable
from monitor.http.deps import Admin, Given, Reader
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.retention import sweep
from monitor.retention.kinds import Kind, defaults
from monitor.retention.limits import before, policies_of

router = APIRouter(prefix="/api/v1", tags=["retention"])

_COLUMNS = "id, kind, keep_days, max_bytes, enabled, created_by, created_at, updated_at"
_RUNS = "id, kind, status, rows_removed, before, report, started_at, completed_at"


class PolicyChange(BaseModel):
    """What is kept of a kind: days, bytes of rows, or both, whichever removes more."""

    model_config = ConfigDict(extra="forbid")
    keep_days: Annotated[int, Field(ge=1, le=36_600)] | None = None
    max_bytes: Annotated[int, Field(ge=1, le=2**60)] | None = None
    enabled: bool = True


class PolicyBody(PolicyChange):
    """A policy as it stands."""

    model_config = ConfigDict(extra="ignore")
    id: UUID
    kind: Kind
    created_by: str
    created_at: datetime
    updated_at: datetime


class RunBody(BaseModel):
    """One pass that removed something. `report`: rows by table; `before`: the time before which they were."""

    id: UUID
    kind: Kind
    status: str
    rows_removed: int
    before: datetime
    report: dict[str, int]
    started_at: datetime
    completed_at: datetime | None


class PreviewBody(BaseModel):
    """What the next pass would remove because of a policy: rows by table from before a time."""

    policy: UUID
    kind: Kind
    before: datetime
    rows: dict[str, int]


@router.get("/retention-policies")
async def list_policies(deps: Given, principal: Reader) -> list[PolicyBody]:
    """The tenant's own policies. Of other kinds as much is kept as the installation says."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await connection.execute(text(f"SELECT {_COLUMNS} FROM retention_policies ORDER BY kind"))
        return [PolicyBody.model_validate(dict(row._mapping)) for row in rows]


@router.put("/retention-policies/{kind}")
async def set_policy(deps: Given, principal: Admin, kind: Kind, body: PolicyChange) -> PolicyBody:
    """Make or replace the policy for a kind. Rows that it is too old or too much for go within the hour."""
    if body.keep_days is None and body.max_bytes is None:
        raise InvalidInput("keep_days, max_bytes or both are needed", path="keep_days")
    now, given = deps.clock(), body.model_dump()
    async with deps.db.tenant(principal.tenant_id) as connection:
        old = await _find(connection, kind)
        statement = f"""
            INSERT INTO retention_policies (tenant_id, id, kind, keep_days, max_bytes, enabled, created_by)
            VALUES (:tenant, :id, :kind, :keep_days, :max_bytes, :enabled, :actor)
            ON CONFLICT (tenant_id, kind) DO UPDATE
            SET keep_days = EXCLUDED.keep_days, max_bytes = EXCLUDED.max_bytes, enabled = EXCLUDED.enabled
            RETURNING {_COLUMNS}
        """
        values = {"tenant": principal.tenant_id, "id": uuid7(now), "kind": kind.value, "actor": principal.actor}
        row = (await connection.execute(text(statement), values | given)).one()
        before_it = {name: old[name] for name in given} if old else None
        await deps.audit(
            connection, principal, "retention_policy.updated" if old else "retention_policy.created",
            resource=("retention_policy", kind.value), old=before_it, new=given,
        )  # fmt: skip
    return PolicyBody.model_validate(dict(row._mapping))


@router.delete("/retention-policies/{kind}", status_code=204)
async def delete_policy(deps: Given, principal: Admin, kind: Kind) -> None:
    """Go back to what the installation keeps. What has gone does not come back."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        if await _find(connection, kind) is None:
            raise NotFound(f"there is no policy for {kind.value}")
        await connection.execute(text("DELETE FROM retention_policies WHERE kind = :kind"), {"kind": kind.value})
        await deps.audit(
            connection, principal, "retention_policy.deleted", resource=("retention_policy", kind.value)
        )  # fmt: skip


@router.get("/retention-preview")
async def preview(deps: Given, principal: Reader) -> list[PreviewBody]:
    """What the next pass would remove because of the tenant's policies; nothing is removed."""
    now, general = deps.clock(), defaults(deps.settings)
    async with deps.db.tenant(principal.tenant_id) as connection:
        found = []
        for policy in await policies_of(connection):
            since = await before(connection, policy, general[policy.kind], now)
            rows = await sweep.count(connection, policy.kind, principal.tenant_id, since)
            found.append(PreviewBody(policy=policy.id, kind=policy.kind, before=since, rows=rows))
    return found


@router.get("/retention-runs")
async def list_runs(deps: Given, principal: Reader, limit: Limit = 100, cursor: Cursor = None) -> Page[RunBody]:
    """What was removed because of the tenant's policies, newest first; a pass that goes on says how far it is."""
    key = decode(cursor, parts=1)
    after = None if key is None else uuid_of(key[0])
    if key is not None and after is None:
        raise Unreadable("cursor is not one that was given out")
    query = f"""
        SELECT {_RUNS} FROM retention_runs WHERE CAST(:after AS uuid) IS NULL OR id < :after
        ORDER BY id DESC LIMIT :limit
    """
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = (await connection.execute(text(query), {"after": after, "limit": limit + 1})).all()
    found = page(rows, limit, lambda row: [str(row.id)])
    items = [RunBody.model_validate(dict(row._mapping)) for row in found["items"]]
    return Page[RunBody](items=items, next=found["next"])


async def _find(connection: AsyncConnection, kind: Kind) -> dict[str, Any] | None:
    query = f"SELECT {_COLUMNS} FROM retention_policies WHERE kind = :kind FOR UPDATE"
    row = (await connection.execute(text(query), {"kind": kind.value})).one_or_none()
    return dict(row._mapping) if row else None
