"""Which agents the first page shows, of however many: filtered, sorted, grouped. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from monitor.agents.status import State
from monitor.agents.store import AgentRow
from monitor.console.forms import given
from monitor.errors import InvalidInput

A_PAGE = 100
URGENCY = {
    state: place
    for place, state in enumerate(
        (State.DEAD, State.STALLED, State.ERROR, State.BLOCKED, State.WORKING, State.IDLE, State.UNKNOWN)
    )
}
ALERTING = "alerting"
"""Beside the states: agents with an open alert."""
SORTS = ("urgency", "name", "seen", "failures", "took")
GROUPS = ("type", "state")
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of the fleet, as it stands in the query string. The empty text: any, and no groups."""

    q: str = ""
    state: str = ""
    type: str = ""
    sort: str = "urgency"
    group: str = ""
    page: str = "1"

    def query(self, **more: str) -> str:
        """The first page's address with these, and with what is named in their place."""
        said = {name: value for name, value in (asdict(self) | {"page": "1"} | more).items() if value}
        said = {name: value for name, value in said.items() if (name, value) not in _USUAL}
        return f"/?{urlencode(said)}#agents" if said else "/#agents"

    @property
    def filters(self) -> bool:
        """Whether some agents are left out."""
        return bool(self.q or self.state or self.type)


_USUAL = {("sort", "urgency"), ("page", "1")}


@dataclass(frozen=True, slots=True)
class Group:
    """Agents of one kind: how many there are of each state, the most urgent first."""

    name: str
    agents: int
    alerting: int
    states: Sequence[tuple[str, int]]
    address: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What is shown of a fleet. `states`: how many of all are what; `found` of them pass; `agents`: this page of those.

    `before` and `after`: addresses of the pages beside it.
    """

    states: Sequence[tuple[str, int]]
    types: Sequence[str]
    found: int
    agents: Sequence[AgentRow]
    groups: Sequence[Group]
    first: int
    before: str | None
    after: str | None


def wanted_of(params: Mapping[str, str]) -> Wanted:
    """What a query string asks for. Raises InvalidInput."""
    words = {name: said[:200] for name, said in given(params, *Wanted.__dataclass_fields__).items()}
    wanted = Wanted(**words)
    for name, known in (("state", (*URGENCY, ALERTING)), ("sort", SORTS), ("group", GROUPS)):
        if getattr(wanted, name) not in ("", *known):
            raise InvalidInput(f"must be one of {', '.join(known)}", path=name)
    if not (wanted.page.isascii() and wanted.page.isdigit() and 0 < int(wanted.page) <= 1000):
        raise InvalidInput("must be a number from 1 on", path="page")
    return wanted


def select(fleet: Sequence[AgentRow], alerts: Mapping[UUID, int], wanted: Wanted) -> Selection:
    """What is shown. `alerts`: how many are open, by agent."""
    states = Counter(str(agent.state) for agent in fleet)
    counted = [(str(state), states[state]) for state in URGENCY if states[state]]
    alerting = sum(agent.id in alerts for agent in fleet)
    found = sorted((agent for agent in fleet if _passes(agent, alerts, wanted)), key=_order(alerts, wanted.sort))
    number = int(wanted.page)
    first = (number - 1) * A_PAGE
    return Selection(
        states=[*([(ALERTING, alerting)] if alerting else []), *counted],
        types=sorted({agent.agent_type for agent in fleet}),
        found=len(found),
        agents=found[first : first + A_PAGE],
        groups=_groups(found, alerts, wanted) if wanted.group else [],
        first=first,
        before=wanted.query(page=str(number - 1)) if number > 1 else None,
        after=wanted.query(page=str(number + 1)) if len(found) > first + A_PAGE else None,
    )


def _passes(agent: AgentRow, alerts: Mapping[UUID, int], wanted: Wanted) -> bool:
    said = wanted.q.casefold()
    tags = (f"{name}={value}" for name, value in agent.tags.items())
    return (
        (not said or any(said in text.casefold() for text in (agent.external_id, agent.name, agent.agent_type, *tags)))
        and (not wanted.type or agent.agent_type == wanted.type)
        and (not wanted.state or (agent.id in alerts if wanted.state == ALERTING else agent.state == wanted.state))
    )


def _order(alerts: Mapping[UUID, int], sort: str) -> Any:
    match sort:
        case "name":
            return lambda agent: agent.external_id
        case "seen":
            return lambda agent: (-(agent.last_seen_at or _LONG_AGO).timestamp(), agent.external_id)
        case "failures":
            return lambda agent: (-agent.consecutive_failures, agent.external_id)
        case "took":
            return lambda agent: (-(agent.last_duration or 0), agent.external_id)
        case _:
            return lambda agent: (agent.id not in alerts, URGENCY[agent.state], agent.external_id)


def _groups(found: Sequence[AgentRow], alerts: Mapping[UUID, int], wanted: Wanted) -> list[Group]:
    members: dict[str, list[AgentRow]] = {}
    for agent in found:
        members.setdefault(agent.agent_type if wanted.group == "type" else str(agent.state), []).append(agent)
    made = []
    for name, agents in members.items():
        states = Counter(agent.state for agent in agents)
        made.append(
            Group(
                name=name,
                agents=len(agents),
                alerting=sum(agent.id in alerts for agent in agents),
                states=[(str(state), states[state]) for state in URGENCY if states[state]],
                address=wanted.query(**{wanted.group: name, "group": ""}),
            )
        )
    return sorted(made, key=lambda group: (-group.alerting, -group.agents, group.name))
