"""The image's health check, `agent-monitor health`: 0 only when `/healthz` says 200; and what an alerter serves."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from typer.testing import CliRunner

from monitor.app import create_health_app
from monitor.cli import app
from monitor.db import Database
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.http.collector import make_deps
from tests.servers.process import free_port


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server that answers this status at `/healthz`, and 404 elsewhere; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
def test_only_200_is_well(status: int, code: int) -> None:
    with answering(status) as port:
        assert CliRunner().invoke(app, ["health", "--port", str(port)]).exit_code == code


def test_nobody_is_not_well() -> None:
    done = CliRunner().invoke(app, ["health", "--port", str(free_port())])
    assert done.exit_code == 1
    assert "nothing answers" in done.output


async def test_an_alerter_serves_health_and_figures_and_nothing_else(db: Database, clock: SettableClock) -> None:
    health = create_health_app(make_deps(db, clock, Settings()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(health), base_url="http://alerter") as client:
        for path, status in {"/healthz": 200, "/readyz": 200, "/metrics": 200, "/api/v1/agents": 404}.items():
            assert (await client.get(path)).status_code == status, path
