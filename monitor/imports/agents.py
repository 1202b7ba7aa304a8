"""Agents that are brought here, with when they were last heard of and when they are due."""

import secrets
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import planning
from monitor.agents.registry import TOKEN_BYTES
from monitor.agents.tables import Agent, AgentLive, AgentSchedule, Touched
from monitor.ids import uuid7
from monitor.imports.given import Given, LeftOut
from monitor.imports.into import Into
from monitor.imports.report import Report
from monitor.imports.step import Columns, Made, Values, row
from monitor.imports.writing import Writing, by_tenant
from monitor.signals import Touch

STATUSES = frozenset({"active", "inactive", "maintenance", "archived"})
_HERE = "an agent of this id is here already and stays as it is"


def named(given: Given) -> Values:
    """Of a document that names agents by texts: the importing tenant's. Raises LeftOut for one that is here."""
    external_id = given.name("id")
    if external_id in given.into.agents:
        raise LeftOut(_HERE)
    made = {"id": uuid7(given["created_at"] or given.into.now), "external_id": external_id, "name": given["name"]}
    given.into.knows(made["id"], external_id, given["name"])
    return made | given.times()


def numbered(given: Given, external_id: str) -> Values:
    """One of a document whose agents have UUIDs and tenants, which they keep. Raises LeftOut for one that is here."""
    into, agent_id = given.into, given["id"]
    if agent_id in into.homes or (given.tenant_id, external_id) in into.called:
        raise LeftOut(_HERE)
    into.homes[agent_id] = given.tenant_id
    into.called.add((given.tenant_id, external_id))
    return {"id": agent_id, "external_id": external_id, "name": given["name"]} | given.times()


def status(given: Given) -> str:
    """What people set; a word that is none of theirs says what was observed."""
    return given.word("status", STATUSES, "active")


def reference(column: str = "agent_id") -> Any:
    """An agent of a document that names its agents by texts. Raises LeftOut without it."""

    def found(given: Given) -> UUID:
        agent_id = given.into.agents.get(given[column])
        if agent_id is None:
            raise LeftOut("its agent was left out")
        return agent_id

    return found


def by_display_name(given: Given) -> UUID | None:
    """The agent that a document refers to by `agent_name`, which may be either of its names."""
    name, into = given["agent_name"], given.into
    return into.by_name.get(name) or into.agents.get(name)


async def put(into: Into, made: Made[Values], report: Report) -> Writing:
    """Agents, by the columns of their table, with `last_heartbeat`: when each was heard of, if ever."""
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        await store(connection, into, made)

    return Writing(rows=write if made else None)


async def store(connection: AsyncConnection, into: Into, made: Made[Values]) -> None:
    """Agents that are new."""
    rows, live, due = [], [], []
    for tenant_id, values in made:
        agent = {"tenant_id": tenant_id, "ping_token": secrets.token_urlsafe(TOKEN_BYTES), **values}
        heard, place = agent.pop("last_heartbeat", None), {"tenant_id": tenant_id, "agent_id": agent["id"]}
        rows.append(agent)
        live.append(place | {"last_heartbeat_at": heard, "last_seen_at": heard})
        if agent.get("schedule") is not None:
            next_run_at = planning.next_run({"timezone": "UTC", **agent}, now=into.now)
            due.append(place | {"since": into.now, "next_run_at": next_run_at})
    await connection.execute(insert(Agent).returning(Agent.id), rows)
    await connection.execute(insert(AgentLive).returning(AgentLive.agent_id), live)
    if due:
        await connection.execute(insert(AgentSchedule).returning(AgentSchedule.agent_id), due)
    news = [
        {"tenant_id": tenant_id, "agent_ids": ids, "kinds": [int(Touch.AGENT)] * len(ids)}
        for tenant_id, ids in by_tenant([(tenant_id, values["id"]) for tenant_id, values in made]).items()
    ]
    await connection.execute(insert(Touched), news)


def columns(who: Any, columns: Columns) -> Any:
    """What makes an agent: who it is, then its columns."""
    others = row(columns)

    def make(given: Given) -> Values:
        return {**who(given), **others(given)}

    return make
