"""A backtest of rules on runs, calls, spending, errors, versions and schedules tells what the alerter did."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from monitor.db import Database
from monitor.runs import news
from monitor.schedules import store as schedules
from tests.alerts.timeline import Timeline, timeline
from tests.backtest.both import TICKS, Feed, ask, live, told
from tests.conftest import SettableClock

AGENTS = ("akira-001", "akira-002")


@pytest.fixture
async def t(db: Database, clock: SettableClock) -> AsyncIterator[Timeline]:
    """A timeline that comes to a full hour after half of its ticks."""
    hour = (clock.time + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    clock.time = hour - timedelta(minutes=6)
    async with timeline(db, clock) as made:
        yield made


@dataclass
class Fleet:
    """Agents that work at random."""

    t: Timeline
    running: dict[str, str] = field(default_factory=dict)
    made: int = 0

    async def _tell(self, path: str, body: dict[str, Any], method: str = "POST") -> None:
        await self.t.request(method, path, body)

    async def runs(self, second: int, rng: Random) -> None:
        """Tasks that begin and end, and runs that pings start."""
        for agent in AGENTS:
            self.t.at(f"{second + rng.randint(1, 4)}s")
            task = self.running.get(agent)
            if task is None and rng.random() < 0.4:
                self.made += 1
                self.running[agent] = f"t-{self.made}"
                body = {"agent": agent, "task_type": rng.choice(["review", "chat"]), "status": "running"}
                await self._tell("tasks", body | {"id": self.running[agent]})
            elif task is not None and rng.random() < 0.15:
                await self._tell(f"tasks/{task}", {"status": rng.choice(["completed", "failed"])}, "PATCH")
                del self.running[agent]

    async def pings(self, second: int, rng: Random) -> None:
        """Runs that begin with a ping, and mostly end with one."""
        token = (await self.t.rows("SELECT ping_token FROM agents WHERE external_id = 'akira-001'"))[0]["ping_token"]
        self.t.at(f"{second + rng.randint(1, 9)}s")
        if rng.random() < 0.3:
            path = rng.choice(["/start", "/start", "", "/fail"])
            assert (await self.t.client.get(f"/ping/{token}{path}")).status_code == 200

    async def spends(self, second: int, rng: Random) -> None:
        """Tasks that cost something, of two models, one of which nobody knows the price of."""
        for agent in AGENTS:
            self.t.at(f"{second + rng.randint(1, 4)}s")
            if rng.random() < 0.5:
                model, cost = rng.choice([("m-1", 1.5), ("m-1", 0.25), ("m-2", 0.5), ("m-3", None)])
                body = {"agent": agent, "task_type": "chat", "status": "completed", "model": model, "cost_usd": cost}
                sent = body | {"input_tokens": rng.randint(1, 500)}
                await self._tell("tasks", {name: value for name, value in sent.items() if value is not None})

    async def calls(self, second: int, rng: Random) -> None:
        """Calls of tools, sometimes with the same arguments."""
        for _ in range(rng.randint(0, 3)):
            at = self.t.at(f"{second + rng.randint(1, 4)}s")
            body = {"agent": "akira-001", "tool_name": rng.choice(["search", "fetch"]), "status": "success"}
            parameters = rng.choice([{"q": 1}, {"q": 1}, {"q": rng.randint(2, 9)}, None])
            await self._tell("tool-executions", body | {"parameters": parameters, "started_at": at.isoformat()})

    async def fails(self, second: int, rng: Random) -> None:
        """Tasks of versions that fail, and the job that puts them into their groups."""
        if rng.random() < 0.25:
            self.t.at(f"{second + rng.randint(1, 9)}s")
            error = rng.choice(["no such column", "connection refused", "out of range"])
            version = rng.choice(["1.0", "1.0", "2.0", None])
            body = {"agent": "akira-001", "task_type": "chat", "status": "failed", "error_type": error.split()[0]}
            sent = body | {"error_message": error, "agent_version": version}
            await self._tell("tasks", {name: value for name, value in sent.items() if value is not None})
            await news.run_once(self.t.db, self.t.clock.time)

    async def versions(self, second: int, rng: Random) -> None:
        """Two versions, of which the newer one fails more often and for longer."""
        for _ in range(2):
            self.t.at(f"{second + rng.randint(1, 4)}s")
            version = "1.0" if second < 200 else "2.0"
            bad = rng.random() < (0.05 if version == "1.0" else 0.7)
            took = rng.randint(100, 200) * (1 if version == "1.0" else 5)
            body = {"agent": "akira-001", "task_type": "chat", "status": "failed" if bad else "completed"}
            await self._tell("tasks", body | {"agent_version": version, "duration_ms": took})

    async def scheduled(self, second: int, rng: Random) -> None:
        """An agent that is due every other minute, comes late at times and not at all at others."""
        async with self.t.db.owner() as connection:
            await schedules.plan_due(connection, now=self.t.at(f"{second}s"))
        if rng.random() < 0.12:
            await self.t.log(
                "akira-001", "success", f"{second + 5}s", started_at=self.t.at(f"{second + 3}s").isoformat()
            )


RULES: list[tuple[str, dict[str, Any], Callable[[Fleet], Feed], dict[str, Any]]] = [
    ("running", {"duration": "running", "longer_than": "40s"}, lambda fleet: fleet.runs, {}),
    (
        "running, of a type",
        {"duration": "running", "longer_than": "35s", "task_type": "chat"},
        lambda fleet: fleet.runs,
        {"for": "20s", "repeat": "40s"},
    ),
    ("pinged", {"duration": "running", "longer_than": "30s"}, lambda fleet: fleet.pings, {"keep_firing_for": "20s"}),
    ("spending", {"budget": "cost_usd", "period": "hour", "limit": 9}, lambda fleet: fleet.spends, {}),
    (
        "spending by model",
        {"budget": "cost_usd", "period": "hour", "limit": 6, "warn_at": 0.5, "by": ["model"]},
        lambda fleet: fleet.spends,
        {"repeat": "1m"},
    ),
    (
        "tokens where half an hour is a new day",
        {"budget": "tokens", "period": "day", "limit": 2000, "where": {"model": "m-1"}, "timezone": "Asia/Kolkata"},
        lambda fleet: fleet.spends,
        {},
    ),
    ("spending in a month", {"budget": "tokens", "period": "month", "limit": 900}, lambda fleet: fleet.spends, {}),
    ("repeated calls", {"repeat_call": 4, "window": "50s", "no_data": "ok"}, lambda fleet: fleet.calls, {}),
    (
        "repeated calls by tool",
        {"repeat_call": 3, "window": "40s", "by": ["tool"]},
        lambda fleet: fleet.calls,
        {"repeat": "30s"},
    ),
    ("new errors", {"error": "new", "since": "version", "window": "1m"}, lambda fleet: fleet.fails, {}),
    ("young errors", {"error": "new", "since": "2m", "window": "1m"}, lambda fleet: fleet.fails, {}),
    (
        "worse than before",
        {"compare": "version", "rate": "error", "threshold": 0.1, "min_count": 10, "window": "1d"},
        lambda fleet: fleet.versions,
        {},
    ),
    (
        "slower than before",
        {"compare": "version", "metric": "duration_ms", "threshold": 0.5, "min_count": 10, "window": "1d"},
        lambda fleet: fleet.versions,
        {},
    ),
    ("missed runs", {"schedule": "missed", "grace": "40s"}, lambda fleet: fleet.scheduled, {}),
    (
        "running and spending",
        {"any": [{"duration": "running", "longer_than": "1m"}, {"rate": "error", "window": "10m", "threshold": 0.6}]},
        lambda fleet: fleet.runs,
        {},
    ),
]


@pytest.mark.parametrize(("name", "conditions", "feed", "more"), RULES, ids=[rule[0] for rule in RULES])
async def test_a_backtest_tells_what_the_alerter_did(
    t: Timeline, name: str, conditions: dict[str, Any], feed: Callable[[Fleet], Feed], more: dict[str, Any]
) -> None:
    for agent in AGENTS:
        scheduled = {"schedule": "*/2 * * * *"} if "schedule" in conditions and agent == "akira-001" else {}
        await t.request("POST", "agents", {"external_id": agent} | scheduled)
    made = await t.rule(conditions, agent=None, name=name, **more)
    ticks = 2 * TICKS if "compare" in conditions else TICKS
    heard = await live(t, feed(Fleet(t)), seed=len(name), ticks=ticks)
    found = await ask(t, made["id"], ticks=ticks)
    assert heard, "the test is about nothing"
    assert told(t, found) == heard
