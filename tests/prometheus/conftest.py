"""A collector that Prometheus reaches."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from monitor import clock
from monitor.app import create_app
from monitor.db import Database
from monitor.ingest import Ingest
from monitor.serving import listen, serving
from monitor.settings import Settings
from tests.http.collector import make_deps


@pytest.fixture
async def url(db: Database) -> AsyncIterator[str]:
    """A collector on a socket."""
    deps = make_deps(db, clock.now, Settings())
    with contextlib.closing(listen("127.0.0.1", 0)) as socket:
        port = socket.getsockname()[1]
        async with serving(create_app(deps, Ingest(deps), closing=deps.live.close), socket):
            yield f"http://127.0.0.1:{port}"
    await deps.series.close()
