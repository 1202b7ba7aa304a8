"""`/api/v1/escalations`: steps that rules name, taken until somebody acknowledges."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.bodies import Text
from alerts.configs import check_storable, with_secrets, without_secrets
from alerts.core.condition import ConditionError
from alerts.core.rule import parse_steps
from alerts.escalation_tables import EscalationRow
from alerts.names import check_channels
from monitor.errors import InvalidInput, NotFound
from monitor.http.deps import Given, Reader, Writer
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.named import Named, refuse_named


class EscalationBody(BaseModel):
    """A policy. `steps` are those of a rule: `[{"after": "15m", "channels": {…}}, …]`."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    steps: Any


class EscalationPatch(BaseModel):
    """What is to be changed."""

    model_config = ConfigDict(extra="forbid")

    name: Text = ""
    steps: Any = None


class EscalationAnswer(BaseModel):
    """A policy as it stands, without secrets."""

    id: UUID
    name: str
    steps: list[Any]
    created_at: datetime
    updated_at: datetime


router = APIRouter(prefix="/api/v1/escalations", tags=["alerts"])


@router.post("", status_code=201)
async def create_escalation(deps: Given, principal: Writer, body: EscalationBody) -> EscalationAnswer:
    """Name a policy, for rules to use as `"escalate": name`."""
    tenant_id, policy_id = principal.tenant_id, uuid7(deps.clock())
    async with deps.db.tenant(tenant_id) as connection:
        await _check(connection, tenant_id, body.steps)
        values = {"id": policy_id, "name": body.name, "steps": body.steps}
        await connection.execute(insert(EscalationRow).values(tenant_id=tenant_id, **values))
        answer = _answer(await _get(connection, tenant_id, str(policy_id)))
        await deps.audit(
            connection, principal, "escalation.created", resource=("escalation", str(policy_id)), new=_said(answer)
        )
        return answer


@router.get("")
async def list_escalations(
    deps: Given, principal: Reader, limit: Limit = 100, cursor: Cursor = None
) -> Page[EscalationAnswer]:
    """Policies, by name."""
    key = decode(cursor, parts=1)
    query = _select(principal.tenant_id).order_by(EscalationRow.name).limit(limit + 1)
    if key is not None:
        query = query.where(EscalationRow.name > key[0])
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = (await connection.execute(query)).all()
    found = page(rows, limit, lambda row: [row.name])
    return Page[EscalationAnswer](items=[_answer(row) for row in found["items"]], next=found["next"])


@router.get("/{escalation}")
async def get_escalation(deps: Given, principal: Reader, escalation: str) -> EscalationAnswer:
    """One policy, by id or name."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return _answer(await _get(connection, principal.tenant_id, escalation))


@router.patch("/{escalation}")
async def patch_escalation(deps: Given, principal: Writer, escalation: str, body: EscalationPatch) -> EscalationAnswer:
    """Change a policy; rules that name it go by the new steps from the next pass on."""
    tenant_id, sent = principal.tenant_id, body.model_dump(exclude_unset=True)
    async with deps.db.tenant(tenant_id) as connection:
        old = await _get(connection, tenant_id, escalation)
        if "steps" in sent:
            sent["steps"] = with_secrets(sent["steps"], old.steps)
            await _check(connection, tenant_id, sent["steps"])
        if sent.get("name", old.name) != old.name:
            await refuse_named(connection, tenant_id, Named.POLICY, old.name)
        if sent:
            await connection.execute(update(EscalationRow).where(*_one(old)).values(**sent))
        new = _answer(await _get(connection, tenant_id, str(old.id)))
        await deps.audit(
            connection, principal, "escalation.updated", resource=("escalation", str(old.id)),
            old=_said(_answer(old)), new=_said(new),
        )  # fmt: skip
        return new


@router.delete("/{escalation}", status_code=204)
async def delete_escalation(deps: Given, principal: Writer, escalation: str) -> None:
    """Delete a policy that nothing names any more; 409 otherwise."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        old = await _get(connection, principal.tenant_id, escalation)
        await refuse_named(connection, principal.tenant_id, Named.POLICY, old.name)
        await connection.execute(delete(EscalationRow).where(*_one(old)))
        await deps.audit(connection, principal, "escalation.deleted", resource=("escalation", str(old.id)))


async def _check(connection: AsyncConnection, tenant_id: UUID, steps: Any) -> None:
    try:
        check_storable(steps)
        parsed = parse_steps(steps, "steps")
    except ConditionError as fault:
        raise InvalidInput(fault.message, path=fault.path) from fault
    await check_channels(connection, tenant_id, [step.channels for step in parsed], path="steps.channels")


def _select(tenant_id: UUID) -> Any:
    return select(*EscalationRow.__table__.columns).where(EscalationRow.tenant_id == tenant_id)


async def _get(connection: AsyncConnection, tenant_id: UUID, key: str) -> Any:
    policy_id = uuid_of(key)
    where = EscalationRow.name == key if policy_id is None else EscalationRow.id == policy_id
    row = (await connection.execute(_select(tenant_id).where(where))).first()
    if row is None:
        raise NotFound("there is no such escalation policy")
    return row


def _one(row: Any) -> tuple[Any, ...]:
    return EscalationRow.tenant_id == row.tenant_id, EscalationRow.id == row.id


def _answer(row: Any) -> EscalationAnswer:
    return EscalationAnswer.model_validate({**row._mapping, "steps": without_secrets(row.steps)})


def _said(answer: EscalationAnswer) -> dict[str, Any]:
    return {"name": answer.name, "steps": answer.steps}
