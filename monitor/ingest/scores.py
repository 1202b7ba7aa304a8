"""Judgements of runs on their way in: rows of `scores`, and points of series that rules can read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from monitor.agents.registry import AgentRef
from monitor.errors import Forbidden, InvalidInput
from monitor.http.described import MISSING
from monitor.ids import from_microseconds, microseconds, uuid7, uuid7_named, uuid7_time
from monitor.ingest.normalise.outcome import Score
from monitor.ingest.payloads import MetricIn
from monitor.ingest.privacy import Policy
from monitor.ingest.service import Ingest
from monitor.ingest.values import NAME_LIMIT, Fault, clean
from monitor.principal import Principal, Scope
from monitor.runs import scores
from monitor.runs.scores import NewScore, ScoreSource

COMMENT_LIMIT = 10_000


class FeedbackBody(BaseModel):
    """What somebody thinks of a run: of a `task`, of a `trace_id`, or of an `agent` as such. `thumbs` is a score of 1
    or 0. `id`: the same is the same feedback, however often it is sent."""

    model_config = ConfigDict(extra="forbid")

    task: UUID | None = None
    trace_id: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{32}$")
    agent: str | None = Field(default=None, min_length=1, max_length=NAME_LIMIT)
    name: str = Field(default="user", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    score: float | None = Field(default=None, allow_inf_nan=False)
    thumbs: bool | None = Field(default=None, description="true for up")
    label: str | None = Field(default=None, min_length=1, max_length=200)
    comment: str | None = Field(default=None, min_length=1, max_length=COMMENT_LIMIT)
    given_by: str | None = Field(default=None, min_length=1, max_length=NAME_LIMIT)
    at: AwareDatetime | None = None
    id: str | None = Field(default=None, min_length=1, max_length=NAME_LIMIT)

    @model_validator(mode="after")
    def _says_something(self) -> "FeedbackBody":
        if self.task is None and self.trace_id is None and self.agent is None:
            raise ValueError("one of task, trace_id and agent is expected")
        if self.score is not None and self.thumbs is not None:
            raise ValueError("one of score and thumbs is expected, not both")
        if self.score is None and self.thumbs is None and self.label is None and self.comment is None:
            raise ValueError("one of score, thumbs, label and comment is expected")
        return self


class KeptBody(BaseModel):
    """The feedback that was kept."""

    id: UUID
    agent: str


def router(ingest: Ingest) -> APIRouter:
    """The route of feedback."""
    routes = APIRouter(prefix="/api/v1", tags=["runs"])

    @routes.post("/feedback", status_code=201, responses=MISSING)
    async def post_feedback(request: Request, body: FeedbackBody) -> KeptBody:
        """Keep what somebody thinks of a run. A score is also a point of the series `feedback.<name>`."""
        principal = await ingest.deps.authenticate(request)
        principal.require(Scope.INGEST)
        return await _keep_feedback(ingest, principal, body)

    return routes


async def _keep_feedback(ingest: Ingest, principal: Principal, body: FeedbackBody) -> KeptBody:
    now, tenant_id = ingest.deps.clock(), principal.tenant_id
    at = body.at or now
    try:
        ingest.window().check(microseconds(at), "at")
    except Fault as fault:
        raise InvalidInput(str(fault).partition(": ")[2], path="at") from None
    judged: dict[str, Any] = {"trace_id": body.trace_id and body.trace_id.lower()}
    agent = body.agent
    if body.task is not None or (body.trace_id is not None and agent is None):
        async with ingest.deps.db.tenant(tenant_id) as connection:
            run = await scores.find_judged(connection, tenant_id, task_id=body.task, trace_id=judged["trace_id"])
        judged = {"task_id": run.task_id, "trace_id": run.trace_id, "conversation": run.conversation}
        agent = run.agent
    ref = await _agent(ingest, principal, agent or "", now)
    policy = await ingest.privacy.of(tenant_id)
    value = float(body.thumbs) if body.thumbs is not None else body.score
    made = NewScore(
        id=uuid7(at) if body.id is None else uuid7_named(_own_time(body, judged), body.id),
        source=ScoreSource.FEEDBACK, name=body.name, agent_id=ref.id, at=at, value=value,
        label=None if body.label is None else policy.text(clean(body.label)),
        comment=None if body.comment is None else policy.text(clean(body.comment)),
        given_by=None if body.given_by is None else policy.name(clean(body.given_by)), **judged,
    )  # fmt: skip
    await _keep(ingest, principal, [made], {ref.id: ref.external_id})
    return KeptBody(id=made.id, agent=ref.external_id)


def _own_time(body: FeedbackBody, judged: dict[str, Any]) -> int:
    """The time that a caller's own id is made with: the same whenever it is sent again."""
    if body.at is not None:
        return microseconds(body.at)
    if judged.get("task_id") is None:
        raise InvalidInput("expected with an id, unless a task or a trace is named", path="at")
    return microseconds(uuid7_time(judged["task_id"]))


