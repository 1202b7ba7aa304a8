"""What the first page says: the fleet in one sentence, what is wrong, who works, what was sent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import store as agents
from monitor.agents.status import State
from monitor.agents.store import AgentRow
from monitor.console import store
from monitor.console.fleet import Selection, Wanted, select
from monitor.console.store import AlertView, MessageView, OpenAlerts, RunView
from monitor.console.words import plural, span
from monitor.settings import Settings

READ_AGENTS = 5000
"""Of how many the first page knows; who has more looks for them over the API."""
SHOWN_ALERTS = 50
SHOWN_MESSAGES = 8
RUNS = 24
HOST_TYPE = "host"
RECENT = timedelta(hours=24)
_UNWELL = (State.DEAD, State.STALLED, State.ERROR)


@dataclass(frozen=True, slots=True)
class Bar:
    """One execution as a bar: `height` and `top` are in pixels of a strip 18 high."""

    x: int
    height: int
    status: str

    @property
    def top(self) -> int:
        """Where it begins."""
        return 18 - self.height


@dataclass(frozen=True, slots=True)
class AgentLine:
    """An agent with its latest runs and the number of its open alerts."""

    agent: AgentRow
    bars: Sequence[Bar]
    runs: str
    alerts: int


@dataclass(frozen=True, slots=True)
class Board:
    """Everything that the page shows at one time."""

    now: datetime
    headline: str
    explanation: str
    mood: str
    open_alerts: Sequence[AlertView]
    more_alerts: int
    resolved: Sequence[AlertView]
    wanted: Wanted
    fleet: Selection
    agents: Sequence[AgentLine]
    more_agents: bool
    messages: Sequence[MessageView]
    notes: Sequence[str]
    first_run: bool


async def read_board(
    connection: AsyncConnection, tenant_id: UUID, now: datetime, *, settings: Settings, wanted: Wanted
) -> Board:
    """Read all of it, in the caller's transaction."""
    fleet = await agents.list_agents(connection, tenant_id, now, limit=READ_AGENTS)
    more = len(fleet) > READ_AGENTS
    fleet = fleet[:READ_AGENTS]
    alerts = await store.count_by_agent(connection, tenant_id, [agent.id for agent in fleet])
    selected = select(fleet, alerts, wanted)
    shown = [agent.id for agent in selected.agents]
    open_alerts = await store.list_open(connection, tenant_id, limit=SHOWN_ALERTS)
    count = await store.count_open(connection, tenant_id)
    runs = await store.list_runs(connection, tenant_id, shown, since=now - RECENT, count=RUNS)
    headline, explanation, mood = summary(fleet, alerts, count, now, more=more)
    return Board(
        now=now,
        headline=headline,
        explanation=explanation,
        mood=mood,
        open_alerts=open_alerts,
        more_alerts=count.total - len(open_alerts),
        resolved=await store.list_resolved(connection, tenant_id, since=now - RECENT, limit=6),
        wanted=wanted,
        fleet=selected,
        agents=_lines(selected.agents, alerts, runs),
        more_agents=more,
        messages=await store.list_messages(connection, tenant_id, limit=SHOWN_MESSAGES),
        notes=notes(settings),
        first_run=all(agent.agent_type == HOST_TYPE for agent in fleet),
    )


def summary(
    fleet: Sequence[AgentRow], alerts: Mapping[UUID, int], count: OpenAlerts, now: datetime, *, more: bool
) -> tuple[str, str, str]:
    """Headline, the sentence below it, and the mood: `critical`, `warning` or `calm`.

    `alerts`: open ones by agent; `count`: of all agents and of none; `more`: there are more agents than these.
    """
    well = sum(agent.state not in _UNWELL and agent.id not in alerts for agent in fleet)
    first = "the first " if more else ""
    agents_said = f"{well} of {first}{plural(len(fleet), 'agent')} well" if fleet else "no agents yet"
    if count.oldest is None:
        return "All quiet", f"No alert is open; {agents_said}.", "calm"
    parts = [f"{count.critical} critical"] if count.critical else []
    parts += [f"the oldest for {span(now - count.oldest)}", agents_said]
    mood = "critical" if count.critical else "warning"
    return f"{plural(count.total, 'alert')} open", "; ".join(parts).capitalize() + ".", mood


def notes(settings: Settings) -> list[str]:
    """Which ways of sending are not set up, or not for real."""
    said = []
    if settings.smtp_url is None:
        said.append("Email is not set up: AGENT_MONITOR_SMTP_URL is empty.")
    elif settings.smtp_url.startswith("maildir:"):
        where = settings.smtp_url.removeprefix("maildir://")
        said.append(f"Email is kept as files in {where}; AGENT_MONITOR_SMTP_URL sends it.")
    if settings.slack_bot_token is None:
        said.append("Slack is not set up: AGENT_MONITOR_SLACK_BOT_TOKEN is empty.")
    return said


def bars(runs: Sequence[RunView]) -> list[Bar]:
    """The latest runs as bars, right-aligned; heights compare durations within the strip."""
    first = RUNS - len(runs)
    slowest = max((run.duration or 0 for run in runs), default=0)
    return [Bar(5 * (first + index), _height(run.duration, slowest), run.status) for index, run in enumerate(runs)]


def _height(duration: int | None, slowest: int) -> int:
    if duration is None or not slowest:
        return 9
    # The root keeps the usual ones visible beside one that is far slower.
    return 3 + round(15 * math.sqrt(max(0, duration) / slowest))


def _lines(
    fleet: Sequence[AgentRow], alerts: Mapping[UUID, int], runs: Mapping[UUID, Sequence[RunView]]
) -> list[AgentLine]:
    lines = []
    for agent in fleet:
        latest = runs.get(agent.id, [])
        errors = sum(run.status == "error" for run in latest)
        said = f"last {plural(len(latest), 'run')}, {plural(errors, 'error')}" if latest else "no runs"
        lines.append(AgentLine(agent, bars(latest), said, alerts.get(agent.id, 0)))
    return lines
