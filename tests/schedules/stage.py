"""A tenant whose agents are called: the API, a receiver, and runners that run when told by its clock."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random
from typing import Any

import httpx
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from monitor.app import create_app
from monitor.db import Database
from monitor.http.outbound import Allowed
from monitor.ingest import Ingest
from monitor.live import Live
from monitor.schedules.runner import Runner
from monitor.settings import Settings
from tests.channels.servers import LOOPBACK, Stub
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.http.collector import make_deps

SECRET = "s" * 32
SECONDS = 5.0
AGENT = "/api/v1/agents/nightly"


class Stage:
    """One tenant with an agent `nightly`, due every hour."""

    def __init__(
        self, db: Database, clock: SettableClock, receiver: Stub, ingest: Ingest, api: httpx.AsyncClient
    ) -> None:
        self.db = db
        self.clock = clock
        self.receiver = receiver
        self.ingest = ingest
        self.api = api
        self.tenant: TenantMade
        self.runner = self.another_runner()

    def another_runner(
        self, *, seed: int = 1, allowed: Allowed = LOOPBACK, ingest: Ingest | None = None, live: Live | None = None
    ) -> Runner:
        """An alerter process' runner."""
        return Runner(
            self.db,
            ingest or self.ingest,
            clock=self.clock,
            rng=Random(seed),
            allowed=allowed,
            secret=SECRET,
            seconds=SECONDS,
            registry=CollectorRegistry(),
            live=live or Live(),
        )

    @property
    def hook(self) -> str:
        """Where the agent is called."""
        return self.receiver.url + "hook"

    async def agent(self, external_id: str = "nightly", **more: Any) -> dict[str, Any]:
        """An agent that is called every hour, unless said otherwise."""
        body = {"external_id": external_id, "schedule": "0 * * * *", "webhook_url": self.hook} | more
        answer = await self.api.post("/api/v1/agents", json={k: v for k, v in body.items() if v is not None})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def patch(self, **changes: Any) -> dict[str, Any]:
        """Change the agent."""
        answer = await self.api.patch(AGENT, json=changes)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def get(self, path: str) -> Any:
        """What the API says."""
        answer = await self.api.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def runs(self) -> list[dict[str, Any]]:
        """The agent's runs, newest first."""
        found: list[dict[str, Any]] = (await self.get(AGENT + "/runs"))["items"]
        return found

    async def logs(self) -> list[dict[str, Any]]:
        """The agent's logs, newest first."""
        found: list[dict[str, Any]] = (await self.get(AGENT + "/logs"))["items"]
        return found

    async def run(self, runner: Runner | None = None) -> int:
        """One turn, with all calls at their end; returns how many runs were claimed."""
        runner = runner or self.runner
        claimed = await runner.run_once(self.clock())
        await runner.settle()
        return claimed

    def to_the_hour(self, seconds: float = 1) -> None:
        """On to some seconds after the next full hour."""
        hour = self.clock.time.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        self.clock.time = hour + timedelta(seconds=seconds)

    async def sql(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """What a query finds in all tenants, or what it changes."""
        async with self.db.owner() as connection:
            found = await connection.execute(text(statement), values)
            return [dict(row) for row in found.mappings()] if found.returns_rows else []


@contextlib.asynccontextmanager
async def stage(db: Database, clock: SettableClock, receiver: Stub) -> AsyncIterator[Stage]:
    """The tenant and its application, started."""
    clock.time = clock.time.replace(minute=20, second=0, microsecond=0)
    deps = make_deps(db, clock, Settings(webhook_allow=("127.0.0.0/8",)))
    ingest = Ingest(deps)
    app = create_app(deps, ingest)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    tenant = await make_tenant(db)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://collector", headers=tenant.headers) as api,
    ):
        made = Stage(db, clock, receiver, ingest, api)
        made.tenant = tenant
        try:
            yield made
        finally:
            await made.runner.close()
