"""`/api/v1/plans` and `/api/v1/quotas`: what may be used, and what was."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from monitor.http.deps import Given, Reader
from monitor.usage import plans, quotas
from monitor.usage.bodies import Exact
from monitor.usage.quota import Standing, State
from monitor.usage.quota_tables import PlanSource, Resource

router = APIRouter(prefix="/api/v1", tags=["usage"])


class PlanBody(BaseModel):
    """A plan, for a month, in US dollars. `included_usd`: cost of model calls that the price covers. Null: no limit."""

    id: UUID
    slug: str
    name: str
    description: str | None
    price_usd: Exact
    included_usd: Exact
    max_agents: int | None
    daily_requests: int | None
    monthly_tokens: int | None
    source: PlanSource


class QuotaBody(BaseModel):
    """A limit and what is used of it. `said_by`: the tenant's own quota, the tenant's row, its plan, or nobody.

    Not `enforced`: it is counted and nothing is refused. `warn_at`: the share from which on the state is `warned`.
    Agents have no period. Requests that collectors hold in their portions are among those used.
    """

    resource: Resource
    limit: int | None
    used: int
    remaining: int | None
    state: State
    enforced: bool
    warn_at: Exact
    said_by: str
    starts_at: datetime | None
    resets_at: datetime | None

    @classmethod
    def of(cls, one: Standing) -> "QuotaBody":
        """How a quota stands."""
        return cls(**asdict(one), remaining=one.remaining, state=one.state)


@router.get("/plans")
async def list_plans(deps: Given, principal: Reader) -> dict[str, list[PlanBody]]:
    """The plans there are."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await plans.list_plans(connection)
    return {"items": [PlanBody(**asdict(row)) for row in rows]}


@router.get("/quotas")
async def list_quotas(deps: Given, principal: Reader) -> dict[str, list[QuotaBody]]:
    """What the tenant may use, and what it used. Beyond a limit requests that send something are answered 429."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await quotas.standings(connection, principal.tenant_id, now=deps.clock())
    return {"items": [QuotaBody.of(row) for row in rows]}
