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
from dashboards.every import EVERY
from dashboards.panels import Store, uid
from monitor import dashboards_cli
from monitor.errors import ConfigError, Unavailable
from monitor.settings import Settings
from tests.servers.process import free_port

TOKEN = "glsa_for_tests"
APP = typer.Typer()
dashboards_cli.attach(APP)


class Stub(ThreadingHTTPServer):
    """As much of Grafana's HTTP API as folders and `POST /api/dashboards/db` are: `status` is what it answers with.

    A dashboard into a folder that is not there is refused, and so is a folder that is there already.
    """

    daemon_threads = True

    def __init__(self) -> None:
        """On any free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.received: list[dict[str, Any]] = []
        self.folders: list[dict[str, Any]] = []
        self.hides_folders = False

    @property
    def url(self) -> str:
        """Its address, behind a path as a proxy puts it."""
        return f"http://127.0.0.1:{self.server_address[1]}/grafana/"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Stub

    def do_GET(self) -> None:
        """A folder by its uid, unless somebody makes it only after this look."""
        uid = self.path.removeprefix("/grafana/api/folders/")
        there = not self.server.hides_folders and any(one["uid"] == uid for one in self.server.folders)
        self._say(self._allowed(200 if there else 404), {"uid": uid})

    def do_POST(self) -> None:
        """Keep what comes; refuse what has no token."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/grafana/api/folders":
            known = any(one["uid"] == body["uid"] for one in self.server.folders)
            status = self._allowed(409 if known else self.server.status)
            if status == 200:
                self.server.folders.append(body)
            return self._say(status, body)
        assert self.path == "/grafana/api/dashboards/db"
        known = any(one["uid"] == body["folderUid"] for one in self.server.folders)
        status = self._allowed(self.server.status if known else 400)
        if status == 200:
            self.server.received.append(body)
        uid = body["dashboard"]["uid"]
        return self._say(status, {"uid": uid, "url": f"/d/{uid}/page"})

    def _allowed(self, status: int) -> int:
        return status if self.headers["Authorization"] == f"Bearer {TOKEN}" else 401

    def _say(self, status: int, said: dict[str, Any]) -> None:
        answer = json.dumps(said if status == 200 else {"message": f"answered {status}"}).encode()
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
    slugs = [page.slug for page in EVERY]
    assert addresses == [f"{grafana.url}d/agent-monitor-{slug}-postgres/page" for slug in slugs]
    sent = grafana.received[0]
    assert len(grafana.received) == len(EVERY)
    assert {one["folderUid"] for one in grafana.received} == {"agent-monitor"}
    assert sent["overwrite"] is True
    assert sent["dashboard"]["id"] is None
    assert "https://monitor.example" in json.dumps(sent["dashboard"])


async def test_both_where_history_is_in_influxdb_and_again(grafana: Stub) -> None:
    """The uids are fixed: a second push writes over the first."""
    for _ in range(2):
        await build.push(settings(grafana.url, influx="http://influxdb:8086"))
    uids = [sent["dashboard"]["uid"] for sent in grafana.received]
    assert uids == [uid(page, store) for page, store in build.PAGES] * 2
    assert grafana.folders == [{"uid": "agent-monitor", "title": "Agent Monitor"}]


async def test_a_folder_that_somebody_else_made_meanwhile_is_used(grafana: Stub) -> None:
    grafana.folders.append(dict(build.INTO))
    grafana.hides_folders = True
    assert len(await build.push(settings(grafana.url))) == len(EVERY)
    assert grafana.folders == [build.INTO]


async def test_refusals_and_failures_are_said(grafana: Stub) -> None:
    with pytest.raises(ConfigError, match=r"Grafana refused the folder 'Agent Monitor': 401 answered 401"):
        await build.push(settings(grafana.url, token="wrong"))
    grafana.folders.append(dict(build.INTO))
    grafana.status = 412
    with pytest.raises(ConfigError, match=r"Grafana refused 'Agent Monitor: fleet': 412 answered 412"):
        await build.push(settings(grafana.url))
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
    assert (done.exit_code, done.output) == (
        0, "".join(f"{grafana.url}d/{uid(page, Store.POSTGRES)}/page\n" for page in EVERY),
    )  # fmt: skip
