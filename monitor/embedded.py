"""Starts, watches and stops the bundled PostgreSQL of one data directory."""

import asyncio
import contextlib
import errno
import json
import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from monitor import pgcluster
from monitor.errors import ConfigError
from monitor.pgbinaries import Binaries, choose, environment, last_lines, let_through, server_account, usable
from monitor.pgcluster import SUPERUSER, Cluster, private_directory

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

OWNER = "agent_monitor_owner"
LOGIN_ROLES = (OWNER, "agent_monitor_app", "agent_monitor_alerter", "agent_monitor_doorman")
DATABASE = "agent_monitor"
ROLES_SQL = Path(__file__).parent.parent / "sql" / "roles.sql"
LONGEST_SOCKET_DIRECTORY = 107 - len("/.s.PGSQL.65535")
"""In bytes: sockaddr_un holds 108, the last one a zero."""
RECOVERY_SECONDS = 300.0
LOG_KEPT_BYTES = 16 * 2**20
SETTINGS = (
    "listen_addresses=127.0.0.1",
    "max_connections=200",
    "shared_buffers=256MB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_min_messages=warning",
    "logging_collector=off",
    "password_encryption=scram-sha-256",
    "cluster_name=agent-monitor",
)
DURABLE = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")

logger = logging.getLogger(__name__)


class EmbeddedPostgres:
    """One PostgreSQL server, owned by this process for as long as it runs.

    Everything lies in `data_dir`: the cluster in `postgres`, its log, the passwords of the login roles in
    `credentials.json`, and a lock that refuses a second start. A server that dies is started again at the
    same address. `durable=False` gives up crash safety for speed; `major` asks for a version other than the
    newest one.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True, major: int | None = None) -> None:
        """Nothing is touched before `start`."""
        self.data_dir = data_dir.expanduser().absolute()
        self._durable = durable
        self._wanted = major
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._cluster = Cluster(self.data_dir, None)
        self._binaries: Binaries | None = None
        self._passwords: dict[str, str] = {}
        self._sockets = self.data_dir / "run"
        self._port = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        """The server's process id; 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    def url(self, role: str = SUPERUSER, database: str = DATABASE) -> str:
        """Address with password, by the unix socket (by TCP on Windows)."""
        if sys.platform == "win32":
            return self.tcp_url(role, database)
        where = quote(str(self._sockets), safe="")
        return f"postgresql://{role}:{self._passwords[role]}@/{database}?host={where}&port={self._port}"

    def tcp_url(self, role: str = SUPERUSER, database: str = DATABASE) -> str:
        """Address with password, by TCP on the loopback interface."""
        return f"postgresql://{role}:{self._passwords[role]}@127.0.0.1:{self._port}/{database}"

    async def start(self) -> None:
        """Make or upgrade the cluster where needed, run the server, wait for it, create roles and database.

        Raises ConfigError when another process holds the directory or the server cannot run.
        """
        self._lock = hold(self.data_dir)
        ready = False
        try:
            old = await asyncio.to_thread(self._prepare)
            if old is not None:
                await self._upgrade_from(old)
            await self._launch()
            await self._grant()
            if old is None:
                await asyncio.to_thread(self._sweep)
            ready = True
        finally:
            if not ready:
                await self.stop()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Shut the server down cleanly and let go of the directory. Safe to call twice."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        try:
            await asyncio.to_thread(self._end)
        finally:
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    async def create_database(self, name: str, *, template: str | None = None) -> None:
        """A database beside the main one, as closed as it, for the same roles; a copy of `template` if given."""
        async with await self._connect(SUPERUSER) as connection:
            await self._make_database(connection, name, template)

    async def drop_database(self, name: str) -> None:
        """Drop a database if it exists, throwing out whoever is connected."""
        async with await self._connect(SUPERUSER) as connection:
            await connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _prepare(self) -> Binaries | None:
        """Everything before the server runs. Returns the older binaries if the cluster has to be upgraded."""
        account = server_account(self.data_dir / "postgres")
        self._cluster = Cluster(self.data_dir.resolve(), account)
        if account is not None:
            let_through(self._cluster.root, account)
        pgcluster.repair(self._cluster)
        existing = self._cluster.major()
        old, new = (
            usable(found, account=account, copies=self._cluster.root) for found in choose(existing, self._wanted)
        )
        self._binaries = new
        self._passwords = credentials(self.data_dir / "credentials.json", may_create=existing is None)
        self._sockets = socket_directory(self._cluster)
        if existing is None:
            pgcluster.create(self._cluster, new, self._passwords[SUPERUSER])
        pgcluster.clear(self._cluster, new)
        return old if old.major != new.major else None

    async def _upgrade_from(self, old: Binaries) -> None:
        """Run the old server once, so that a crashed cluster recovers and shuts down cleanly; then upgrade."""
        new, self._binaries = self._binaries, old
        assert new is not None  # noqa: S101  set by _prepare
        logger.warning("upgrading PostgreSQL %s to %s in %s", old.version, new.version, self.data_dir)
        await self._launch()
        await asyncio.to_thread(self._end)
        await asyncio.to_thread(pgcluster.upgrade, self._cluster, old, new, self._passwords[SUPERUSER])
        self._binaries = new

    async def _launch(self) -> None:
        for _attempt in range(5):
            self._process = await asyncio.to_thread(self._spawn)
            if await self._ready(self._process):
                return
            said = log_end(self.data_dir / "postgres.log")
            if "could not create any TCP/IP sockets" not in said:  # another program was quicker to take the port
                break
        raise ConfigError(f"PostgreSQL did not start: {said}")

    def _spawn(self) -> subprocess.Popen[bytes]:
        binaries, cluster, account = self._binaries, self._cluster, self._cluster.account
        assert binaries is not None  # noqa: S101  set by _prepare
        self._port = free_port(self.data_dir / "port")
        settings = [*SETTINGS, *(DURABLE if self._durable else FORGETFUL), f"port={self._port}"]
        settings.append(f"unix_socket_directories={'' if sys.platform == 'win32' else self._sockets}")
        if pgcluster.accepts(cluster, binaries, "wal_compression=lz4"):
            settings.append("wal_compression=lz4")
        command = [binaries.program("postgres"), "-D", str(cluster.pgdata)]
        command += [word for setting in settings for word in ("-c", setting)]
        with (self.data_dir / "postgres.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=cluster.pgdata,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in the terminal is ours to handle, in our own order
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
