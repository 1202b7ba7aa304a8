"""Into a running Grafana: what is sent, and what is said when it refuses or is not there; and the command line."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from dashboards import build
from monitor import dashboards_cli
from monitor.errors import ConfigError, Unavailable
from monitor.settings import Settings
from tests.servers.process import free_port

TOKEN = "glsa_for_tests"
APP = typer.Typer()
dashboards_cli.attach(APP)


class Stub(ThreadingHTTPServer):
    """As much of Grafana's HTTP API as `POST /api/dashboards/db` is: `status` is what it answers with."""

    daemon_threads = True

    def __init__(self) -> None:
        """On any free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.received: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """Its address, behind a path as a proxy puts it."""
        return f"http://127.0.0.1:{self.server_address[1]}/grafana/"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Stub

    def do_POST(self) -> None:
        """Keep what comes; refuse what has no token."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.status if self.headers["Authorization"] == f"Bearer {TOKEN}" else 401
        if self.path != "/grafana/api/dashboards/db":
            status = 404
        uid = body["dashboard"]["uid"]
        said = {"uid": uid, "url": f"/d/{uid}/fleet"} if status == 200 else {"message": f"answered {status}"}
        if status == 200:
            self.server.received.append(body)
        answer = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Nothing is said."""


@pytest.fixture
def grafana() -> Iterator[Stub]:
    """It runs."""
    with Stub() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def settings(url: str, token: str = TOKEN, influx: str | None = None) -> Settings:
    """With a console of one's own."""
    return Settings(grafana_url=url, grafana_token=token, influx_url=influx, public_url="https://monitor.example")


async def test_postgres_alone_without_influxdb(grafana: Stub) -> None:
    addresses = await build.push(settings(grafana.url))
    assert addresses == [f"{grafana.url}d/agent-monitor-fleet-postgres/fleet"]
    (sent,) = grafana.received
    assert sent["overwrite"] is True
    assert sent["dashboard"]["id"] is None
    assert "https://monitor.example" in json.dumps(sent["dashboard"])


async def test_both_where_history_is_in_influxdb_and_again(grafana: Stub) -> None:
    """The uids are fixed: a second push writes over the first."""
    for _ in range(2):
        await build.push(settings(grafana.url, influx="http://influxdb:8086"))
    uids = [sent["dashboard"]["uid"] for sent in grafana.received]
    assert uids == ["agent-monitor-fleet-postgres", "agent-monitor-fleet-influx"] * 2


async def test_refusals_and_failures_are_said(grafana: Stub) -> None:
    with pytest.raises(ConfigError, match=r"Grafana refused 'Agent Monitor: fleet': 401 answered 401"):
        await build.push(settings(grafana.url, token="wrong"))
    grafana.status = 503
    with pytest.raises(Unavailable, match="Grafana answered 503"):
        await build.push(settings(grafana.url))
    with pytest.raises(Unavailable, match="Grafana does not answer"):
        await build.push(settings(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(ConfigError, match="AGENT_MONITOR_GRAFANA_URL"):
        await build.push(Settings())
    assert grafana.received == []


def test_build_and_check_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder's files carry this installation's addresses; the package's own do not."""
    monkeypatch.setenv("AGENT_MONITOR_PUBLIC_URL", "https://monitor.example")
    run = CliRunner()
    folder = ["--folder", str(tmp_path)]
    assert run.invoke(APP, ["dashboards", "check", *folder]).exit_code == 1
    assert run.invoke(APP, ["dashboards", "build", *folder]).exit_code == 0
    assert '"https://monitor.example"' in (tmp_path / "fleet-postgres.json").read_text()
    assert run.invoke(APP, ["dashboards", "check", *folder]).exit_code == 0
    assert run.invoke(APP, ["dashboards", "check"]).exit_code == 0


def test_push_from_the_command_line(grafana: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_MONITOR_GRAFANA_URL", grafana.url)
    monkeypatch.setenv("AGENT_MONITOR_GRAFANA_TOKEN", TOKEN)
    done = CliRunner().invoke(APP, ["dashboards", "push"])
    assert (done.exit_code, done.output) == (0, f"{grafana.url}d/agent-monitor-fleet-postgres/fleet\n")
