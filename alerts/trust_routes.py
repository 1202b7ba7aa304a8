"""`/api/v1/alert-configs/preview`, `/{rule}/backtest` and `/explain`: what a rule would do, why it did what it did."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts import configs
from alerts.backtest.report import report_json
from alerts.backtest.run import Question, backtest, question_of, values_now
from alerts.checks import refuse_rates_of_gauges, warnings
from alerts.core.condition import ConditionError
from alerts.explain import Asked, Explained, explain_now, explain_then
from alerts.rule_routes import faults_named, find_agent
from alerts.trust_bodies import BacktestAnswer, ExplainAnswer, PreviewAnswer, PreviewBody, RuleBacktestAnswer, ValueNow
from monitor.agents.tables import Agent
from monitor.errors import Conflict, InvalidInput, NotFound
from monitor.http.deps import Given, Reader
from monitor.series.routes import parse_time
from monitor.zones import zone_of

router = APIRouter(prefix="/api/v1/alert-configs", tags=["alerts"])

_SHOWN = 20


@router.post("/preview")
async def preview(deps: Given, principal: Reader, body: PreviewBody) -> PreviewAnswer:
    """Try a rule without saving it: what it reads now, what is likely not meant, and what it would have done."""
    now, tick = deps.clock(), timedelta(seconds=deps.settings.evaluation_interval)
    zone = zone_of(body.time_zone, path="time_zone")
    start = parse_time(body.since, now=now, path="since")
    async with deps.db.tenant(principal.tenant_id) as connection:
        agent_id = await _named(connection, principal.tenant_id, body)
        with faults_named():
            raw = body.model_dump(by_alias=True, exclude={"since", "time_zone"})
            made = configs.draft(raw, agent_id=agent_id, shown=True)
            await refuse_rates_of_gauges(connection, principal.tenant_id, agent_id, made.rule.condition)
        said = await warnings(connection, principal.tenant_id, SimpleNamespace(agent_id=agent_id), made.rule, now=now)
    asked = Question(
        tenant_id=principal.tenant_id,
        rule=made.rule,
        name=body.name,
        start=start,
        end=now,
        tick=tick,
        agent_id=agent_id,
        selector=body.selector,
        zone=zone,
    )
    told = await backtest(deps.db, deps.series, asked)
    values = await values_now(deps.db, deps.series, asked, at_most=_SHOWN)
    return PreviewAnswer(
        value_now=[ValueNow.model_validate(value) for value in values],
        warnings=said,
        backtest=BacktestAnswer.model_validate(report_json(told)),
    )


@router.get("/{rule_id}/backtest")
async def look_back(
    deps: Given,
    principal: Reader,
    rule_id: UUID,
    since: Annotated[str, Query(description="RFC 3339, Unix seconds, or relative as in -7d")] = "-7d",
    time_zone: Annotated[str, Query(description="whose nights count")] = "UTC",
) -> RuleBacktestAnswer:
    """What a stored rule would have done, and which messages the alerter told otherwise."""
    now, tick = deps.clock(), timedelta(seconds=deps.settings.evaluation_interval)
    zone, start = zone_of(time_zone, path="time_zone"), parse_time(since, now=now, path="since")
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await configs.get_rule(connection, principal.tenant_id, rule_id, deleted=True)
    try:
        asked = question_of(row, start=start, end=now, tick=tick)
    except ConditionError as error:
        raise Conflict(f"the rule cannot be read: {error}") from error
    told = await backtest(deps.db, deps.series, replace(asked, zone=zone))
    return RuleBacktestAnswer.model_validate(report_json(told) | {"rule_id": row.id, "rule": row.name})


@router.get("/{rule_id}/explain")
async def explain(
    deps: Given,
    principal: Reader,
    rule_id: UUID,
    agent: Annotated[str | None, Query(description="needed where the rule is for several")] = None,
    at: Annotated[
        str | None, Query(description="RFC 3339, Unix seconds, or relative as in -2h; now without it")
    ] = None,
) -> ExplainAnswer:
    """Why the rule did or did not page for an agent at a time."""
    now, tick = deps.clock(), timedelta(seconds=deps.settings.evaluation_interval)
    moment = now if at is None else parse_time(at, now=now, path="at")
    if moment > now:
        raise InvalidInput("must not be in the future", path="at")
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await configs.get_rule(connection, principal.tenant_id, rule_id, deleted=True)
        agent_id = row.agent_id if agent is None else await find_agent(connection, principal.tenant_id, agent)
        if agent_id is None:
            raise InvalidInput("must name an agent that there is: the rule is for several", path="agent")
        if row.agent_id not in (None, agent_id):
            raise NotFound("the rule is not for this agent")
        name = (await connection.execute(select(Agent.external_id).where(Agent.id == agent_id))).scalar_one()
    asked = Asked(row, agent_id, name, moment, tick)
    try:
        found = await (explain_now if at is None else explain_then)(deps.db, deps.series, asked)
    except ConditionError as error:
        raise Conflict(f"the rule cannot be read: {error}") from error
    return _answer(name, found)


async def _named(connection: AsyncConnection, tenant_id: UUID, body: PreviewBody) -> UUID | None:
    name = body.agent or body.agent_id
    if name is None:
        return None
    found = await find_agent(connection, tenant_id, name)
    if found is None:
        raise InvalidInput("there is no such agent", path="agent" if body.agent else "agent_id")
    return found


def _answer(agent: str, found: Sequence[Explained]) -> ExplainAnswer:
    first, *others = (_one(agent, one) for one in found)
    return first.model_copy(update={"others": others})


def _one(agent: str, one: Explained) -> ExplainAnswer:
    given: dict[str, Any] = {name: getattr(one, name) for name in Explained.__dataclass_fields__}
    window = None if one.window is None else one.window.total_seconds()
    return ExplainAnswer.model_validate(given | {"agent": agent, "labels": dict(one.labels), "window": window})
