"""`/api/v1/usage-metrics`, `/api/v1/usage/months`, `/api/v1/billing-records`: what was used, what it comes to."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from monitor.errors import InvalidInput, NotFound, Unreadable
from monitor.http.deps import Given, Reader
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.ids import from_microseconds
from monitor.series.routes import parse_time
from monitor.usage import metrics, months, statements
from monitor.usage.bodies import Exact
from monitor.usage.routes import MOST_ROWS, NoNul
from monitor.usage.statement_tables import BillingStatus

router = APIRouter(prefix="/api/v1", tags=["usage"])
Name = Annotated[str | None, Query(min_length=1, max_length=200), NoNul]


class MetricBody(BaseModel):
    """How much of something was used in a period. Without an agent it is of the whole tenant."""

    id: UUID
    type: str
    value: int
    agent: str | None
    user: UUID | None
    period_start: datetime
    period_end: datetime
    metadata: dict[str, Any]
    recorded_at: datetime


class MonthBody(BaseModel):
    """What a month's calls of an agent and model come to. `cost_usd` is that of the calls with a known price."""

    month: datetime
    agent: str
    model: str | None
    provider: str | None
    calls: int
    failed: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    cost_usd: Exact


class RecordBody(BaseModel):
    """A month's statement, in US dollars. Its `lines` add up to `total_usd`, and those of kind `calls` to `usage_usd`.

    Lines are of kind `plan`, `calls` (by agent and model), `included` (what the plan covers) and `correction` (by how
    much calls of an earlier month, told or priced since, change what was due). A draft is computed anew all the time.
    """

    id: UUID
    period_start: datetime
    period_end: datetime
    plan: str
    status: BillingStatus
    calls: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    usage_usd: Exact
    included_usd: Exact
    plan_usd: Exact
    total_usd: Exact
    lines: list[dict[str, Any]]
    computed_at: datetime
    issued_at: datetime | None
    paid_at: datetime | None


@router.get("/usage-metrics")
async def list_metrics(
    deps: Given,
    principal: Reader,
    limit: Limit = 100,
    cursor: Cursor = None,
    type: Name = None,  # noqa: A002 - the name that callers know
    agent: Name = None,
    user: UUID | None = None,
    start: str = "-30d",
    end: str = "now",
) -> Page[MetricBody]:
    """What was used by periods that begin between two times: counted here once an hour, or told by callers."""
    low, high = _times(deps, start, end)
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await metrics.list_metrics(
            connection, principal.tenant_id, start=low, end=high, limit=limit, after=_after(cursor), type=type,
            agent=agent, user=user,
        )  # fmt: skip
    found = page([MetricBody(**row) for row in rows], limit, lambda row: [str(row.id)])
    return Page[MetricBody](**found)


@router.get("/usage/months")
async def list_months(
    deps: Given, principal: Reader, start: str = "-400d", end: str = "now"
) -> dict[str, list[MonthBody]]:
    """Calls by month, agent and model, as of the last time that they were added up: every six hours."""
    low, high = _times(deps, start, end)
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await months.read(connection, start=low, end=high, at_most=MOST_ROWS + 1)
    if len(rows) > MOST_ROWS:
        raise InvalidInput(f"this would be more than {MOST_ROWS} rows: ask for less time", path="start")
    return {"items": [MonthBody(**row) for row in rows]}


@router.get("/billing-records")
async def list_records(deps: Given, principal: Reader, limit: Limit = 100, cursor: Cursor = None) -> Page[RecordBody]:
    """Statements, the newest month first."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await statements.list_records(connection, principal.tenant_id, limit=limit, before=_after(cursor))
    found = page([RecordBody(**row) for row in rows], limit, lambda row: [str(row.id)])
    return Page[RecordBody](**found)


@router.get("/billing-records/{record}")
async def get_record(deps: Given, principal: Reader, record: str) -> RecordBody:
    """One month's statement."""
    known = uuid_of(record)
    if known is None:
        raise NotFound("there is no such statement")
    async with deps.db.tenant(principal.tenant_id) as connection:
        return RecordBody(**await statements.get_record(connection, principal.tenant_id, known))


def _after(cursor: str | None) -> UUID | None:
    key = decode(cursor, parts=1)
    after = None if key is None else uuid_of(key[0])
    if key is not None and after is None:
        raise Unreadable("cursor is not one that was given out")
    return after


def _times(deps: Given, start: str, end: str) -> tuple[datetime, datetime]:
    now = deps.clock()
    low, high = parse_time(start, now=now, path="start"), parse_time(end, now=now, path="end")
    if not low < high:
        raise InvalidInput("must lie before end", path="start")
    # Ids carry times since 1970.
    return max(low, from_microseconds(0)), high
