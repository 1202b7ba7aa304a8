"""A small fleet of simulated agents that fail, stall and recover on a schedule, over HTTP as real ones would.

Every few minutes the same story is told: akira fails three times in a row and recovers, yuki is slow for a while,
ren stops its heartbeats, hana fails now and then. Each opens an alert and resolves it.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import structlog

from monitor.sdk import AsyncMonitor

CYCLE = 300.0
"""Seconds after which the story begins again."""

HEARTBEAT = 5.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Spell:
    """Something that lasts from `start` to `end`, in seconds of the cycle."""

    start: float
    end: float

    def holds(self, at: float) -> bool:
        """Whether it is so at this time."""
        return self.start <= at % CYCLE < self.end


NEVER = Spell(-1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """One agent's part: what it does, how long that takes (seconds), and when it goes wrong."""

    name: str
    kind: str
    task: str
    model: str
    usual: float
    pause: float
    slow: Spell = NEVER
    failing: Spell = NEVER
    flaky: Spell = NEVER
    stalled: Spell = NEVER
    faults: tuple[str, ...] = field(default=("the model's answer was not valid JSON",))


FLEET = (
    Actor(
        name="akira-001", kind="coder", task="code_review", model="claude-opus-4-1", usual=0.9, pause=2.0,
        failing=Spell(20, 60), faults=("tests failed: 3 of 41", "git push was refused: the branch is protected"),
    ),
    Actor(
        name="yuki-002", kind="reviewer", task="summarise", model="claude-sonnet-4-5", usual=0.7, pause=1.5,
        slow=Spell(25, 55),
    ),
    Actor(
        name="ren-003", kind="researcher", task="web_search", model="claude-sonnet-4-5", usual=1.1, pause=3.0,
        stalled=Spell(30, 85),
    ),
    Actor(
        name="hana-004", kind="support", task="answer_ticket", model="claude-haiku-4-5", usual=0.4, pause=0.8,
        flaky=Spell(40, 75), faults=("the ticket system answered 502", "rate limited by the model's provider"),
    ),
    Actor(name="sora-005", kind="coder", task="write_tests", model="claude-opus-4-1", usual=0.8, pause=2.5),
    Actor(name="kaito-006", kind="planner", task="plan_sprint", model="claude-sonnet-4-5", usual=0.9, pause=4.0),
    Actor(name="mei-007", kind="translator", task="translate", model="claude-haiku-4-5", usual=0.3, pause=1.0),
)  # fmt: skip

PRICES = {"claude-opus-4-1": (15.0, 75.0), "claude-sonnet-4-5": (3.0, 15.0), "claude-haiku-4-5": (1.0, 5.0)}
"""USD for a million tokens in and out, for the simulated costs only."""

RULES: tuple[Mapping[str, Any], ...] = (
    {
        "name": "Akira fails",
        "agent": "akira-001",
        "conditions": {"status": "error", "consecutive_failures": 3},
        "severity": "critical",
    },
    {
        "name": "Slow runs",
        "conditions": {
            "metric": "latency_ms", "reduce": "p95", "window": "30s", "op": ">", "threshold": 2500, "recover": 2000,
            "min_count": 3,
        },
    },
    {
        "name": "Heartbeat missed",
        "selector": {"tags": {"demo": "true"}},
        "conditions": {"heartbeat": "missed", "after": "30s"},
        "severity": "critical",
    },
    {
        "name": "Too many errors",
        "agent": "hana-004",
        "conditions": {"rate": "error", "window": "30s", "op": ">", "threshold": 0.2, "min_count": 5},
    },
)  # fmt: skip


class SimulatedFault(Exception):
    """What goes wrong in an agent of the demo."""


class Demo:
    """The fleet as tasks. `stop` says goodbye for each agent, so that nobody is missed afterwards."""

    def __init__(self, url: str, key: str, *, channels: Mapping[str, str], seed: int = 7) -> None:
        """`channels`: where the demo's rules send, as a rule spells them."""
        self._url = url
        self._key = key
        self._channels = channels
        self._random = Random(seed)  # noqa: S311  # a simulation
        self._monitors: list[AsyncMonitor] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Make agents and rules where they are missing, then let the fleet work."""
        async with httpx.AsyncClient(base_url=self._url, headers=self._headers, timeout=30) as client:
            await self._make_agents(client)
            await self._make_rules(client)
        began = asyncio.get_running_loop().time()
        for actor in FLEET:
            monitor = AsyncMonitor(self._url, key=self._key, agent=actor.name)
            self._monitors.append(monitor)
            self._tasks += [
                asyncio.create_task(self._work(actor, monitor, began), name=f"{actor.name} works"),
                asyncio.create_task(self._beat(actor, monitor, began), name=f"{actor.name} beats"),
            ]

    async def stop(self) -> None:
        """Stop all, with a last word from each. Reporting ends first: a run that is cut off has not failed."""
        for monitor in self._monitors:
            monitor.heartbeat("stopped")
        await asyncio.gather(*(monitor.close(2.0) for monitor in self._monitors))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}

    async def _make_agents(self, client: httpx.AsyncClient) -> None:
        for actor in FLEET:
            body = {"external_id": actor.name, "agent_type": actor.kind, "tags": {"demo": "true", "env": "demo"}}
            answer = await client.post("/api/v1/agents", json=body)
            if answer.status_code != 409:
                answer.raise_for_status()

    async def _make_rules(self, client: httpx.AsyncClient) -> None:
        found = await client.get("/api/v1/alert-configs", params={"limit": 1000})
        found.raise_for_status()
        missing = _missing(RULES, found.json()["items"])
        for rule in missing:
            answer = await client.post("/api/v1/alert-configs", json={**rule, "channels": dict(self._channels)})
            if answer.is_error:
                _log.warning("the demo's rule was refused", rule=rule["name"], answer=answer.text)

    async def _work(self, actor: Actor, monitor: AsyncMonitor, began: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._random.uniform(0, actor.pause))
        while True:
            at = loop.time() - began
            if not actor.stalled.holds(at):
                # The fault is the story; the run has reported it.
                with contextlib.suppress(SimulatedFault):
                    await self._run(actor, monitor, at)
            await asyncio.sleep(actor.pause * self._random.uniform(0.6, 1.4))

    async def _run(self, actor: Actor, monitor: AsyncMonitor, at: float) -> None:
        took = actor.usual * self._random.lognormvariate(0, 0.25)
        if actor.slow.holds(at):
            took += self._random.uniform(2.2, 3.0)
        fails = actor.failing.holds(at) or (actor.flaky.holds(at) and self._random.random() < 0.6)
        async with monitor.run(actor.task, task_type=actor.task) as run:
            await asyncio.sleep(took)
            tokens_in, tokens_out = self._random.randint(600, 4000), self._random.randint(80, 900)
            price_in, price_out = PRICES[actor.model]
            run.metric("latency_ms", round(1000 * took, 1), model=actor.model)
            run.tokens(input=tokens_in, output=tokens_out, model=actor.model)
            run.metric("cost_usd", (tokens_in * price_in + tokens_out * price_out) / 1e6, model=actor.model)
            if fails:
                raise SimulatedFault(self._random.choice(actor.faults))

    async def _beat(self, actor: Actor, monitor: AsyncMonitor, began: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not actor.stalled.holds(loop.time() - began):
                monitor.heartbeat()
            await asyncio.sleep(HEARTBEAT)


def _missing(rules: Iterable[Mapping[str, Any]], existing: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    names = {rule["name"] for rule in existing}
    return [rule for rule in rules if rule["name"] not in names]
