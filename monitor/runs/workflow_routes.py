"""`/api/v1/workflows`: what agents do together, as people define it."""

import re
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import InvalidInput, NotFound
from monitor.http.deps import Given, Reader, Writer
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.runs import graph
from monitor.runs.bodies import NewWorkflowBody, WorkflowBody, WorkflowChanges, WorkflowStatus
from monitor.runs.tables import Workflow

router = APIRouter(prefix="/api/v1", tags=["runs"])

_TABLE = Workflow.metadata.tables[Workflow.__tablename__]
_COLUMNS = [column for column in _TABLE.columns if column.name != "tenant_id"]
# A change of these is a new version: what ran before ran by another definition.
_VERSIONED = ("definition", "agent_ids", "timeout_seconds", "retry")


def _of(tenant_id: UUID) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(Workflow.tenant_id == tenant_id)


async def _find(connection: AsyncConnection, tenant_id: UUID, key: str, *, lock: bool = False) -> dict[str, Any]:
    """By UUID or slug. Raises NotFound."""
    made = uuid_of(key)
    query = _of(tenant_id).where(Workflow.slug == key if made is None else Workflow.id == made)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such workflow")
    return dict(row)


@router.get("/workflows")
async def list_workflows(
    deps: Given, principal: Reader, limit: Limit = 100, cursor: Cursor = None, status: WorkflowStatus | None = None
) -> Page[WorkflowBody]:
    """Workflows by slug."""
    key = decode(cursor, parts=1)
    query = _of(principal.tenant_id).order_by(Workflow.slug).limit(limit + 1)
    if key is not None:
        query = query.where(Workflow.slug > key[0])
    if status is not None:
        query = query.where(Workflow.status == status)
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = [dict(row) for row in (await connection.execute(query)).mappings()]
    return Page[WorkflowBody].model_validate(page(rows, limit, lambda row: [row["slug"]]))


@router.post("/workflows", status_code=201)
async def create_workflow(deps: Given, principal: Writer, body: NewWorkflowBody) -> WorkflowBody:
    """Define a workflow. 409 when the slug is taken."""
    graph.check(body.definition)
    slug = body.slug or re.sub(r"[^\w.-]+", "-", body.name.lower()).strip("-")[:100]
    if not slug:
        raise InvalidInput("none can be made of this name: give one", path="slug")
    workflow_id = uuid7(deps.clock())
    values = body.model_dump() | {"slug": slug}
    async with deps.db.tenant(principal.tenant_id) as connection:
        await connection.execute(insert(_TABLE).values(tenant_id=principal.tenant_id, id=workflow_id, **values))
        await deps.audit(connection, principal, "workflow.created", resource=("workflow", str(workflow_id)), new=values)
        return WorkflowBody.model_validate(await _find(connection, principal.tenant_id, str(workflow_id)))


@router.get("/workflows/{workflow}")
async def get_workflow(deps: Given, principal: Reader, workflow: str) -> WorkflowBody:
    """One workflow, by UUID or slug."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return WorkflowBody.model_validate(await _find(connection, principal.tenant_id, workflow))


@router.patch("/workflows/{workflow}")
async def update_workflow(deps: Given, principal: Writer, workflow: str, body: WorkflowChanges) -> WorkflowBody:
    """Change a workflow. What was executed before stays with it."""
    values = body.model_dump(exclude_unset=True)
    if "definition" in values:
        graph.check(values["definition"])
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await _find(connection, principal.tenant_id, workflow, lock=True)
        old = {name: row[name] for name in values if row[name] != values[name]}
        if old:
            new: dict[str, Any] = {name: values[name] for name in old}
            more = {"version": row["version"] + 1} if old.keys() & set(_VERSIONED) else {}
            await connection.execute(
                update(_TABLE)
                .where(Workflow.tenant_id == principal.tenant_id, Workflow.id == row["id"])
                .values(new | more)
            )
            await deps.audit(
                connection, principal, "workflow.updated", resource=("workflow", str(row["id"])), old=old, new=new
            )
        return WorkflowBody.model_validate(await _find(connection, principal.tenant_id, str(row["id"])))


@router.delete("/workflows/{workflow}", status_code=204)
async def delete_workflow(deps: Given, principal: Writer, workflow: str) -> Response:
    """Remove a definition. Its executions stay, without it."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await _find(connection, principal.tenant_id, workflow, lock=True)
        await connection.execute(
            delete(Workflow).where(Workflow.tenant_id == principal.tenant_id, Workflow.id == row["id"])
        )
        shown = WorkflowBody.model_validate(row).model_dump(mode="json")
        await deps.audit(connection, principal, "workflow.deleted", resource=("workflow", str(row["id"])), old=shown)
    return Response(status_code=204)
