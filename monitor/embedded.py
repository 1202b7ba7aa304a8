"""Starts, watches and stops the bundled PostgreSQL of one data directory."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from monitor import pgcluster, pgfiles, pgroles
from monitor.errors import ConfigError
from monitor.pgbinaries import Binaries, choose, environment, let_through, server_account, usable
from monitor.pgcluster import SUPERUSER, Cluster
from monitor.pgroles import LOGIN_ROLES

DATABASE = "agent_monitor"
RECOVERY_SECONDS = 300.0
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
    "max_slot_wal_keep_size=8GB",  # an archive of changes that nobody receives must not fill the disk
)
DURABLE = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")

T = TypeVar("T")

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
        self._closed = True
        self._guard = threading.Lock()
        self._cluster = Cluster(self.data_dir, None)
        self._binaries = Binaries("0", self.data_dir)
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
        self._lock = pgfiles.hold(self.data_dir)
        self._closed = False
        ready = False
        try:
            older = await self._alone(self._prepare)
            if older is not None:
                await self._upgrade_from(older)
            await self._launch()
            await self._grant()
            if older is None:
                await asyncio.to_thread(pgcluster.sweep, self._cluster)
            ready = True
        finally:
            if not ready:
                await self.stop()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Shut the server down cleanly and let go of the directory. Safe to call twice."""
        self._closed = True
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
        """A database beside the main one, for the same roles only; a copy of `template` if given."""
        await pgroles.make_database(self._connect, name, template=template or "template1")

    async def drop_database(self, name: str) -> None:
        """Drop a database if it exists, throwing out whoever is connected."""
        async with await self._connect("postgres") as connection:
            await connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    async def _alone(self, work: Callable[[], T]) -> T:
        """Do blocking work in a thread; `stop` waits for its end, and none begins after that."""

        def guarded() -> T:
            with self._guard:
                if self._closed:
                    raise ConfigError("PostgreSQL was stopped while it started")
                return work()

        return await asyncio.to_thread(guarded)

    def _prepare(self) -> Binaries | None:
        """Everything before the server runs. Returns the older binaries if the cluster has to be upgraded."""
        account = server_account(self.data_dir / "postgres")
        cluster = self._cluster = Cluster(self.data_dir.resolve(), account)
        if account is not None:
            let_through(cluster.root, account)
        pgcluster.repair(cluster)
        existing = cluster.major()
        older, newer = (usable(b, account=account, copies=cluster.root) for b in choose(existing, self._wanted))
        self._binaries = newer
        roles = (SUPERUSER, *LOGIN_ROLES)
        self._passwords = pgfiles.credentials(cluster.root / "credentials.json", roles, may_create=existing is None)
        self._sockets = pgfiles.socket_directory(cluster.root, account)
        if existing is None:
            pgcluster.create(cluster, newer, self._passwords[SUPERUSER])
        pgcluster.clear(cluster, newer)
        return older if older.major != newer.major else None

    async def _upgrade_from(self, older: Binaries) -> None:
        newer, self._binaries = self._binaries, older
        logger.warning("upgrading PostgreSQL %s to %s in %s", older.version, newer.version, self.data_dir)
        await self._launch()  # once more, so that a cluster that crashed recovers and shuts down cleanly
        await asyncio.to_thread(self._end)
        password = self._passwords[SUPERUSER]
        await self._alone(lambda: pgcluster.upgrade(self._cluster, older, newer, password))
        self._binaries = newer

    async def _launch(self) -> None:
        said = ""
        for _attempt in range(5):
            written = await self._alone(self._spawn)
            if await self._ready():
                return
            said = await asyncio.to_thread(pgfiles.log_end, self._log, written)
            # Otherwise another program was quicker to take the port.
            if "could not create any TCP/IP sockets" not in said:
                break
        raise ConfigError(f"PostgreSQL did not start: {said}")

    def _spawn(self) -> int:
        """Run the server, and return how long its log was before."""
        cluster, account = self._cluster, self._cluster.account
        self._port = pgfiles.free_port(cluster.root / "port")
        settings = [*SETTINGS, *(DURABLE if self._durable else FORGETFUL), f"port={self._port}"]
        settings.append(f"unix_socket_directories={'' if sys.platform == 'win32' else self._sockets}")
        if pgcluster.accepts(cluster, self._binaries, "wal_compression=lz4"):
            settings.append("wal_compression=lz4")
        if self._binaries.major >= 17:
            settings.append("summarize_wal=on")  # what incremental backups are made of
        command = [self._binaries.program("postgres"), "-D", str(cluster.pgdata)]
        command += [word for setting in settings for word in ("-c", setting)]
        with pgfiles.open_log(self._log) as log:
            before = log.tell()  # the server moves the same position from its first line on
            self._process = subprocess.Popen(
                command,
                cwd=cluster.pgdata,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in the terminal is for us: we stop the server last
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
            return before

    async def _ready(self) -> bool:
        """Wait until the server takes connections. False if it died; it may take minutes after a crash."""
        deadline = asyncio.get_running_loop().time() + RECOVERY_SECONDS
        while self._process is not None and self._process.poll() is None:
            if pgfiles.is_ready(self._cluster.pgdata, self._process.pid):
                return True
            if asyncio.get_running_loop().time() > deadline:
                raise ConfigError(f"PostgreSQL was not ready after {RECOVERY_SECONDS:.0f} s; its log: {self._log}")
            await asyncio.sleep(0.02)
        return False

    async def _keep(self) -> None:
        """Start the server again whenever it dies, so that a lost database is an outage and not the end."""
        while True:
            await asyncio.sleep(0.5)
            if self._process is None or self._process.poll() is None:
                continue
            logger.error("PostgreSQL ended by itself with %s; starting it again", self._process.returncode)
            try:
                await self._alone(lambda: pgcluster.clear(self._cluster, self._binaries))
                await self._launch()
            except ConfigError as fault:
                logger.error("%s", fault)

    def _end(self) -> None:
        with self._guard:
            process, self._process = self._process, None
            if process is not None and process.poll() is None:
                pgcluster.end(psutil.Process(process.pid), self._binaries)
                process.wait()
            pgfiles.remove_socket_directory(self._cluster.root)

    @property
    def _log(self) -> Path:
        return self.data_dir / "postgres.log"

    async def _connect(self, database: str) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(self.url(SUPERUSER, database), autocommit=True)

    async def _grant(self) -> None:
        """The login roles with their passwords, and the main database. Changes nothing the second time."""
        await pgroles.make_roles(self._connect, {role: self._passwords[role] for role in LOGIN_ROLES})
        await pgroles.ensure_database(self._connect, DATABASE)
