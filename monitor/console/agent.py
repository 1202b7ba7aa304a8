"""What an agent's page says: how it is, what it did, what it said, how it is set up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from alerts import responses
from monitor.agents import configuration, versions
from monitor.agents import store as agents
from monitor.agents.counters import NONE, Counters, read_counters
from monitor.agents.store import AgentRow, LogRow
from monitor.console.words import plural
from monitor.runs import search
from monitor.runs.search import TraceRow
from monitor.series.store import Line

LOGS = 50
RUNS = 10
ALERTS = 6
STATUSES = ("success", "warning", "error")
CELL = timedelta(minutes=30)
CELLS = 48
"""Of the timeline: as many as make a day."""
WITHIN: Mapping[str, timedelta] = {
    "1 hour": timedelta(hours=1), "24 hours": timedelta(days=1), "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
}  # fmt: skip
"""How far back logs and runs are looked for."""


@dataclass(frozen=True, slots=True)
class LogSearch:
    """Which of its logs are shown. The empty text: any."""

    q: str = ""
    status: str = ""
    kind: str = ""
    within: str = "7 days"


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent and what there is of it. `alerts`: the newest, open or not; `prompts`: its long texts, by name."""

    agent: AgentRow
    counters: Counters
    prompts: Mapping[str, str]
    values: Sequence[Mapping[str, Any]]
    alerts: Sequence[Any]
    logs: Sequence[LogRow]
    runs: Sequence[TraceRow]


@dataclass(frozen=True, slots=True)
class Cell:
    """What an agent's runs came to in a part of the timeline. `tone`: `ok`, `some` (failed), `bad` (half or more)."""

    x: int
    at: datetime
    runs: int
    failed: float
    tone: str


def path_of(external_id: str, agent_id: UUID | str) -> str:
    """Where an agent's page is: by its name, as long as that can be a part of an address."""
    name = str(agent_id) if "/" in external_id or external_id in (".", "..") else external_id
    return f"/agents/{quote(name, safe='')}"


async def read_agent(
    connection: AsyncConnection,
    tenant_id: UUID,
    key: UUID | str,
    now: datetime,
    *,
    asked: LogSearch,
    before: UUID | None,
) -> AgentView:
    """Read all of it, in the caller's transaction. Raises NotFound."""
    agent = await agents.get_agent(connection, tenant_id, key, now)
    since = now - WITHIN[asked.within]
    stored = await versions.read_agent(connection, tenant_id, agent.id)
    counters = await read_counters(connection, tenant_id, [agent.id])
    logs = await agents.list_logs(
        connection, tenant_id, agent.id, limit=LOGS, before=before, since=since,
        kind=asked.kind or None, status=asked.status or None, contains=asked.q or None,
    )  # fmt: skip
    alerts = await responses.list_alerts(connection, tenant_id, limit=ALERTS, before=None, agent_id=agent.id)
    wanted = search.Search(agent=agent.id, since=now - WITHIN["30 days"])
    return AgentView(
        agent=agent,
        counters=counters.get(agent.id, NONE),
        prompts={name: stored[name] for name in ("backstory", "system_prompt") if stored[name]},
        values=await configuration.list_values(connection, tenant_id, agent.id),
        alerts=alerts[:ALERTS],
        logs=logs,
        runs=(await search.list_traces(connection, tenant_id, wanted, limit=RUNS))[:RUNS],
    )


def cells(count: Sequence[Line], good: Sequence[Line], start: datetime) -> list[Cell]:
    """The timeline: its runs in steps of `CELL` since `start`, those that it had any in."""
    succeeded = {at: value for line in good for at, value in line.points}
    made = []
    for at, runs in [point for line in count for point in line.points]:
        failed = runs - succeeded.get(at, 0.0)
        tone = "ok" if not failed else "bad" if failed * 2 >= runs else "some"
        made.append(Cell(round((at - start) / CELL), at, round(runs), failed, tone))
    return made


def said_of(timeline: Sequence[Cell]) -> str:
    """The timeline in a sentence."""
    if not timeline:
        return "No runs in the last 24 hours."
    runs, failing = sum(cell.runs for cell in timeline), sum(cell.tone != "ok" for cell in timeline)
    return (
        f"{plural(runs, 'run')} in the last 24 hours; {failing} of {plural(len(timeline), 'half hour')} with failures."
    )
