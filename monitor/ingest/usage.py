"""POST /api/v1/usage: how much of something was used in a period, as callers count it themselves."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from monitor.agents.registry import AgentRef
from monitor.errors import TooLarge, Unreadable
from monitor.http import problems
from monitor.ingest.decode import ROWS_LIMIT
from monitor.ingest.entry import entered
from monitor.ingest.payloads import Outcome
from monitor.ingest.schema import PROBLEMS, Rejected
from monitor.ingest.service import Ingest
from monitor.principal import Principal
from monitor.usage import metrics
from monitor.usage.bodies import no_nul
from monitor.usage.metrics import Counted, Metric
from monitor.usage.quota import period
from monitor.usage.quota_tables import Resource

_AHEAD = timedelta(days=31)
_MOST = 2**63 - 1
_LONGEST_METADATA = 16_384
_ABOUT = (
    "One object, or an array. The same type, agent, user and period again replaces the value. Without a period it is "
    "this day's, by UTC. Every good row is kept and every bad one named; 422 when none is. What is counted here "
    f"({', '.join(Counted)}) cannot be told."
)
_Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(no_nul)]


class UsageIn(BaseModel):
    """How much of something was used. `agent`: its external id; none for the whole tenant."""

    model_config = ConfigDict(extra="forbid")

    type: _Text
    value: Annotated[int, Field(ge=0, le=_MOST)]
    agent: _Text | None = None
    user: UUID | None = None
    period_start: AwareDatetime | None = None
    period_end: AwareDatetime | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class UsageKept(BaseModel):
    """How many rows are kept, and those that are not."""

    accepted: int
    rejected: list[Rejected]


def mount(routes: APIRouter, ingest: Ingest) -> None:
    """Add it to the ingest routes."""
    schema = UsageIn.model_json_schema()
    many = {"oneOf": [schema, {"type": "array", "items": schema, "maxItems": ROWS_LIMIT}]}
    routes.add_api_route(
        "/api/v1/usage", _posting(ingest), methods=["POST"], status_code=201, name="post_usage",
        summary="Tell what was used", description=_ABOUT, tags=["usage"], response_class=Response,
        responses={**PROBLEMS, 201: {"model": UsageKept}},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": many}}}},
    )  # fmt: skip


def _posting(ingest: Ingest) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        async with entered(ingest, request) as (principal, raw):
            given = _decoded(raw)
            outcome = Outcome()
            rows = [(index, row) for index, one in enumerate(given) if (row := _row(index, one, outcome)) is not None]
            await _keep(ingest, principal, rows, outcome)
        if not outcome.accepted:
            return problems.problem(422, "invalid_input", "no row is kept: each is named", **outcome.body())
        return Response(msgspec.json.encode(outcome.body()), status_code=201, media_type="application/json")

    return endpoint


def _decoded(raw: bytes) -> list[Any]:
    try:
        given = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
        raise Unreadable(f"the body is not JSON: {fault}") from None
    rows = given if isinstance(given, list) else [given]
    if len(rows) > ROWS_LIMIT:
        raise TooLarge(f"more than {ROWS_LIMIT} rows in one request")
    return rows


def _row(index: int, given: Any, outcome: Outcome) -> UsageIn | None:
    try:
        row = UsageIn.model_validate(given)
    except ValidationError as fault:
        said = (f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in fault.errors())
        outcome.reject(index, "; ".join(said))
        return None
    if row.type in set(Counted):
        outcome.reject(index, f"type: {row.type} is counted here")
    elif "\\u0000" in (text := msgspec.json.encode(row.metadata).decode()) or len(text) > _LONGEST_METADATA:
        outcome.reject(index, f"metadata: at most {_LONGEST_METADATA} characters of JSON, none of them NUL")
    elif (row.period_start is None) is not (row.period_end is None):
        outcome.reject(index, "period_start, period_end: both or none")
    else:
        return row
    return None


async def _keep(ingest: Ingest, principal: Principal, rows: Sequence[tuple[int, UsageIn]], outcome: Outcome) -> None:
    now, bound = ingest.deps.clock(), principal.agent_id
    names = {row.agent for _, row in rows if row.agent is not None}
    refs = await ingest.registry.resolve(principal.tenant_id, names, now=now, register=bound is None)
    today = period(Resource.REQUESTS, now)[0] or now
    made: list[Metric] = []
    for index, row in rows:
        ref = None if row.agent is None else refs[row.agent]
        start = today if row.period_start is None else row.period_start
        end = today + timedelta(days=1) if row.period_end is None else row.period_end
        if isinstance(ref, str):
            outcome.reject(index, ref)
        elif bound is not None and (ref is None or ref.id != bound):
            outcome.reject(index, "this key is bound to another agent")
        elif not now - metrics.KEPT < start < end <= now + _AHEAD:
            outcome.reject(index, "period_start: before its end, not older than metrics are kept, not in the future")
        else:
            made.append(
                Metric(
                    tenant_id=principal.tenant_id, type=row.type, value=row.value, start=start, end=end,
                    agent_id=ref.id if isinstance(ref, AgentRef) else None, user_id=row.user, metadata=row.metadata,
                )
            )  # fmt: skip
    if made:
        async with ingest.deps.db.tenant(principal.tenant_id) as connection:
            await metrics.put(connection, made, now=now)
    outcome.accepted += len(made)
