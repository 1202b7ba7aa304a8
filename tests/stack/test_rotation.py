"""`agent-monitor roles rotate`: a collector takes requests all the while, and none of them fails."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp
import psycopg
import pytest

from monitor import rotation
from monitor.db import Role
from monitor.errors import ConfigError
from monitor.ingest.batcher import REST
from monitor.settings import PREFIX, Settings
from tests.factories import make_tenant
from tests.servers.pgbouncer import PgBouncer
from tests.stage import MAIN, Program, Stage, open_stage

CLIENTS = 4


@pytest.fixture
async def stage(data_dir: Path) -> AsyncIterator[Stage]:
    """A server of this test's own: its roles get other passwords."""
    async with open_stage(data_dir) as made:
        yield made


@pytest.fixture
def files(stage: Stage, tmp_path: Path) -> dict[str, Path]:
    """The file with each role's URL."""
    made = {role.value: tmp_path / f"{role}_url" for role in Role}
    for role, path in made.items():
        path.write_text(stage.server.tcp_url(role, stage.database) + "\n")
        path.chmod(0o640)
    return made


def from_files(environment: Mapping[str, str], files: Mapping[str, Path]) -> dict[str, str]:
    """An environment in which the URLs lie in files."""
    names = {PREFIX + rotation.VARIABLES[role]: path for role, path in files.items()}
    kept = {name: value for name, value in environment.items() if name not in names}
    return kept | {f"{name}_FILE": str(path) for name, path in names.items()}


async def command(environment: Mapping[str, str], *words: str) -> str:
    """`agent-monitor roles rotate …`: what it says."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAIN, "roles", "rotate", *words,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(running.communicate(), 60)
    assert running.returncode == 0, said.decode()
    return said.decode()


class Clients:
    """Some that post and read without a pause, until they are held."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.answers: list[int] = []
        self._session = session
        self._go = asyncio.Event()
        self._go.set()
        self._at_work = 0

    async def run(self, number: int) -> None:
        """One of them."""
        while await self._go.wait():
            self._at_work += 1
            log = {"agent": f"agent-{number}", "status": "success", "message": "posted"}
            async with self._session.post("/api/v1/logs", json=log) as answer:
                self.answers.append(answer.status)
            async with self._session.get("/api/v1/agents") as answer:
                self.answers.append(answer.status)
            self._at_work -= 1

    async def cut_off(self, admin: str) -> int:
        """End all connections of the roles between two requests, and wait until they are; how many there were."""
        self._go.clear()
        while self._at_work:  # noqa: ASYNC110 - their own requests end it
            await asyncio.sleep(0.01)
        await asyncio.sleep(REST * 1.2)
        query = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = ANY (%s)"
        async with await psycopg.AsyncConnection.connect(admin, autocommit=True) as connection:
            row = await (await connection.execute(query, [[role.value for role in Role]])).fetchone()
        self._go.set()
        assert row is not None
        return int(row[0])


async def goes_in(url: str) -> bool:
    """Whether the server takes the password."""
    try:
        await (await psycopg.AsyncConnection.connect(url)).close()
    except psycopg.OperationalError:
        return False
    return True


async def test_no_request_fails_while_passwords_change_and_connections_end(
    stage: Stage, files: dict[str, Path]
) -> None:
    tenant = await make_tenant(stage.db)
    collector = stage.collector()
    assert isinstance(collector, Program)
    assert collector.env is not None
    collector.env = from_files(collector.env, files)
    await collector.start()
    first = {role: path.read_text().strip() for role, path in files.items()}
    async with aiohttp.ClientSession(collector.url, headers=tenant.headers) as session, asyncio.TaskGroup() as group:
        clients = Clients(session)
        tasks = [group.create_task(clients.run(number)) for number in range(CLIENTS)]
        for words in (("--prepare",), (), (), ()):
            await command(collector.env, *words)
            assert await clients.cut_off(stage.server.tcp_url()) >= 2
            before = len(clients.answers)
            await asyncio.sleep(0.5)
            assert len(clients.answers) > before + CLIENTS
        for task in tasks:
            task.cancel()
    assert set(clients.answers) == {200, 202}, Counter(clients.answers)
    for role, path in files.items():
        (url,) = path.read_text().split()
        assert await goes_in(url)
        assert not await goes_in(first[role])
        assert path.stat().st_mode & 0o777 == 0o640
    assert not [url for url in first.values() if str(urlsplit(url).password) in collector.log.read_text()]


@pytest.mark.parametrize("step", ["the file is written", "the role is changed"])
async def test_what_was_cut_off_is_finished(
    stage: Stage, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    role, path = Role.DOORMAN.value, files[Role.DOORMAN.value]
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(f"{PREFIX}{rotation.VARIABLES[role]}_FILE", str(path))
    await rotation.rotate(Settings(), [role], prepare=True, say=print)
    new, old = path.read_text().split()
    assert (await goes_in(new), await goes_in(old)) == (False, True)
    if step == "the role is changed":
        await rotation._change(role, [new, old])
        assert (await goes_in(new), await goes_in(old)) == (True, False)
    await rotation.rotate(Settings(), [role], prepare=False, say=print)
    assert path.read_text().split() == [new]
    assert (await goes_in(new), await goes_in(old)) == (True, False)


async def test_what_cannot_be_rotated_is_said_before_anything_changes(
    stage: Stage, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    with pytest.raises(ConfigError, match="no file is named"):
        await rotation.rotate(Settings(), [], prepare=False, say=print)
    with pytest.raises(ConfigError, match="DATABASE_OWNER_URL_FILE names no file"):
        await rotation.rotate(Settings(), [Role.OWNER], prepare=False, say=print)
    with pytest.raises(ConfigError, match="there is no role postgres"):
        await rotation.rotate(Settings(), ["postgres"], prepare=False, say=print)
    app = files[Role.APP.value]
    monkeypatch.setenv(f"{PREFIX}DATABASE_URL_FILE", str(app))
    with pytest.raises(ConfigError, match="agent_monitor_owner uses the password of agent_monitor_app"):
        await rotation.rotate(Settings(), [Role.APP], prepare=False, say=print)
    assert len(app.read_text().split()) == 1
    other = stage.server.tcp_url(Role.DOORMAN, stage.database).replace(Role.DOORMAN, Role.ALERTER)
    files[Role.ALERTER].write_text(other.replace("@", quote("x", safe="") + "@"))
    monkeypatch.setenv(f"{PREFIX}DATABASE_ALERTER_URL_FILE", str(files[Role.ALERTER]))
    with pytest.raises(ConfigError, match="takes none of the passwords of agent_monitor_alerter"):
        await rotation.rotate(Settings(), [Role.ALERTER], prepare=False, say=print)


async def test_a_pooler_is_noticed(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would go on with the old password: the server's is left as it is."""
    bouncer = await PgBouncer(stage.folder / "pgbouncer", stage.server).start()
    path = tmp_path / "url"
    path.write_text(bouncer.url(Role.DOORMAN, stage.database))
    monkeypatch.setenv(f"{PREFIX}DATABASE_DOORMAN_URL_FILE", str(path))
    try:
        with pytest.raises(ConfigError, match="leads to a pooler"):
            await rotation.rotate(Settings(), [Role.DOORMAN], prepare=False, say=print)
        assert await goes_in(stage.server.tcp_url(Role.DOORMAN, stage.database))
    finally:
        bouncer.kill()
