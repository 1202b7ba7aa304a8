"""A backup of the whole server by `pg_basebackup`, full or what changed, with the WAL up to a known state."""

import asyncio
import contextlib
import gzip
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from monitor.backup import cipher
from monitor.backup.programs import POLL, Programs, Running, programs_for, run, without_password
from monitor.db import translated
from monitor.errors import ConfigError
from monitor.pgbinaries import last_lines

INCREMENTAL_SINCE = 17
_SEGMENT = re.compile(r"[0-9A-F]{24}")
_REPLICATION = """
the server refuses replication to agent_monitor_backup: its pg_hba.conf needs a line such as
`host replication agent_monitor_backup <network> scram-sha-256`, or take logical backups
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A server, its backup role's URL, and the programs that fit it."""

    url: str
    programs: Programs
    summarizes: bool
    """Whether it keeps track of changed blocks, which incremental backups are made of."""

    @property
    def major(self) -> int:
        """Its major version."""
        return self.programs.major


async def look(url: str) -> Server:
    """Ask the server. Raises DatabaseDown; ConfigError where the role may not replicate."""
    with translated():
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=5, autocommit=True) as connection:
            major = connection.info.server_version // 10_000
            found = await connection.execute("SELECT current_setting('summarize_wal', true) = 'on', rolreplication"
                                             " FROM pg_roles WHERE rolname = current_user")  # fmt: skip
            summarizes, may = await found.fetchone() or (False, False)
    if not may:
        raise ConfigError("the role of backups has no REPLICATION: run `agent-monitor migrate` as a superuser")
    return Server(url, programs_for(major, url), bool(summarizes))


@contextlib.asynccontextmanager
async def receiving(server: Server, folder: Path) -> AsyncIterator[None]:
    """Every change from now on is written to `folder`, until the end."""
    folder.mkdir()
    url, password = without_password(server.url)
    words = [server.programs.find("pg_receivewal"), "--dbname", url, "--directory", str(folder), "--no-loop"]
    program = Running(words, cwd=folder, password=password)
    try:
        while not list(folder.iterdir()):
            if program.ended:
                raise refused("pg_receivewal", program.said())
            await asyncio.sleep(POLL)
        yield
    finally:
        await program.end()


async def copy(server: Server, folder: Path, *, since: Path | None = None) -> None:
    """The server's files, without WAL, as compressed archives; with the manifest `since`, only what changed."""
    url, password = without_password(server.url)
    words = [server.programs.find("pg_basebackup"), "--dbname", url, "--pgdata", str(folder), "--no-password"]
    words += ["--format=tar", "--wal-method=none", "--checkpoint=fast", "--compress=client-gzip:1"]
    if since is not None:
        words.append(f"--incremental={since}")
    try:
        await run(words, cwd=folder.parent, password=password)
    except ConfigError as fault:
        raise refused("pg_basebackup", fault.message.partition(": ")[2]) from fault


async def receive_until(server: Server, folder: Path, lsn: str) -> None:
    """What is still missing of the changes before `lsn`."""
    url, password = without_password(server.url)
    words = [server.programs.find("pg_receivewal"), "--dbname", url, "--directory", str(folder), "--no-loop"]
    await run([*words, f"--endpos={lsn}"], cwd=folder, password=password)


def pack(making: Path, *, secret: str | None) -> tuple[str, str]:
    """Compress the WAL, and seal everything where there is a secret; names of the first and last WAL file."""
    if secret:
        for path in sorted((making / "postgres").iterdir()):
            cipher.put(path, path, secret=secret)
    segments = sorted(path for path in (making / "wal").iterdir() if is_segment(path.name))
    for path in segments:
        put_segment(path, making / "wal", secret=secret)
    return segments[0].name[:24], segments[-1].name[:24]


def is_segment(name: str) -> bool:
    """Whether a file holds WAL; one that is being written to is named `….partial`."""
    return _SEGMENT.match(name) is not None


def put_segment(path: Path, folder: Path, *, secret: str | None) -> None:
    """Compress a WAL file into a folder, sealed where there is a secret, and delete it."""
    packed = path.with_name(f"{path.name[:24]}.gz.packing")
    with path.open("rb") as reading, gzip.open(packed, "wb", compresslevel=1) as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
    cipher.put(packed, folder / f"{path.name[:24]}.gz", secret=secret)
    path.unlink()


def refused(program: str, said: str) -> ConfigError:
    """What a program said, in words that say what to do."""
    if "no pg_hba.conf entry for replication" in said:
        return ConfigError(" ".join(_REPLICATION.split()))
    if "WAL summar" in said or "summarize_wal" in said:
        return ConfigError("the server has no summaries of changes since the last backup: a full one is needed")
    return ConfigError(f"{program} failed: {last_lines(said)}")
