"""`GET /api/v1/scores`: evaluations and feedback as rows. As series they are `evaluation.<name>`, `feedback.<name>`."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from monitor.agents.store import get_agent
from monitor.errors import Unreadable
from monitor.http.deps import Given, Reader
from monitor.http.described import MISSING
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.runs import scores
from monitor.runs.scores import ScoreSource

router = APIRouter(prefix="/api/v1", tags=["runs"])

Text = Annotated[str | None, Query(max_length=200)]


class ScoreBody(BaseModel):
    """One judgement of a run."""

    id: UUID
    source: ScoreSource
    name: str
    value: float | None
    label: str | None
    comment: str | None
    agent: str
    task_id: UUID | None
    trace_id: str | None
    span_id: str | None
    conversation: str | None
    given_by: str | None
    at: datetime


@router.get("/scores", responses=MISSING)
async def list_scores(
    deps: Given,
    principal: Reader,
    agent: Text = None,
    source: ScoreSource | None = None,
    name: Text = None,
    task_id: UUID | None = None,
    trace_id: Text = None,
    conversation: Text = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ScoreBody]:
    """Scores, newest first."""
    key = decode(cursor, parts=1)
    before = None if key is None else uuid_of(key[0])
    if key is not None and before is None:
        raise Unreadable("cursor is not one that was given out")
    async with deps.db.tenant(principal.tenant_id) as connection:
        agent_id = None
        if agent is not None:
            agent_id = (await get_agent(connection, principal.tenant_id, uuid_of(agent) or agent, deps.clock())).id
        rows = await scores.list_scores(
            connection, principal.tenant_id, limit=limit, before=before, agent_id=agent_id, source=source, name=name,
            task_id=task_id, trace_id=trace_id, conversation=conversation,
        )  # fmt: skip
    found = page(rows, limit, lambda row: [str(row.id)])
    return Page[ScoreBody](items=[ScoreBody(**asdict(row)) for row in found["items"]], next=found["next"])
