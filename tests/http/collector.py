"""A collector for tests of ingest: the real routes over a real database, and short words for what is in it."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from monitor.audit.store import Recorder
from monitor.clock import Clock
from monitor.db import Database
from monitor.http import problems
from monitor.http.deps import Deps
from monitor.identity.keys import Authenticator
from monitor.ingest import Ingest
from monitor.ingest import routes as ingest_routes
from monitor.live import Live
from monitor.series.choice import store_of
from monitor.settings import Settings
from tests.factories import TenantMade, make_tenant


class Collector:
    """One collector process' worth of ingest, and a tenant whose key the client carries."""

    def __init__(self, ingest: Ingest, app: FastAPI, client: httpx.AsyncClient, tenant: TenantMade) -> None:
        self.ingest = ingest
        self.app = app
        self.client = client
        self.tenant = tenant

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """POST to an ingest route; bytes go as they are, anything else as JSON."""
        given = {"Content-Type": "application/json", **self.tenant.headers}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes):
            return await self.client.post(f"/api/v1/{path}", content=body, headers=given)
        return await self.client.post(f"/api/v1/{path}", json=body, headers=given)

    async def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """What a query finds in the tenant."""
        async with self.ingest.deps.db.tenant(self.tenant.id) as connection:
            return [dict(row) for row in (await connection.execute(text(sql), values)).mappings()]

    async def one(self, sql: str, **values: Any) -> dict[str, Any]:
        """The only row that a query finds."""
        (row,) = await self.rows(sql, **values)
        return row

    async def live(self, agent: str = "a") -> dict[str, Any]:
        """The live row of an agent."""
        return await self.one(
            "SELECT l.* FROM agent_live l JOIN agents a ON a.tenant_id = l.tenant_id AND a.id = l.agent_id "
            "WHERE a.external_id = :agent",
            agent=agent,
        )

    async def agent_id(self, agent: str = "a") -> UUID:
        """The id of an agent."""
        found: UUID = (await self.one("SELECT id FROM agents WHERE external_id = :agent", agent=agent))["id"]
        return found


def make_deps(db: Database, clock: Clock, settings: Settings) -> Deps:
    """What routes are made with, under a clock of the test's."""
    live = Live(settings.redis_url)
    return Deps(
        settings=settings,
        db=db,
        series=store_of(settings, db, clock),
        authenticator=Authenticator(db, clock, secret_keys=("a key for tests only",), live=live),
        audit=Recorder(clock),
        clock=clock,
        registry=CollectorRegistry(),
        live=live,
    )


@contextlib.asynccontextmanager
async def collecting(
    db: Database, clock: Clock, *, settings: Settings | None = None, tenant: TenantMade | None = None
) -> AsyncIterator[Collector]:
    """A started collector; `settings` without a directory that exists watch no disk."""
    ingest = Ingest(make_deps(db, clock, settings or Settings()))
    app = FastAPI()
    problems.install(app)
    app.include_router(ingest_routes.router(ingest))
    tenant = tenant or await make_tenant(db)
    await ingest.start()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://collector") as client:
            yield Collector(ingest, app, client, tenant)
    finally:
        await ingest.close()
        await ingest.deps.live.close()
        await ingest.deps.series.close()
