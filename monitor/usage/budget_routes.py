"""`/api/v1/budgets`: how much may be spent, and whether an agent that asks may spend more."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import InvalidInput, NotFound, Unreadable
from monitor.http.deps import Given, Reader, Writer
from monitor.http.etags import Match, check_match, etag
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.usage import budgets
from monitor.usage.bodies import (
    MAX_AMOUNT,
    BudgetBody,
    BudgetChanges,
    NewBudgetBody,
    plain,
)
from monitor.usage.pricing import plain_name
from monitor.usage.routes import zone
from monitor.usage.tables import BudgetScope
from monitor.usage.verdict import Standing, forecast

router = APIRouter(prefix="/api/v1", tags=["usage"])

LONGEST_HOLD = timedelta(days=1)
NO_BUDGET = "there is no such budget"
Reserve = Annotated[Decimal, Query(ge=0, le=MAX_AMOUNT, allow_inf_nan=False)]
Name = Annotated[str | None, Query(min_length=1, max_length=200)]


def _body(standing: Standing, now: datetime) -> BudgetBody:
    return BudgetBody(
        **{name: getattr(standing, name) for name in BudgetBody.model_fields if name not in ("target", "exhausted_at")},
        target=standing.whose,
        exhausted_at=forecast(standing, now),
    )


@router.get("/budgets")
async def list_budgets(deps: Given, principal: Reader, limit: Limit = 100, cursor: Cursor = None) -> Page[BudgetBody]:
    """Budgets and where they stand, in the order in which they were made."""
    key, now = decode(cursor, parts=1), deps.clock()
    after = None if key is None else uuid_of(key[0])
    if key is not None and after is None:
        raise Unreadable("cursor is not one that was given out")
    async with deps.db.tenant(principal.tenant_id) as connection:
        ids = await budgets.list_ids(connection, principal.tenant_id, limit=limit, after=after)
        rows = await budgets.standings(connection, principal.tenant_id, ids, now=now)
    found = page(rows, limit, lambda row: [str(row.id)])
    return Page[BudgetBody](items=[_body(row, now) for row in found["items"]], next=found["next"])


@router.post("/budgets", status_code=201)
async def create_budget(deps: Given, principal: Writer, body: NewBudgetBody, response: Response) -> BudgetBody:
    """Make a budget. What was spent in its period so far counts. 409 where there is such a one already."""
    now, tenant_id = deps.clock(), principal.tenant_id
    budget_id = uuid7(now)
    if (body.target is None) is not (body.scope is BudgetScope.TENANT):
        raise InvalidInput("names the agent, model, user or workflow, and nothing for the tenant", path="target")
    async with deps.db.tenant(tenant_id) as connection:
        target = await _stored_target(connection, tenant_id, body)
        values = {
            "scope": body.scope, "target": target, "unit": body.unit, "period": body.period, "limit": body.limit,
            "agent_id": UUID(target) if body.scope is BudgetScope.AGENT else None, "warn_at": body.warn_at,
            "timezone": zone(body.timezone), "enabled": body.enabled,
            "name": body.name or f"{body.target or 'all'} {body.unit} a {body.period}",
        }  # fmt: skip
        await budgets.insert_budget(connection, tenant_id, budget_id, values, now=now)
        new = body.model_dump(mode="json") | {"limit": plain(body.limit), "warn_at": plain(body.warn_at)}
        await deps.audit(connection, principal, "budget.created", resource=("budget", str(budget_id)), new=new)
        return await _one(connection, tenant_id, budget_id, response, now=now)


async def _stored_target(connection: AsyncConnection, tenant_id: UUID, body: NewBudgetBody) -> str:
    if body.target is None:
        return ""
    if body.scope is BudgetScope.MODEL:
        return plain_name(body.target)
    if body.scope is not BudgetScope.AGENT:
        return body.target
    agent_id = await budgets.find_agent(connection, tenant_id, body.target)
    if agent_id is None:
        raise InvalidInput("there is no such agent", path="target")
    return str(agent_id)


@router.get("/budgets/{budget}")
async def get_budget(deps: Given, principal: Reader, budget: str, response: Response) -> BudgetBody:
    """One budget and where it stands. What is spent of it does not change its ETag."""
    now = deps.clock()
    async with deps.db.tenant(principal.tenant_id) as connection:
        return await _one(connection, principal.tenant_id, _id(budget), response, now=now)


@router.patch("/budgets/{budget}")
async def update_budget(
    deps: Given, principal: Writer, budget: str, body: BudgetChanges, response: Response, match: Match = None
) -> BudgetBody:
    """Change the limit, when it warns, its name, or whether it is in force. Fields that are not sent stay."""
    now, values = deps.clock(), body.model_dump(exclude_unset=True)
    async with deps.db.tenant(principal.tenant_id) as connection:
        check_match(await budgets.read_budget(connection, principal.tenant_id, _id(budget), lock=True), match)
        old = await budgets.get_standing(connection, principal.tenant_id, _id(budget), now=now)
        if values:
            await budgets.update_budget(connection, principal.tenant_id, old.id, values)
            await deps.audit(
                connection, principal, "budget.updated", resource=("budget", str(old.id)),
                old=_plain({name: getattr(old, name) for name in values}), new=_plain(values),
            )  # fmt: skip
        return await _one(connection, principal.tenant_id, old.id, response, now=now)


@router.delete("/budgets/{budget}", status_code=204)
async def delete_budget(deps: Given, principal: Writer, budget: str, match: Match = None) -> None:
    """Forget a budget, and what was spent and reserved of it. The calls stay in the ledger."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        check_match(await budgets.delete_budget(connection, principal.tenant_id, _id(budget)), match)
        await deps.audit(connection, principal, "budget.deleted", resource=("budget", str(_id(budget))))


async def _one(
    connection: AsyncConnection, tenant_id: UUID, budget_id: UUID, response: Response, *, now: datetime
) -> BudgetBody:
    response.headers["ETag"] = etag(await budgets.read_budget(connection, tenant_id, budget_id))
    return _body(await budgets.get_standing(connection, tenant_id, budget_id, now=now), now)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def _id(budget: str) -> UUID:
    known = uuid_of(budget)
    if known is None:
        raise NotFound(NO_BUDGET)
    return known
