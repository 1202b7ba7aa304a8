"""`/api/v1/inhibitions`: which alerts are not told while another one, that explains them, is open."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.muting_bodies import InhibitionAnswer, InhibitionBody
from alerts.muting_tables import Inhibition
from alerts.silence_routes import matchers_of
from monitor.errors import NotFound
from monitor.http.deps import Given, Reader, Writer
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.ids import uuid7

router = APIRouter(prefix="/api/v1/inhibitions", tags=["alerts"])


@router.post("", status_code=201)
async def create_inhibition(deps: Given, principal: Writer, body: InhibitionBody) -> InhibitionAnswer:
    """Make a rule; it holds from the next tick on."""
    now = deps.clock()
    said = _said(body)
    values = {**said, "id": uuid7(now), "created_by": principal.actor, "created_at": now, "updated_at": now}
    async with deps.db.tenant(principal.tenant_id) as connection:
        await connection.execute(insert(Inhibition).values(tenant_id=principal.tenant_id, **values))
        resource = ("inhibition", str(values["id"]))
        await deps.audit(connection, principal, "inhibition.created", resource=resource, new=said)
        return _answer(await _get(connection, principal.tenant_id, values["id"]))


@router.get("")
async def list_inhibitions(
    deps: Given, principal: Reader, limit: Limit = 100, cursor: Cursor = None
) -> Page[InhibitionAnswer]:
    """Inhibition rules, by name."""
    key = decode(cursor, parts=1)
    query = _select(principal.tenant_id).order_by(Inhibition.name).limit(limit + 1)
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = (await connection.execute(query.where(Inhibition.name > key[0]) if key else query)).all()
    found = page(rows, limit, lambda row: [row.name])
    return Page[InhibitionAnswer](items=[_answer(row) for row in found["items"]], next=found["next"])


@router.get("/{inhibition_id}")
async def get_inhibition(deps: Given, principal: Reader, inhibition_id: UUID) -> InhibitionAnswer:
    """One inhibition rule."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return _answer(await _get(connection, principal.tenant_id, inhibition_id))


@router.put("/{inhibition_id}")
async def put_inhibition(deps: Given, principal: Writer, inhibition_id: UUID, body: InhibitionBody) -> InhibitionAnswer:
    """Replace a rule."""
    said = _said(body)
    async with deps.db.tenant(principal.tenant_id) as connection:
        old = await _get(connection, principal.tenant_id, inhibition_id)
        where = (Inhibition.tenant_id == principal.tenant_id, Inhibition.id == inhibition_id)
        await connection.execute(update(Inhibition).where(*where).values(**said, updated_at=deps.clock()))
        before = {name: getattr(old, name) for name in said}
        resource = ("inhibition", str(inhibition_id))
        await deps.audit(connection, principal, "inhibition.updated", resource=resource, old=before, new=said)
        return _answer(await _get(connection, principal.tenant_id, inhibition_id))


@router.delete("/{inhibition_id}", status_code=204)
async def delete_inhibition(deps: Given, principal: Writer, inhibition_id: UUID) -> None:
    """Delete a rule; what it withheld is told at the next tick, where it still fires."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        await _get(connection, principal.tenant_id, inhibition_id)
        where = (Inhibition.tenant_id == principal.tenant_id, Inhibition.id == inhibition_id)
        await connection.execute(delete(Inhibition).where(*where))
        resource = ("inhibition", str(inhibition_id))
        await deps.audit(connection, principal, "inhibition.deleted", resource=resource)


def _said(body: InhibitionBody) -> dict[str, Any]:
    return {
        "name": body.name,
        "source": matchers_of(body.source, "source"),
        "target": matchers_of(body.target, "target"),
        "equal": list(dict.fromkeys(body.equal)),
    }


def _select(tenant_id: UUID) -> Any:
    return select(*Inhibition.__table__.columns).where(Inhibition.tenant_id == tenant_id)


async def _get(connection: AsyncConnection, tenant_id: UUID, inhibition_id: UUID) -> Any:
    row = (await connection.execute(_select(tenant_id).where(Inhibition.id == inhibition_id))).first()
    if row is None:
        raise NotFound("there is no such inhibition rule")
    return row


def _answer(row: Any) -> InhibitionAnswer:
    return InhibitionAnswer.model_validate(row._mapping)
