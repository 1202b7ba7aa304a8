"""`/api/v1/budgets/{scope}/verdict`: may more be spent? And reservations, which keep what is about to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import Forbidden, InvalidInput, NotFound
from monitor.http.deps import Given
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.principal import Principal, Scope, Slice, Verb
from monitor.series.routes import parse_span
from monitor.usage import budgets
from monitor.usage.bodies import MAX_AMOUNT, ReservationBody, SaidBody, VerdictBody
from monitor.usage.pricing import PLACES, plain_name
from monitor.usage.tables import BudgetScope, Unit
from monitor.usage.verdict import Judged, Verdict, judge, strictest

router = APIRouter(prefix="/api/v1", tags=["usage"])

LONGEST_HOLD = timedelta(days=1)
_WRITING = f"{Slice.USAGE}:{Verb.WRITE}"
_RESERVING = frozenset({Scope.INGEST, Scope.WRITE, Scope.ADMIN, _WRITING})
_WORDS = "a budget's id, tenant, agent:NAME, model:NAME, user:NAME or workflow:NAME is expected"


async def _asking(request: Request, deps: Given) -> Principal:
    """Whoever may send calls may ask what they may cost."""
    principal = await deps.authenticate(request)
    for scope, grant in ((Scope.INGEST, None), (Scope.WRITE, _WRITING)):
        if principal.scopes & {scope, grant}:
            principal.require(scope, grant)
            return principal
    principal.require(Scope.READ, f"{Slice.USAGE}:{Verb.READ}")
    return principal


Asker = Annotated[Principal, Depends(_asking)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an agent asks for, of which budgets, and until when it wants it kept."""

    whose: dict[BudgetScope, str]
    reserve: Decimal
    reserve_tokens: Decimal
    until: timedelta

    def of(self, unit: Unit) -> Decimal:
        """What it wants of a budget in this unit."""
        return self.reserve if unit is Unit.COST_USD else self.reserve_tokens

    @property
    def keeps(self) -> bool:
        """Whether anything is to be reserved."""
        return self.reserve > 0 or self.reserve_tokens > 0


def _wanted(
    reserve: Annotated[Decimal, Query(ge=0, le=MAX_AMOUNT, allow_inf_nan=False, description="US dollars")] = Decimal(0),
    reserve_tokens: Annotated[int, Query(ge=0, le=int(MAX_AMOUNT))] = 0,
    hold: Annotated[str, Query(description="how long it is reserved, as in 5m; a day at most")] = "5m",
    agent: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    model: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    user: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    workflow: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
) -> Wanted:
    given = {
        BudgetScope.AGENT: agent, BudgetScope.MODEL: model, BudgetScope.USER: user, BudgetScope.WORKFLOW: workflow,
    }  # fmt: skip
    until = parse_span(hold, path="hold")
    if not timedelta(0) < until <= LONGEST_HOLD:
        raise InvalidInput("more than nothing and at most a day is expected", path="hold")
    if reserve != reserve.quantize(PLACES):
        raise InvalidInput("at most ten decimal places", path="reserve")
    whose = {scope: name for scope, name in given.items() if name is not None}
    if any("\x00" in name for name in whose.values()):
        raise InvalidInput("the character NUL cannot be stored")
    return Wanted(whose, reserve, Decimal(reserve_tokens), until)


@router.get("/budgets/{scope}/verdict")
async def verdict(
    deps: Given, principal: Asker, response: Response, scope: str, wanted: Annotated[Wanted, Depends(_wanted)]
) -> VerdictBody:
    """Whether more may be spent, by every budget in force; the strictest answers, and a denial is a 200 too.

    `scope`: a budget's id, or `tenant`, `agent:NAME`, `model:NAME`, `user:NAME`, `workflow:NAME`: then all budgets that
    a call of these would count in are asked, the tenant's among them; more can be named in the query. `reserve` (US
    dollars) and `reserve_tokens` are kept in all of them, or in none.
    """
    response.headers["Cache-Control"] = "no-store"
    if wanted.keeps and not principal.scopes & _RESERVING:
        raise Forbidden("this key lacks the scope 'ingest': it may ask, and reserve nothing")
    now, budget_id = deps.clock(), uuid_of(scope)
    if budget_id is None:
        wanted = _named(scope, wanted)
    async with deps.db.tenant(principal.tenant_id) as connection:
        agent_id = await _agent(connection, principal, wanted)
        ids = await _asked(connection, principal.tenant_id, budget_id, wanted, agent_id)
        standings = await budgets.standings(connection, principal.tenant_id, ids, now=now)
        if budget_id is not None and not standings:
            raise NotFound("there is no such budget")
        standings = [standing for standing in standings if standing.enabled]
        for standing in standings:
            if budget_id is not None and wanted.keeps and not wanted.of(standing.unit):
                raise InvalidInput(f"this budget counts {standing.unit}", path="reserve")
            if standing.scope is BudgetScope.AGENT and agent_id is None:
                agent_id = UUID(standing.target)
        judged = [judge(standing, wanted.of(standing.unit), now) for standing in standings]
        kept = await _reserve(connection, principal.tenant_id, judged, wanted, agent_id=agent_id, now=now)
    return _answer(judged, kept)


