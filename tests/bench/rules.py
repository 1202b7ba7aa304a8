"""A tick over 10,000 enabled rules of mixed kinds for 1,000 agents: quiet, with 1 % of them changing, with all."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts import configs
from alerts.evaluate import Evaluator, Pass
from alerts.meters import Meters
from alerts.tables import AlertConfig
from monitor import clock as wall
from monitor.agents.registry import AgentRef, Registry
from monitor.compose import make_deps
from monitor.ids import uuid7
from monitor.ingest import Ingest
from monitor.ingest.payloads import LogIn, MetricIn
from monitor.settings import Settings
from tests.bench.figure import Figure
from tests.factories import TenantMade, make_tenant
from tests.stage import Stage

AGENTS = 1000
INTERVAL = timedelta(seconds=10)
CONDITIONS: tuple[dict[str, Any], ...] = (
    {"status": "error", "consecutive_failures": 3},
    {"metric": "latency_ms", "reduce": "p95", "window": "5m", "op": ">", "threshold": 2000, "recover": 1500},
    {"metric": "latency_ms", "reduce": "mean", "window": "1m", "op": ">", "threshold": 1000},
    {"metric": "cpu", "reduce": "max", "window": "5m", "op": ">", "threshold": 0.95},
    {"metric": "queue", "reduce": "last", "window": "10m", "op": ">=", "threshold": 100},
    {"rate": "error", "window": "15m", "op": ">", "threshold": 0.2, "min_count": 2},
    {"heartbeat": "missed", "after": "90s"},
    {"log": {"contains": "Traceback"}, "window": "5m", "count": 1},
    {"metric": "cost_usd", "reduce": "sum", "window": "1h", "op": ">", "threshold": 50, "by": ["model"]},
    {"all": [{"status": "error", "consecutive_failures": 1}, {"not": {"log": {"contains": "ok"}, "window": "5m"}}]},
)
GOOD = {"latency_ms": 90.0, "cpu": 0.2, "queue": 1.0}
BAD = {"latency_ms": 5000.0, "cpu": 0.99, "queue": 500.0}


class Fleet:
    """Agents with rules, a clock that the bench moves, and the product's own way in and own tick."""

    def __init__(self, stage: Stage, tenant: TenantMade) -> None:
        self.now = wall.now()
        self.tenant = tenant
        self._db = stage.db
        settings = Settings(data_dir=stage.folder, disk_reserve=0, secret_keys=("a key for the bench only",))
        deps = make_deps(settings, stage.db)
        self.ingest = Ingest(replace(deps, clock=lambda: self.now))
        self._evaluator = Evaluator(
            stage.db, deps.series, holder="bench", interval=INTERVAL, public_url="http://localhost",
            meters=Meters(CollectorRegistry()),
        )  # fmt: skip
        self.names = [f"agent-{number:04d}" for number in range(AGENTS)]
        self._ids: list[AgentRef] = []

    async def register(self) -> None:
        """Make the agents known."""
        found = await Registry(self._db).resolve(self.tenant.id, self.names, now=self.now)
        self._ids = [ref for name in self.names if isinstance(ref := found[name], AgentRef)]

    async def add_rules(self, first: int, last: int) -> None:
        """Rules number `first` to `last`: one kind after another, agent after agent."""
        async with self._db.tenant(self.tenant.id) as connection:
            await _insert(connection, [self._rule(number) for number in range(first, last)])

    def _rule(self, number: int) -> dict[str, Any]:
        raw = {
            "name": f"rule {number}", "conditions": CONDITIONS[number % len(CONDITIONS)], "enabled": True,
            "channels": {"email": "ops@example.com"}, "severity": "warning",
        }  # fmt: skip
        agent = self._ids[number // len(CONDITIONS) % AGENTS]
        made = configs.draft(raw, agent_id=agent.id)
        return {"tenant_id": self.tenant.id, "id": uuid7(self.now), "created_at": self.now, **made.columns}

    async def tick(self) -> tuple[float, Pass]:
        """One interval later, one pass: its seconds."""
        self.now += INTERVAL
        before = time.perf_counter()
        done = await self._evaluator.run_once(self.now)
        return time.perf_counter() - before, done

    async def settle(self) -> None:
        """Ticks until nothing is due any more."""
        for _ in range(300):
            if (await self.tick())[1].evaluated == 0:
                return
        raise AssertionError("there is always something due")

    async def report(self, names: Sequence[str], *, bad: bool) -> None:
        """A log and points of some agents, such that every rule breaches, or none does."""
        stamp = self.now.timestamp()
        values = BAD if bad else GOOD
        cost = 99.0 if bad else 0.1
        rows = [MetricIn(agent=name, metrics=values, timestamp=stamp) for name in names]
        rows += [
            MetricIn(agent=name, metric="cost_usd", value=cost, timestamp=stamp, tags={"model": "small"})
            for name in names
        ]
        outcome = await self.ingest.accept_metrics(self.tenant.principal, rows)
        assert outcome.rejected == []
        for name in names:
            log = LogIn(status="error" if bad else "success", message="Traceback" if bad else "done", timestamp=stamp)
            await self.ingest.accept_run(self.tenant.principal, name, log, None)


async def _insert(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), 500):
        await connection.execute(insert(AlertConfig), rows[start : start + 500])


async def quiet(fleet: Fleet, times: int) -> float:
    """Median of seconds of a tick in which nothing happens."""
    return statistics.median([(await fleet.tick())[0] for _ in range(times)])


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Quiet ones first, then the same rules with data."""
    times = 5 if quick else 15
    fleet = Fleet(stage, await make_tenant(stage.db))
    await fleet.register()
    await fleet.ingest.start()
    await fleet.add_rules(0, 1000)
    await fleet.settle()
    await stage.vacuum()
    few = await quiet(fleet, 2 * times)
    await fleet.add_rules(1000, 10_000)
    first, _ = await fleet.tick()
    await fleet.settle()
    await stage.vacuum()
    many = await quiet(fleet, 2 * times)
    changing = await one_percent(fleet, times)
    everybody = await all_of_them(fleet, 2 if quick else 4)
    await fleet.ingest.close()
    return [
        Figure("a quiet tick, 1,000 rules", few * 1000, "ms"),
        Figure("a quiet tick, 10,000 rules", many * 1000, "ms"),
        Figure("ratio", many / few, most=2),
        Figure("the tick after 9,000 rules were made", first * 1000, "ms"),
        Figure("1 % changing: median", statistics.median(changing) * 1000, "ms"),
        Figure("1 % changing: slowest", max(changing) * 1000, "ms", most=1000),
        Figure("every agent reports: slowest", max(everybody) * 1000, "ms"),
    ]


async def one_percent(fleet: Fleet, times: int) -> list[float]:
    """Seconds of ticks before each of which 10 agents, with 100 rules, turn bad or good."""
    spans = []
    for number in range(times):
        start = number * 10 % AGENTS
        await fleet.report(fleet.names[start : start + 10], bad=True)
        seconds, done = await fleet.tick()
        assert done.evaluated >= 80, done
        assert done.fired >= 40, done
        spans.append(seconds)
    return spans


async def all_of_them(fleet: Fleet, times: int) -> list[float]:
    """Seconds of ticks before each of which every agent reports that all is well."""
    spans = []
    for _ in range(times):
        await fleet.report(fleet.names, bad=False)
        spans.append((await fleet.tick())[0])
    return spans
