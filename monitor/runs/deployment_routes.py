"""`/api/v1/deployments` and `/api/v1/compare`: what went out when, and what became of it."""

from dataclasses import asdict
from datetime import datetime
from itertools import zip_longest
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, HttpUrl

from monitor.agents.store import get_agent
from monitor.errors import Unreadable
from monitor.http.deps import Given, Reader, Writer
from monitor.http.described import MISSING
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.http.window import window_of
from monitor.runs import deployments, sides
from monitor.runs.compare import FLOOR, Finding, Metric, Verdict

router = APIRouter(prefix="/api/v1", tags=["runs"])


class NewDeploymentBody(BaseModel):
    """A version that goes out now, or went out `at`. Without an agent it is everybody's."""

    model_config = ConfigDict(extra="forbid")

    version: str = Field(min_length=1, max_length=200)
    agent: str | None = Field(default=None, min_length=1, max_length=200)
    environment: str = Field(default="", max_length=200)
    description: str | None = Field(default=None, max_length=10_000)
    url: HttpUrl | None = None
    at: AwareDatetime | None = None


class DeploymentBody(BaseModel):
    """A version that went out. `source`: told, or seen when a task named the version for the first time."""

    id: UUID
    agent: str | None
    version: str
    environment: str
    source: Literal["told", "seen"]
    description: str | None
    url: str | None
    created_by: str | None
    at: datetime


class FindingBody(BaseModel):
    """How a version differs from the one before. `low`, `high`: 95 % interval of a difference of shares; `p`: of the
    rank test; `larger`: the chance that a task of the new one has the larger value."""

    verdict: Verdict
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    larger: float | None


class SideBody(BaseModel):
    """One version or model. Durations are of completed tasks; percentiles, tokens and costs of its newest 5,000."""

    key: str
    first_seen_at: datetime
    last_seen_at: datetime
    tasks: int
    success_rate: float
    p50_ms: float | None
    p95_ms: float | None
    tokens_per_task: float | None
    cost_per_task_usd: float | None
    before: str | None
    findings: dict[Metric, FindingBody]


class ComparisonBody(BaseModel):
    """Newest first, each with the one before."""

    agent: str
    by: Literal["version", "model"]
    floor: int
    items: list[SideBody]


@router.get("/deployments", responses=MISSING)
async def list_deployments(
    deps: Given, principal: Reader, agent: str | None = None, limit: Limit = 100, cursor: Cursor = None
) -> Page[DeploymentBody]:
    """Deploy markers, newest first; those of one agent with everybody's."""
    before = _place(decode(cursor, parts=2))
    async with deps.db.tenant(principal.tenant_id) as connection:
        agent_id = None
        if agent is not None:
            agent_id = (await get_agent(connection, principal.tenant_id, uuid_of(agent) or agent, deps.clock())).id
        rows = await deployments.list_deployments(
            connection, principal.tenant_id, limit=limit, agent_id=agent_id, before=before
        )
    found = page(rows, limit, lambda row: [row.at.isoformat(timespec="microseconds"), str(row.id)])
    return Page[DeploymentBody](items=[DeploymentBody(**asdict(row)) for row in found["items"]], next=found["next"])


@router.post("/deployments", status_code=201, responses=MISSING)
async def create_deployment(deps: Given, principal: Writer, body: NewDeploymentBody) -> DeploymentBody:
    """Tell of a version that goes out. Where it was seen already, the marker that is there becomes this one."""
    now = deps.clock()
    async with deps.db.tenant(principal.tenant_id) as connection:
        agent_id = None
        if body.agent is not None:
            found = await get_agent(connection, principal.tenant_id, uuid_of(body.agent) or body.agent, now)
            agent_id = found.id
        values = {
            "agent_id": agent_id, "version": body.version, "environment": body.environment,
            "description": body.description, "url": None if body.url is None else str(body.url),
            "created_by": principal.actor, "at": body.at or now,
        }  # fmt: skip
        made = await deployments.tell(connection, principal.tenant_id, values, now=now)
        row = await deployments.get_deployment(connection, principal.tenant_id, made)
        said = body.model_dump(mode="json")
        await deps.audit(connection, principal, "deployment.told", resource=("deployment", str(made)), new=said)
    return DeploymentBody(**asdict(row))


@router.get("/compare", responses=MISSING)
async def compare(
    deps: Given,
    principal: Reader,
    agent: str,
    by: Literal["version", "model"] = "version",
    metric: Metric | None = None,
    window: Annotated[str, Query(max_length=20, description="how far back, as in 30d")] = "30d",
    environment: Annotated[str | None, Query(max_length=200)] = None,
    floor: Annotated[int, Query(ge=5, le=10_000, description="tasks that each side has at least")] = FLOOR,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> ComparisonBody:
    """Each version or model of an agent's finished tasks with the one that was seen first before it."""
    now, span = deps.clock(), window_of(window)
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await get_agent(connection, principal.tenant_id, uuid_of(agent) or agent, now)
        key = (principal.tenant_id, row.id)
        read = await sides.read_sides(
            connection, [key], by=by, since=now - span, environment=environment, limit=limit + 1
        )
        found = read.get(key, [])
    metrics = list(Metric) if metric is None else [metric]
    items = [_side(new, old, metrics, floor) for new, old in zip_longest(found, found[1:])]
    return ComparisonBody(agent=row.external_id, by=by, floor=floor, items=items[:limit])


def _side(new: sides.Side, old: sides.Side | None, metrics: list[Metric], floor: int) -> SideBody:
    findings: dict[Metric, Finding] = {}
    if old is not None:
        findings = {metric: sides.compare(old, new, metric, floor=floor) for metric in metrics}
    return SideBody(
        key=new.key, first_seen_at=new.first_seen_at, last_seen_at=new.last_seen_at, tasks=new.tasks,
        success_rate=new.succeeded / new.tasks, p50_ms=new.percentile(0.5), p95_ms=new.percentile(0.95),
        tokens_per_task=new.mean(Metric.TOKENS), cost_per_task_usd=new.mean(Metric.COST),
        before=None if old is None else old.key,
        findings={metric: FindingBody(**asdict(one)) for metric, one in findings.items()},
    )  # fmt: skip


def _place(key: list[str] | None) -> tuple[datetime, UUID] | None:
    if key is None:
        return None
    made = uuid_of(key[1])
    try:
        at = datetime.strptime(key[0], "%Y-%m-%dT%H:%M:%S.%f%z")
    except ValueError:
        raise Unreadable("cursor is not one that was given out") from None
    if made is None:
        raise Unreadable("cursor is not one that was given out")
    return at, made
