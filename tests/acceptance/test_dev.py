"""One command: it says what a newcomer needs, what it says works, and it can be stopped and started again."""

import asyncio
import json
import re
import stat
from pathlib import Path

import httpx
import psutil
import psycopg

from monitor.errors import ConfigError
from tests.acceptance.running import READY, running, start
from tests.parts import program


async def test_what_it_prints_works(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as dev:
        assert dev.printed.startswith(READY)
        said = dev.said
        assert set(said) == {"url", "api_key", "tenant_id", "database_url", "pid"}
        assert (said["url"], said["pid"]) == (dev.url, dev.process.pid)
        assert dev.line("API key").endswith(said["api_key"])
        assert stat.S_IMODE((dev.data / "dev.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((dev.data / "secret").stat().st_mode) == 0o600
        curl = await asyncio.create_subprocess_exec(
            program("curl"), "--silent", *dev.curl[1:], stdout=asyncio.subprocess.PIPE
        )
        answer, _ = await curl.communicate()
        assert json.loads(answer) == {"accepted": 1, "rejected": []}
        async with dev.client() as client:
            agents = (await client.get("/api/v1/agents")).json()["items"]
            assert {"akira-001", "host"} <= {agent["external_id"] for agent in agents} | {
                agent["agent_type"] for agent in agents
            }
            assert (await client.get("/readyz")).status_code == 200
        link = dev.line("Sign in").split()[-1]
        async with httpx.AsyncClient(follow_redirects=True) as browser:
            page = await browser.get(link)
            form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
            page = await browser.post(link, data=form)
        assert (page.status_code, "akira-001" in page.text) == (200, True)


async def test_the_database_is_reached_as_the_plain_role(tmp_path: Path) -> None:
    query = "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
    async with (
        running(tmp_path / "data") as dev,
        await psycopg.AsyncConnection.connect(dev.said["database_url"]) as connection,
    ):
        assert await (await connection.execute(query)).fetchone() == (False, False)


async def test_a_restart_keeps_data_and_key(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as dev:
        first = dev.said
        async with dev.client() as client:
            await client.post("/api/v1/logs", json={"agent": "akira-001", "status": "success"})
    stopped = json.loads((tmp_path / "data" / "dev.json").read_text())
    assert stopped["pid"] is None
    async with running(tmp_path / "data") as dev:
        assert dev.said["api_key"] == first["api_key"]
        assert dev.said["tenant_id"] == first["tenant_id"]
        async with dev.client() as client:
            assert (await client.get("/api/v1/agents/akira-001")).status_code == 200


async def test_a_lost_dev_json_makes_a_new_key_in_the_same_tenant(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as dev:
        first = dev.said
    (tmp_path / "data" / "dev.json").unlink()
    async with running(tmp_path / "data") as dev:
        assert dev.said["tenant_id"] == first["tenant_id"]
        assert dev.said["api_key"] != first["api_key"]
        async with dev.client() as client:
            assert (await client.get("/api/v1/tenant")).status_code == 200


async def test_a_stop_leaves_nothing_running_and_complains_of_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "data", "--demo") as dev:
        await asyncio.sleep(8)
        children = psutil.Process(dev.process.pid).children(recursive=True)
        assert any("postgres" in child.name() for child in children)
    assert [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
    assert await dev.ended() == ""
    log = (tmp_path / "data" / "agent-monitor.log").read_text()
    assert re.findall(r"Traceback|\[error|\[warning", log) == []


async def test_a_second_start_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as dev:
        second = await start(tmp_path / "data")
        said = await second.ended()
        assert await second.stop() == 1
        assert said.count("\n") == 1
        assert f"is in use by process {dev.process.pid}" in said
        async with dev.client() as client:
            assert (await client.get("/readyz")).status_code == 200


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    async with running(tmp_path / "one") as dev:
        second = await start(tmp_path / "two", port=dev.port)
        said = await second.ended()
        assert await second.stop() == 1
        assert said == f"agent-monitor: port {dev.port} is in use by another program: choose another with --port\n"


async def test_fresh_empties_only_what_is_ours(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as dev:
        first = dev.said
    async with running(tmp_path / "data", "--fresh") as dev:
        assert dev.said["tenant_id"] != first["tenant_id"]
    foreign = tmp_path / "photos"
    foreign.mkdir()
    (foreign / "cat.jpg").write_text("meow")
    refused = await start(foreign, "--fresh")
    assert "was not made by agent-monitor" in await refused.ended()
    assert await refused.stop() == 1
    assert (foreign / "cat.jpg").read_text() == "meow"


async def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    refused = await start(tmp_path / "data", settings={"evaluation_interval": "often"})
    said = await refused.ended()
    assert await refused.stop() == 1
    assert said.startswith("agent-monitor: AGENT_MONITOR_EVALUATION_INTERVAL is wrong: ")
    assert said.count("\n") == 1
    assert ConfigError.__name__ not in said
    assert not (tmp_path / "data").exists()
