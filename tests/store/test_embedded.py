"""The bundled PostgreSQL, for real: restarts, refusals, crashes, orphans, odd directories."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from monitor import pgfiles
from monitor.db import Role
from monitor.embedded import DATABASE, EmbeddedPostgres
from monitor.errors import ConfigError
from tests.store.servers import query

ROOT = Path(__file__).parents[2]
APP = "agent_monitor_app"
CHILD = """
import asyncio, sys
from pathlib import Path
from monitor.embedded import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(Path(sys.argv[1])) as server:
        print(server.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def until(check: Callable[[], bool], *, seconds: float = 30) -> None:
    """Wait for something to become true, and fail when it does not."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.05)


def servers_on(data_dir: Path) -> list[int]:
    """Process ids of every PostgreSQL process that works in this data directory."""
    pgdata = str(data_dir.resolve() / "postgres")
    found = psutil.process_iter(["pid", "cwd"])
    return [process.info["pid"] for process in found if process.info["cwd"] == pgdata]


def start_in_another_process(data_dir: Path) -> tuple[subprocess.Popen[str], int]:
    """A process of ours with its server; returns it and the server's process id once that is ready."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(data_dir)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child, int(child.stdout.readline())


async def forever(server: EmbeddedPostgres) -> None:
    """Run a server until somebody cancels this."""
    async with server:
        await asyncio.sleep(600)


def kill_ours(child: subprocess.Popen[str]) -> None:
    """Kill -9 our process, which leaves its server behind."""
    child.kill()
    child.communicate()


async def test_data_and_address_survive_a_restart(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        before = server.url(Role.OWNER), server.tcp_url(Role.OWNER)
        await query(server.url(Role.OWNER), "CREATE TABLE kept AS SELECT 42 AS n")
    async with EmbeddedPostgres(data_dir) as server:
        assert (server.url(Role.OWNER), server.tcp_url(Role.OWNER)) == before
        assert await query(server.tcp_url(Role.OWNER), "SELECT n FROM kept") == [(42,)]


async def test_a_clean_stop_leaves_no_process_and_no_complaint(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        assert servers_on(data_dir)
        async with await psycopg.AsyncConnection.connect(server.url(Role.OWNER)) as connection:
            await connection.execute("SELECT 1")
    assert servers_on(data_dir) == []
    assert server.pid == 0
    log = (data_dir / "postgres.log").read_text()
    assert "database system is shut down" in log
    assert not re.search(r"WARNING|ERROR|FATAL|PANIC", log)


async def test_stop_is_safe_before_start_and_twice(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir / "data")
    await server.stop()
    await server.start()
    await server.stop()
    await server.stop()
    assert servers_on(data_dir / "data") == []


@pytest.mark.parametrize("seconds", [0.2, 0.8, 1.4])
async def test_a_start_cut_short_leaves_nothing_running(data_dir: Path, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(forever(EmbeddedPostgres(data_dir)), seconds)
    working = psutil.process_iter(["cwd"])
    assert [process for process in working if (process.info["cwd"] or "").startswith(str(data_dir))] == []
    async with EmbeddedPostgres(data_dir) as server:
        assert await query(server.url(APP), "SELECT 1") == [(1,)]


async def test_one_object_starts_again_after_its_stop(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    address = server.url(APP)
    await server.stop()
    async with server:
        assert server.url(APP) == address
        assert await query(address, "SELECT 1") == [(1,)]


async def test_a_second_start_is_refused_with_the_holders_pid(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        with pytest.raises(ConfigError, match=rf"^the data directory \S+ is in use by process {os.getpid()}: .*$"):
            await EmbeddedPostgres(data_dir).start()
        assert await query(server.url(APP), "SELECT 1") == [(1,)]


async def test_a_directory_that_cannot_be_used_is_named(data_dir: Path) -> None:
    (data_dir / "file").touch()
    with pytest.raises(ConfigError, match=r"^the data directory \S+/file/data cannot be used: Not a directory$"):
        await EmbeddedPostgres(data_dir / "file" / "data").start()


async def test_kill_9_of_everything_recovers(data_dir: Path) -> None:
    child, pid = start_in_another_process(data_dir)
    password = json.loads((data_dir / "credentials.json").read_text())[Role.OWNER]
    port = (data_dir / "port").read_text().strip()
    url = f"postgresql://{Role.OWNER}:{password}@127.0.0.1:{port}/{DATABASE}"
    await query(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    kill_ours(child)
    os.kill(pid, signal.SIGKILL)
    assert (data_dir / "postgres" / "postmaster.pid").exists()
    async with EmbeddedPostgres(data_dir) as server:
        assert await query(server.url(Role.OWNER), "SELECT count(*) FROM kept") == [(1000,)]
    assert "was not properly shut down" in (data_dir / "postgres.log").read_text()


async def test_a_server_whose_owner_was_killed_is_taken_over(data_dir: Path) -> None:
    child, pid = start_in_another_process(data_dir)
    kill_ours(child)
    assert psutil.Process(pid).is_running()
    async with EmbeddedPostgres(data_dir) as server:
        assert server.pid != pid
        assert pid not in servers_on(data_dir)
        assert await query(server.url(APP), "SELECT 1") == [(1,)]
    assert "was not properly shut down" not in (data_dir / "postgres.log").read_text()


async def test_a_lock_file_with_the_number_of_another_program_is_no_obstacle(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        await server.stop()
        stale = data_dir / "postgres" / "postmaster.pid"
        sleeper = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
        stale.write_text(f"{sleeper.pid}\n{data_dir}/postgres\n0\n5432\n\n127.0.0.1\n0 0\nready\n")
        await server.start()
        assert await query(server.url(APP), "SELECT 1") == [(1,)]
        assert sleeper.returncode is None
        await sleeper.communicate(b"\n")


async def test_a_server_that_dies_is_started_again_at_the_same_address(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as server:
        address, pid = server.url(APP), server.pid
        os.kill(pid, signal.SIGKILL)
        ready = data_dir / "postgres"
        await until(lambda: server.pid not in {0, pid} and pgfiles.is_ready(ready, server.pid))
        assert server.url(APP) == address
        assert await query(address, "SELECT 1") == [(1,)]
    assert servers_on(data_dir) == []


async def test_the_terminals_ctrl_c_does_not_reach_the_server(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False) as server:
        assert os.getsid(server.pid) == server.pid
        assert os.getpgid(server.pid) != os.getpgid(0)


async def test_a_path_too_long_for_a_socket_works_and_stays_the_address(data_dir: Path) -> None:
    deep = data_dir / ("a long name with spaces " * 5) / "ünïcode"
    async with EmbeddedPostgres(deep, durable=False) as server:
        address = server.url(APP)
        assert await query(address, "SELECT 1") == [(1,)]
        short = (deep / "run").readlink()
    assert not short.exists()
    async with EmbeddedPostgres(deep, durable=False) as server:
        assert server.url(APP) == address
        assert await query(address, "SELECT 1") == [(1,)]


async def test_a_server_that_cannot_start_is_quoted(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False):
        pass
    with (data_dir / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(ConfigError, match=r"PostgreSQL did not start: .*no_such_setting"):
        await EmbeddedPostgres(data_dir).start()
    assert servers_on(data_dir) == []


async def test_a_port_that_was_taken_meanwhile_is_replaced(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, durable=False)
    async with server:
        taken = int((data_dir / "port").read_text())
    listener = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", taken)
    async with listener, server:
        assert f":{taken}/" not in server.tcp_url(APP)
        assert await query(server.tcp_url(APP), "SELECT 1") == [(1,)]