async def _agent(ingest: Ingest, principal: Principal, name: str, now: datetime) -> AgentRef:
    bound = principal.agent_id
    ref = (await ingest.registry.resolve(principal.tenant_id, [name], now=now, register=bound is None))[name]
    if isinstance(ref, str):
        raise InvalidInput(ref, path="agent")
    if bound is not None and ref.id != bound:
        raise Forbidden("this key is bound to another agent")
    return ref


async def keep_evaluations(ingest: Ingest, principal: Principal, judged: Sequence[Score]) -> None:
    """Keep the judgements that telemetry tells. Those that name no agent we know, or a time that cannot be, are
    left out: the spans or logs that hold them are stored all the same."""
    now, window = ingest.deps.clock(), ingest.window()
    usable = [
        score
        for score in judged
        if (score.agent or score.service)
        and window.oldest_us <= score.at_us <= window.newest_us
        and (score.value is not None or score.label is not None or score.explanation is not None)
    ]
    if not usable:
        return
    policy = await ingest.privacy.of(principal.tenant_id)
    names = {score.agent or score.service or "" for score in usable}
    refs = await ingest.registry.resolve(principal.tenant_id, names, now=now, register=principal.agent_id is None)
    made: list[NewScore] = []
    known: dict[UUID, str] = {}
    for score in usable:
        ref = refs[score.agent or score.service or ""]
        if isinstance(ref, AgentRef) and principal.agent_id in (None, ref.id):
            known[ref.id] = ref.external_id
            made.append(_evaluation(score, ref.id, policy))
    await _keep(ingest, principal, made, known)


def _evaluation(score: Score, agent_id: UUID, policy: Policy) -> NewScore:
    # An explanation quotes what was said: it is a content.
    said = None if score.explanation is None or not policy.contents else policy.text(clean(score.explanation))
    return NewScore(
        id=uuid7_named(score.at_us, score.key), source=ScoreSource.EVALUATION, name=clean(score.name)[:100],
        agent_id=agent_id, at=from_microseconds(score.at_us), value=score.value,
        label=policy.text(clean(score.label)[:200]) if score.label else ("unlabelled" if score.value is None else None),
        comment=None if said is None else said[:COMMENT_LIMIT], trace_id=score.trace_id, span_id=score.span_id,
        conversation=None if score.conversation is None else policy.name(score.conversation),
    )  # fmt: skip


async def _keep(ingest: Ingest, principal: Principal, made: Sequence[NewScore], agents: dict[UUID, str]) -> None:
    """Rows first: the same score told again finds its row, and its point is the same point."""
    async with ingest.deps.db.tenant(principal.tenant_id) as connection:
        await scores.insert_scores(connection, principal.tenant_id, made)
    points = [
        MetricIn(
            agent=agents[score.agent_id],
            metric=f"{score.source}.{score.name}",
            value=score.value,
            timestamp=score.at.isoformat(),
        )
        for score in made
        if score.value is not None
    ]
    if points:
        await ingest.accept_metrics(principal, points)
