"""The whole application over a real database, spoken to without a socket, under a clock of the test's."""

import contextlib
from collections.abc import AsyncIterator

import httpx

from monitor.app import create_app
from monitor.clock import Clock
from monitor.db import Database
from monitor.ingest import Ingest
from monitor.settings import Settings
from tests.http.collector import make_deps


@contextlib.asynccontextmanager
async def serving(db: Database, clock: Clock, *, settings: Settings | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the started application."""
    deps = make_deps(db, clock, settings or Settings())
    app = create_app(deps, Ingest(deps), closing=deps.live.close)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://collector") as client,
    ):
        yield client
    await deps.series.close()
