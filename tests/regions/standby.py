"""A real standby of a bundled server: copied by pg_basebackup, streaming from it, to be killed and started again."""

import asyncio
import contextlib
import subprocess
from pathlib import Path

import psycopg

from monitor import pgfiles
from monitor.embedded import DATABASE, EmbeddedPostgres
from monitor.pgbinaries import environment, private_directory, run
from monitor.pgcluster import SUPERUSER


class Standby:
    """One standby in `folder`. It connects to the primary as `name`."""

    def __init__(self, primary: EmbeddedPostgres, folder: Path, name: str) -> None:
        self.name = name
        self._primary = primary
        self._folder = folder
        self._binaries, self._account = primary._binaries, primary._cluster.account
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    async def copy(self) -> None:
        """Make the copy, with the settings of a standby in it."""
        self._folder.mkdir(exist_ok=True)
        private_directory(self._folder, self._account)
        password = self._primary._passwords[SUPERUSER]
        where = f"host=127.0.0.1 port={self._primary._port} user={SUPERUSER} application_name={self.name}"
        command = [
            self._binaries.program("pg_basebackup"), "-D", str(self._folder / "data"), "-R", "-X", "stream",
            "--checkpoint=fast", "-d", f"{where} password={password}",
        ]  # fmt: skip
        await asyncio.to_thread(run, command, account=self._account, cwd=self._folder)

    async def start(self) -> None:
        """Run it until it takes connections."""
        for _ in range(50):
            self._port = pgfiles.free_port(self._folder / "port")
            settings = [
                f"port={self._port}", "unix_socket_directories=", "listen_addresses=127.0.0.1", "hot_standby=on",
                "wal_receiver_status_interval=1s", "wal_retrieve_retry_interval=200ms", "max_connections=200",
            ]  # fmt: skip
            command = [self._binaries.program("postgres"), "-D", str(self._folder / "data")]
            command += [word for setting in settings for word in ("-c", setting)]
            self._process = await asyncio.to_thread(self._spawn, command)
            if await self._ready():
                return
        raise AssertionError((self._folder / "log").read_text()[-2000:])

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        account = self._account
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self._folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )

    async def _ready(self) -> bool:
        while self._process is not None and self._process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                await self.ask("SELECT 1")
                return True
            await asyncio.sleep(0.1)
        # Processes of one that was killed may hold its memory for a moment.
        await asyncio.sleep(0.2)
        return False

    async def ask(self, query: str) -> object:
        """What one query says."""
        password = self._primary._passwords[SUPERUSER]
        connection = await psycopg.AsyncConnection.connect(
            host="127.0.0.1", port=self._port, user=SUPERUSER, password=password, dbname=DATABASE, autocommit=True
        )
        async with connection:
            row = await (await connection.execute(query)).fetchone()
        return None if row is None else row[0]

    def kill(self) -> None:
        """As the machine it runs on would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
