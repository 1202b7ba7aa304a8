"""Takes one backup: whole in the end, or not one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from monitor.backup import archive, cipher, fingerprint, history, logical, physical
from monitor.backup.fingerprint import Moment, TableSum
from monitor.backup.history import Influx, influx_of
from monitor.backup.place import Kind, Manifest, Place, files_of
from monitor.clock import Clock
from monitor.db import Database, Role, translated
from monitor.errors import ConfigError
from monitor.pgroles import BACKUP
from monitor.settings import Settings
from sql import migrate

Say = Callable[[str], None]
REDIS_NOTE = """\
Redis is not in this backup. It holds a cache of live state, sessions of the console and rate limits: all of it is made
again from PostgreSQL or by signing in. After a restore, empty it (FLUSHDB) and restart the collectors.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is backed up: the database by its owner and by the role of backups, InfluxDB; and the key to seal with."""

    db: Database
    owner_url: str
    backup_url: str
    influx: Influx | None
    secret: str | None


def source_of(settings: Settings, db: Database) -> Source:
    """From the settings. Raises ConfigError where InfluxDB is named by halves."""
    return Source(
        db=db,
        owner_url=settings.role_url(Role.OWNER),
        backup_url=settings.role_url(BACKUP),
        influx=influx_of(settings),
        secret=settings.backup_key,
    )


async def take(source: Source, place: Place, kind: Kind, *, clock: Clock, say: Say) -> Manifest:
    """Take one and return what it says of itself. Raises ConfigError, DatabaseDown, SeriesDown."""
    started = clock()
    with place.held():
        name = f"{started:%Y%m%dT%H%M%SZ}-{kind}"
        making = place.begin(name)
        if source.influx is not None:  # first: a sample is in InfluxDB before its series is known to be
            say("InfluxDB")
        buckets = await history.save(source.influx, making / "influx", secret=source.secret) if source.influx else ()
        revision, _ = await migrate.current(source.db)
        draft = Manifest(
            name=name,
            kind=kind,
            started_at=started,
            at=started,
            completed_at=started,
            server=0,
            database=urlsplit(source.owner_url).path.strip("/"),
            revision=revision,
            sealed=source.secret is not None,
            history=buckets,
        )
        make = _logical if kind is Kind.LOGICAL else _physical
        made = await make(source, place, draft, making=making, say=say)
        (making / "redis.txt").write_text(REDIS_NOTE)
        files = await asyncio.to_thread(files_of, making)
        manifest = replace(made, completed_at=clock(), files=files)
        await asyncio.to_thread(place.finish, making, manifest)
    return manifest


async def _logical(source: Source, place: Place, draft: Manifest, *, making: Path, say: Say) -> Manifest:
    programs = await logical.server_programs(source.owner_url)
    async with fingerprint.snapshot(source.db) as (connection, moment):
        say("pg_dump")
        url, folder = source.owner_url, making / "postgres"
        await logical.dump(url, folder, snapshot=moment.snapshot, secret=source.secret)
        say("counting rows")
        tables = await fingerprint.take(connection)
    return replace(draft, at=moment.at, server=programs.major, tables=tables)


async def _physical(source: Source, place: Place, draft: Manifest, *, making: Path, say: Say) -> Manifest:
    server = await physical.look(source.backup_url)
    before = _base(place, server) if draft.kind is Kind.INCREMENTAL else None
    slot = await archive.name_of(source.backup_url)
    wal = making / "wal"
    async with physical.receiving(server, wal):
        say("pg_basebackup" if before is None else f"pg_basebackup: what changed since {before.name}")
        await _copy(server, place, making, before=before, secret=source.secret)
        say("counting rows")
        moment, tables = await _count(source)
    await physical.receive_until(server, wal, await _mark(source.backup_url))
    say("packing")
    first, last = await asyncio.to_thread(physical.pack, making, secret=source.secret)
    return replace(
        draft,
        at=moment.at,
        lsn=moment.lsn,
        server=server.major,
        tables=tables,
        first_segment=first,
        last_segment=last,
        archive=slot,
        needs=before.name if before else None,
    )


def _base(place: Place, server: physical.Server) -> Manifest:
    """What an incremental one builds on: the newest that is not logical."""
    if server.major < physical.INCREMENTAL_SINCE or not server.summarizes:
        raise ConfigError(
            f"incremental backups need PostgreSQL {physical.INCREMENTAL_SINCE} or newer with summarize_wal = on"
        )
    server.programs.find("pg_combinebackup")  # or what is taken now could not be restored
    found = [one for one in place.all() if one.kind is not Kind.LOGICAL]
    if not found:
        raise ConfigError(f"there is no full backup in {place.path} to build on: take one first")
    return found[-1]


async def _copy(
    server: physical.Server, place: Place, making: Path, *, before: Manifest | None, secret: str | None
) -> None:
    since = None
    if before is not None:
        kept = next((place.folder(before) / "postgres").glob("backup_manifest*"))
        since = making / "since"
        with cipher.read(kept, secret=secret) as reading:
            since.write_bytes(reading.read())
    await physical.copy(server, making / "postgres", since=since)
    if since is not None:
        since.unlink()


async def _count(source: Source) -> tuple[Moment, dict[str, TableSum]]:
    async with fingerprint.recoverable(source.db) as (connection, moment):
        return moment, await fingerprint.take(connection)


async def _mark(url: str) -> str:
    """A WAL position after all that came before, with records on both sides: recovery stops at a record only."""
    with translated():
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=5, autocommit=True) as connection:
            await connection.execute("SELECT pg_logical_emit_message(true, 'agent_monitor', 'backup')")
            found = await connection.execute("SELECT pg_current_wal_flush_lsn()::text")
            row = await found.fetchone()
            await connection.execute("SELECT pg_logical_emit_message(true, 'agent_monitor', 'backup')")
    return str(row[0]) if row else ""
