"""The agents of the simulated week, as the real collector hears them: what they did since they could report last."""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI
from sqlalchemy import insert

from alerts import routes as alert_routes
from monitor import partitions
from monitor.db import Database
from monitor.errors import DatabaseDown
from monitor.http import problems
from monitor.identity.tables import Tenant
from monitor.ids import from_microseconds, microseconds
from monitor.ingest import Ingest
from monitor.ingest import routes as ingest_routes
from monitor.principal import Scope
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import make_key
from tests.http.collector import make_deps
from tests.simulation.alerters import PUBLIC_URL
from tests.simulation.fleet import GROUP, GROUPING, KINDS, Fleet
from tests.simulation.world import Int

T = TypeVar("T")
_Rows = list[dict[str, Any]]


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again where a connection turns out to be dead: each one that was thrown out says so once."""
    for _ in range(10):
        with contextlib.suppress(DatabaseDown):
            return await ask()
    return await ask()


class Agents:
    """All agents of a fleet, and the people who made the rules."""

    def __init__(self, db: Database, fleet: Fleet, client: httpx.AsyncClient, clock: SettableClock) -> None:
        self.unanswered = 0
        self._db, self._fleet, self._client, self._clock = db, fleet, client, clock
        self._upto = microseconds(fleet.ticks.start)
        self._keys: dict[str, str] = {}

    async def furnish(self) -> None:
        """Tenants, their rules and silences."""
        self._clock.time = self._fleet.ticks.start
        await partitions.apply(self._db, self._clock.time, retention={})
        for slug, tenant_id in self._fleet.tenants.items():
            async with self._db.owner() as owner:
                await owner.execute(insert(Tenant).values(id=tenant_id, slug=slug, name=slug.title()))
            self._keys[slug] = (await make_key(self._db, tenant_id, scopes=(Scope.ADMIN,)))[1]
            await self._request(slug, "PUT", "channels/fallback", {"email": f"fallback@{slug}.example"})
            for kind in KINDS:
                await self._request(slug, "POST", "alert-configs", {"name": kind.name, **kind.body})
        await self._request(GROUPING, "PUT", "alert-settings", {"group": GROUP})
        for one in self._fleet.silences:
            body = {"matchers": [f'{one.label}="{one.value}"'], "comment": "deploy"}
            body |= {"starts_at": one.start.isoformat(), "ends_at": one.end.isoformat()}
            await self._request(one.tenant, "POST", "silences", body)

    async def report(self, now: datetime) -> None:
        """Send everything up to a tick, to be received a second before it."""
        self._clock.time = now - timedelta(seconds=1)
        if now.time() == datetime.min.time():
            await answered(lambda: partitions.apply(self._db, now, retention={}))
        low, high = self._upto, microseconds(now)
        self._upto = high
        for tenant in self._fleet.tenants:
            logs, metrics, beats = self._since(tenant, low, high)
            for path, rows in (("logs", logs), ("metrics", metrics), ("heartbeats", beats)):
                if rows:
                    await self._request(tenant, "POST", path, rows)

    def _since(self, tenant: str, low: int, high: int) -> tuple[_Rows, _Rows, _Rows]:
        logs, metrics, beats = _Rows(), _Rows(), _Rows()
        for (of, agent), life in self._fleet.lives.items():
            if of != tenant:
                continue
            for place in _places(life.executions, low, high):
                status = "error" if life.failed[place] else "success"
                logs.append({"agent": agent, "status": status, "completed_at": _said(life.executions[place])})
            for place in _places(life.traces, low, high):
                line = {"agent": agent, "kind": "line", "level": "error", "message": "Traceback", "status": "error"}
                logs.append(line | {"completed_at": _said(life.traces[place])})
            for place in _places(life.points, low, high):
                at, value = _said(life.points[place]), float(life.values[place])
                metrics.append({"agent": agent, "metric": "latency_ms", "value": value, "timestamp": at})
            if _places(life.beats, high - 1_000_000, high):
                beats.append({"agent": agent, "status": "active"})
        return logs, metrics, beats

    async def _request(self, tenant: str, method: str, path: str, body: Any) -> None:
        """Call the API; where it says that there is no database, again, as clients do."""
        headers = {"Authorization": f"Bearer {self._keys[tenant]}", "Content-Type": "application/json"}
        content = json.dumps(body)

        async def ask() -> httpx.Response:
            return await self._client.request(method, f"/api/v1/{path}", content=content, headers=headers)

        answer = await ask()
        for _ in range(10):
            if answer.status_code == 503:
                self.unanswered += 1
                answer = await ask()
        assert answer.is_success, f"{method} {path}: {answer.text}"
        said = answer.json() if answer.content else {}
        assert not said.get("rejected"), f"{method} {path}: {said['rejected'][:3]}"


@contextlib.asynccontextmanager
async def collecting(db: Database, fleet: Fleet, clock: SettableClock) -> AsyncIterator[Agents]:
    """The agents, with a running collector."""
    deps = make_deps(db, clock, Settings(public_url=PUBLIC_URL))
    ingest, app = Ingest(deps), FastAPI()
    app.state.deps = deps
    problems.install(app)
    for router in (ingest_routes.router(ingest), alert_routes.router):
        app.include_router(router)
    await ingest.start()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        try:
            yield Agents(db, fleet, client, clock)
        finally:
            await ingest.close()


def _places(times: Int, low: int, high: int) -> range:
    return range(*times.searchsorted([low, high]).tolist())


def _said(at_us: int) -> str:
    return from_microseconds(int(at_us)).isoformat()
