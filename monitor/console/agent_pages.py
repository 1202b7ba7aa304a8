"""`/agents/{agent}`: one agent, and what its charts draw."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response

from alerts import rule_routes
from monitor.agents import store as agents
from monitor.console.agent import (
    CELL,
    CELLS,
    LOGS,
    STATUSES,
    WITHIN,
    AgentView,
    Cell,
    LogSearch,
    cells,
    path_of,
    read_agent,
    said_of,
)  # fmt: skip
from monitor.console.charts import STATUS, read_charts, read_usage
from monitor.console.forms import given
from monitor.console.page_routes import PageRoute
from monitor.console.render import page
from monitor.console.shell import read_viewer
from monitor.errors import InvalidInput, SeriesDown, Unreadable
from monitor.http.deps import Deps, Given, Reader
from monitor.http.paging import NOT_OURS, Cursor, decode, encode
from monitor.http.problems import uuid_of
from monitor.ingest.logs import LogKind
from monitor.principal import Principal
from monitor.series.store import Query, Reducer

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["agents"])
_RULES = 50


@router.get("/agents/{agent}")
async def show(request: Request, deps: Given, principal: Reader, agent: str, cursor: Cursor = None) -> Response:
    """One agent with its logs, as far as they pass the filters of the query string."""
    now, asked, before = deps.clock(), _asked(request), _before(cursor)
    async with deps.db.tenant(principal.tenant_id) as connection:
        view = await read_agent(
            connection, principal.tenant_id, uuid_of(agent) or agent, now, asked=asked, before=before
        )
        viewer = await read_viewer(connection, principal)
    rules = await rule_routes.list_rules(deps, principal, _RULES, None, view.agent.external_id, None)
    timeline = await _timeline(deps, principal, view.agent.id, now)
    values = {
        "view": view, "agent": view.agent, "now": now, "asked": asked, "rules": rules.items, "viewer": viewer,
        "statuses": list(STATUSES), "kinds": list(LogKind), "within": list(WITHIN), "cells": CELLS,
        "timeline": timeline, "timeline_said": "History does not answer." if timeline is None else said_of(timeline),
        "settings": _settings(view), "here": path_of(view.agent.external_id, view.agent.id),
    }  # fmt: skip
    logs, asked_for = view.logs, {name: value for name, value in asdict(asked).items() if value}
    values["logs"] = logs[:LOGS]
    values["first"] = f"?{urlencode(asked_for)}#logs" if cursor else None
    values["next"] = None
    if len(logs) > LOGS:
        values["next"] = f"?{urlencode(asked_for | {'cursor': encode([str(logs[LOGS - 1].id)])})}#logs"
    return page("agent.html", request, values, charts=True)


@router.get("/agents/{agent}/chart.json")
async def chart(deps: Given, principal: Reader, agent: str, range: str = "24h") -> dict[str, Any]:  # noqa: A002
    """What the charts draw."""
    now, tenant_id = deps.clock(), principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        row = await agents.find_one(connection, agents.agents_of(tenant_id), uuid_of(agent) or agent)
        used = await read_usage(connection, tenant_id, now, span=range, agent_id=row["id"])
    return used | await read_charts(deps.series, tenant_id, now, span=range, agent_id=row["id"])


async def _timeline(deps: Deps, principal: Principal, agent_id: UUID, now: datetime) -> list[Cell] | None:
    """The runs of a day in half hours; None where history does not answer."""
    end = datetime.fromtimestamp(-(-now.timestamp() // CELL.total_seconds()) * CELL.total_seconds(), now.tzinfo)
    start = end - CELL * CELLS

    def ask(reduce: Reducer) -> Query:
        return Query(metric=STATUS, reduce=reduce, start=start, end=end, step=CELL, agent_ids=(agent_id,))

    try:
        count = await deps.series.query(principal.tenant_id, ask(Reducer.COUNT))
        return cells(count, await deps.series.query(principal.tenant_id, ask(Reducer.SUM)), start)
    except SeriesDown:
        return None


def _asked(request: Request) -> LogSearch:
    """The filters of the logs. Raises InvalidInput."""
    asked = LogSearch(**given(request.query_params, *LogSearch.__dataclass_fields__))
    for name, known in (("status", STATUSES), ("kind", LogKind), ("within", WITHIN)):
        if getattr(asked, name) not in ("", *known):
            raise InvalidInput(f"must be one of {', '.join(known)}", path=name)
    return asked


def _before(cursor: str | None) -> UUID | None:
    key = decode(cursor, parts=1)
    if key is None:
        return None
    before = uuid_of(key[0])
    if before is None:
        raise Unreadable(NOT_OURS)
    return before


def _settings(view: AgentView) -> list[tuple[str, Any]]:
    """What people set of it, by what it is called; what is not set is left out."""
    agent = view.agent
    timeout = None if agent.timeout_seconds is None else timedelta(seconds=agent.timeout_seconds)
    known = {
        "Type": agent.agent_type, "Description": agent.description, "Role": agent.role, "Version": agent.version,
        "Model": agent.model, "Provider": agent.model_provider, "Temperature": agent.temperature,
        "Most tokens": agent.max_tokens, "Most iterations": agent.max_iterations,
        "Timeout": None if timeout is None else f"{timeout.total_seconds():g} s",
        "Tools": ", ".join(agent.tools), "Capabilities": ", ".join(agent.capabilities),
        "Tags": ", ".join(f"{name}={value}" for name, value in agent.tags.items()),
        "Schedule": f"{agent.schedule} in {agent.timezone}" if agent.schedule else None, "Webhook": agent.webhook_url,
        "Patience": None if agent.patience is None else f"{agent.patience:g} s",
        **{name: value for name, value in agent.config.items() if value is not None},
    }  # fmt: skip
    return [(name, value) for name, value in known.items() if value not in (None, "", [], {})]
