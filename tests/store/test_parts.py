"""Where tests find their servers, and what becomes of tests that find none."""

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest

from monitor.db import Role
from monitor.embedded import EmbeddedPostgres
from tests import parts
from tests.servers.influx import InfluxServer
from tests.servers.postgres import PASSWORD
from tests.servers.redis import RedisServer
from tests.stage import ROOT
from tests.tools import influxd

SERVERS = "tests/store/test_servers.py"
FAKE_GO = """\
#!/bin/sh
echo "$1 $GOFLAGS $RUSTUP_TOOLCHAIN $PWD" >> {log}
if [ "$1" = build ] && [ -e {broken} ]; then echo "no such module"; exit 1; fi
while [ $# -gt 0 ]; do if [ "$1" = -o ]; then sleep 0.3; echo made > "$2"; fi; shift; done
"""


async def run(*words: str, folder: Path, path: str = "", **settings: str) -> tuple[int, str]:
    """A Python of its own, which finds no program but those in `path`; its exit code and what it said."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AGENT_MONITOR_", "PYTEST_"))}
    env |= {"PATH": path, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "DOCKER_HOST": "unix:///none"}
    env |= {f"{parts.PREFIX}{name}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *words,
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _nothing = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def run_tests(*words: str, folder: Path, **settings: str) -> tuple[int, str]:
    """A run of pytest on these tests."""
    return await run("pytest", "-q", "-p", "no:cacheprovider", *words, folder=folder, **settings)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with a Go that writes down what it is asked to do, and tools that it needs."""
    folder = tmp_path / "tools"
    folder.mkdir()
    go = FAKE_GO.format(log=tmp_path / "go.log", broken=tmp_path / "broken")
    rustup = "#!/bin/sh\necho 'chosen-toolchain (default)'\n"
    for name, text in {"go": go, "rustup": rustup, "cargo": "#!/bin/sh\n", "cc": "#!/bin/sh\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


async def test_without_any_part_tests_are_left_out_and_named(tmp_path: Path) -> None:
    code, said = await run_tests(SERVERS, folder=tmp_path)
    assert code == 0, said
    assert "6 skipped" in said
    _before, _heading, summary = said.partition("left out for want of a real part")
    assert "redis-server is not on PATH" in summary
    assert "influxd is not on PATH, and to build it go and cargo and cc are wanting" in summary
    assert summary.count(f"{SERVERS}::") >= 6


async def test_where_all_parts_are_required_their_tests_fail(tmp_path: Path) -> None:
    code, said = await run_tests(SERVERS, "-k", "finds_redis", folder=tmp_path, REQUIRE_ALL="1")
    assert code == 1, said
    assert "AGENT_MONITOR_TEST_REQUIRE_ALL is set" in said


async def test_addresses_come_first(servers_dir: Path, data_dir: Path, tmp_path: Path) -> None:
    influx = await InfluxServer(servers_dir / "elsewhere").start()
    redis = await RedisServer(servers_dir / "elsewhere").start()
    async with EmbeddedPostgres(data_dir, durable=False) as postgres:
        code, said = await run_tests(
            SERVERS,
            "tests/store/test_live.py",
            "-k",
            "not kill",
            folder=tmp_path,
            INFLUX_URL=influx.at.url,
            INFLUX_TOKEN=influx.at.token,
            INFLUX_ORG=influx.at.org,
            REDIS_URL=redis.url.removesuffix("/0"),
            POSTGRES_URL=postgres.tcp_url(database="postgres"),
            REQUIRE_ALL="1",
        )
        assert code == 0, said
        # It was this server where the roles were made: they have the tests' password now.
        url = urlsplit(postgres.tcp_url(Role.APP))
        theirs = url._replace(netloc=f"{Role.APP}:{quote(PASSWORD)}@127.0.0.1:{url.port}")
        async with await psycopg.AsyncConnection.connect(urlunsplit(theirs)) as connection:
            assert connection.info.user == Role.APP
    await influx.stop()
    await redis.stop()


async def test_influxdb_is_built_once_however_many_ask(tools: Path, tmp_path: Path) -> None:
    path = f"{tools}:/bin:/usr/bin"
    answers = await asyncio.gather(*(run("tests.tools.influxd", folder=tmp_path, path=path) for _ in range(3)))
    kept = tmp_path / "cache" / "agent-monitor" / influxd.place().parent.name / "influxd"
    assert kept.read_text() == "made\n"
    assert [said.splitlines()[-1] for _code, said in answers] == [str(kept)] * 3
    install, build = (tmp_path / "go.log").read_text().splitlines()
    assert install.split()[:2] == ["install", "chosen-toolchain"]
    assert build.split()[:3] == ["build", "-mod=mod", "chosen-toolchain"]
    assert sorted(path.name for path in kept.parent.iterdir()) == ["influxd", "lock"]
    assert str(ROOT) not in build


async def test_a_build_that_fails_leaves_nothing_and_says_why(tools: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    path = f"{tools}:/bin:/usr/bin"
    code, said = await run("tests.tools.influxd", folder=tmp_path, path=path)
    assert (code, said.splitlines()[-1]) == (1, "no such module")
    (tmp_path / "broken").unlink()
    code, said = await run("tests.tools.influxd", folder=tmp_path, path=path)
    assert code == 0, said


def test_containers_are_made_of_what_the_stack_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    assert [name for name in parts.IMAGES if f"image: {parts.image(name)}\n" not in compose] == []
    monkeypatch.setenv("AGENT_MONITOR_TEST_REDIS_IMAGE", "mine:1")
    assert parts.image("REDIS") == "mine:1"


def test_no_list_of_checksums_is_kept() -> None:
    assert sorted(path.name for path in influxd.HERE.iterdir() if path.suffix != ".pyc" and path.is_file()) == [
        "__init__.py",
        "__main__.py",
        "go.mod",
        "tools.go",
    ]