def _named(scope: str, wanted: Wanted) -> Wanted:
    """What is asked for, with what the path names."""
    if scope == BudgetScope.TENANT:
        return wanted
    kind, colon, name = scope.partition(":")
    if not colon or not name or "\x00" in name or len(name) > 200 or kind not in set(BudgetScope) - {"tenant"}:
        raise InvalidInput(_WORDS, path="scope")
    return Wanted(wanted.whose | {BudgetScope(kind): name}, wanted.reserve, wanted.reserve_tokens, wanted.until)


async def _agent(connection: AsyncConnection, principal: Principal, wanted: Wanted) -> UUID | None:
    """Who is going to spend: the agent that is named, else the one that the key is bound to."""
    name = wanted.whose.get(BudgetScope.AGENT)
    if name is None:
        return principal.agent_id
    # One that has never been heard of has no budget of its own yet.
    agent_id = await budgets.find_agent(connection, principal.tenant_id, name)
    if principal.agent_id is not None and agent_id != principal.agent_id:
        raise Forbidden("this key is bound to another agent")
    return agent_id


async def _asked(
    connection: AsyncConnection, tenant_id: UUID, budget_id: UUID | None, wanted: Wanted, agent_id: UUID | None
) -> Sequence[UUID]:
    if budget_id is not None:
        if wanted.keeps:
            await budgets.hold(connection, tenant_id, budget_id)
        return [budget_id]
    whose = dict(wanted.whose)
    whose.pop(BudgetScope.AGENT, None)
    if agent_id is not None:
        whose[BudgetScope.AGENT] = str(agent_id)
    if BudgetScope.MODEL in whose:
        whose[BudgetScope.MODEL] = plain_name(whose[BudgetScope.MODEL])
    return await budgets.applying(connection, tenant_id, whose, lock=wanted.keeps)


async def _reserve(
    connection: AsyncConnection,
    tenant_id: UUID,
    judged: Sequence[Judged],
    wanted: Wanted,
    *,
    agent_id: UUID | None,
    now: datetime,
) -> ReservationBody | None:
    amounts = {each.standing.id: wanted.of(each.standing.unit) for each in judged if wanted.of(each.standing.unit)}
    if not amounts or any(each.verdict is Verdict.DENY for each in judged):
        return None
    reservation_id, until = uuid7(now), now + wanted.until
    await budgets.insert_reservation(
        connection, tenant_id, reservation_id, amounts, agent_id=agent_id, now=now, until=until
    )
    return ReservationBody(id=reservation_id, expires_at=until)


def _answer(judged: Sequence[Judged], kept: ReservationBody | None) -> VerdictBody:
    counts = strictest(judged)
    said = [_said(each) for each in judged]
    if counts is None:
        return VerdictBody(
            verdict=Verdict.ALLOW, budget=None, unit=None, limit=None, remaining=None, resets_at=None,
            exhausted_at=None, reservation=None, budgets=[],
        )  # fmt: skip
    return VerdictBody(
        verdict=counts.verdict,
        budget=counts.standing.id,
        unit=counts.standing.unit,
        limit=counts.standing.limit,
        remaining=counts.remaining,
        resets_at=counts.standing.resets_at,
        exhausted_at=counts.exhausted_at,
        reservation=kept,
        budgets=said,
    )


def _said(judged: Judged) -> SaidBody:
    standing = judged.standing
    return SaidBody(
        id=standing.id,
        name=standing.name,
        scope=standing.scope,
        target=standing.whose,
        unit=standing.unit,
        verdict=judged.verdict,
        limit=standing.limit,
        spent=standing.spent,
        reserved=standing.reserved,
        remaining=judged.remaining,
        resets_at=standing.resets_at,
        exhausted_at=judged.exhausted_at,
    )


@router.delete("/budgets/reservations/{reservation}", status_code=204)
async def release(deps: Given, principal: Asker, reservation: str) -> None:
    """Give back what is left of a reservation, in every budget that it was made of."""
    if not principal.scopes & _RESERVING:
        raise Forbidden("this key lacks the scope 'ingest'")
    known = uuid_of(reservation)
    if known is None:
        raise NotFound("there is no such reservation")
    async with deps.db.tenant(principal.tenant_id) as connection:
        await budgets.release(connection, principal.tenant_id, known, now=deps.clock(), agent_id=principal.agent_id)
