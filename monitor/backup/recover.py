"""Brings a physical backup back as the data directory of a server: as of its own moment, or of a chosen second."""

import asyncio
import gzip
import os
import re
import shlex
import shutil
import stat
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast
from urllib.parse import quote

import psycopg
from psycopg import sql

from monitor import pgfiles
from monitor.backup import archive, cipher
from monitor.backup.place import Kind, Manifest, Place, check
from monitor.backup.programs import POLL, Programs, Running, programs_for, run
from monitor.backup.take import Say
from monitor.db import translated
from monitor.errors import ConfigError
from monitor.pgbinaries import Account, Binaries, let_through, private_directory, server_account, usable
from monitor.pgbinaries import choose as choose_binaries
from monitor.pgcluster import SUPERUSER, Cluster
from monitor.pgfiles import is_ready
from monitor.pgroles import LOGIN_ROLES

WORK = "restoring"
LATEST = datetime.max.replace(tzinfo=UTC)
"""In the place of a second: as far as the archive goes."""
_OPEN = "local all all trust\n"
"""For the recovery, whose socket nobody else can reach."""
_CLOSED = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"
"""Where the server had its pg_hba.conf elsewhere."""


def choose(place: Place, *, name: str | None, until: datetime | None) -> Manifest:
    """The backup to restore: by name, the last one before `until`, or the newest. Raises NotFound, ConfigError."""
    if name is not None:
        chosen = place.get(name)
    else:
        found = [one for one in place.all() if until is None or (one.at <= until and one.kind is not Kind.LOGICAL)]
        if not found:
            raise ConfigError(f"there is no backup in {place.path}" + (" from before that second" if until else ""))
        chosen = found[-1]
    if until is not None and (chosen.kind is Kind.LOGICAL or chosen.at > until):
        raise ConfigError(f"{chosen.name} does not lead to that second: it {_why(chosen)}")
    return chosen


def _why(manifest: Manifest) -> str:
    return "is logical" if manifest.kind is Kind.LOGICAL else f"is of {manifest.at:%Y-%m-%d %H:%M:%S} UTC"


async def recover(
    place: Place, manifest: Manifest, data: Path, *, secret: str | None, until: datetime | None, say: Say
) -> Cluster:
    """Make `data` the directory of a server with what the backup holds, shut down; its cluster.

    `until`: the last second whose changes are wanted; without it, exactly the state that the manifest counts. New
    passwords of the login roles are in `credentials.json`. Raises ConfigError where `data` is not empty, where a file
    is damaged, and where the changes do not reach so far.
    """
    if data.exists() and any(data.iterdir()):
        raise ConfigError(f"{data} is not empty: restore into an empty place")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    programs = programs_for(manifest.server)
    account = server_account(data / "postgres")
    cluster, work = Cluster(data.resolve(), account), data.resolve() / WORK
    if account is not None:
        let_through(cluster.root, account)
    private_directory(work, account)
    links = place.chain(manifest)
    for number, link in enumerate(links):
        say(f"unpacking {link.name}")
        await asyncio.to_thread(check, place.folder(link), link)
        await asyncio.to_thread(_unpack, place.folder(link) / "postgres", work / str(number), secret)
    await asyncio.to_thread(_changes, place, manifest, work / "wal", until=until, secret=secret)
    _own(work, account)
    restored = await _combined(programs, [work / str(number) for number in range(len(links))], work, account)
    say("replaying changes")
    passwords = pgfiles.credentials(cluster.root / "credentials.json", (SUPERUSER, *LOGIN_ROLES), may_create=True)
    binaries = usable(choose_binaries(programs.major)[0], account=account, copies=cluster.root)
    await _Recovery(binaries, restored, work, account).run(
        _target(manifest, until), superuser_password=passwords[SUPERUSER]
    )
    restored.rename(cluster.pgdata)
    shutil.rmtree(work)
    return cluster


def _unpack(folder: Path, target: Path, secret: str | None) -> None:
    target.mkdir(mode=0o700)
    for path in sorted(folder.iterdir()):
        plain = cipher.plain_name(path)
        with cipher.read(path, secret=secret) as reading:
            if plain == "base.tar.gz":
                with tarfile.open(fileobj=reading, mode="r|gz") as packed:
                    packed.extractall(target, filter="tar")
            elif plain == "backup_manifest":
                (target / plain).write_bytes(reading.read())
            else:
                raise ConfigError(f"the backup has another tablespace ({plain}), which is not brought back")


def _changes(place: Place, manifest: Manifest, target: Path, *, until: datetime | None, secret: str | None) -> None:
    """The WAL files between the backup and what is wanted, plain, in one folder."""
    target.mkdir(mode=0o700)
    folders = [place.folder(manifest) / "wal"]
    if until is not None:
        folders.append(archive.refuse_without(place.path, manifest.archive))
    beyond = [one.last_segment for one in place.all() if until and one.at > until and one.archive == manifest.archive]
    last = min(filter(None, beyond), default="F" * 24)
    for folder in folders:
        for path in sorted(folder.glob("*.gz*")):
            if manifest.first_segment <= path.name[:24] <= last:
                with cipher.read(path, secret=secret) as reading, gzip.open(reading) as plain:
                    _write(target / path.name[:24], cast(IO[bytes], plain))
    receiving = folders[-1] / archive.RECEIVING
    for path in sorted(receiving.iterdir()) if receiving.is_dir() else []:
        if re.fullmatch(r"[0-9A-F]{24}(\.partial)?", path.name) and manifest.first_segment <= path.name[:24] <= last:
            with path.open("rb") as reading:
                _write(target / path.name[:24], reading)


def _write(path: Path, source: IO[bytes]) -> None:
    """One WAL file, in the place of what is there: the archive's goes on where the backup's own last one ends."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as writing:
        shutil.copyfileobj(source, writing, 1 << 20)
    partial.replace(path)


async def _combined(programs: Programs, parts: list[Path], work: Path, account: Account | None) -> Path:
    """A whole data directory of a full backup and the incremental ones after it."""
    if len(parts) == 1:
        return parts[0]
    words = [programs.find("pg_combinebackup"), "--output", str(work / "combined"), *map(str, parts)]
    await run(words, cwd=work)
    _own(work / "combined", account)
    return work / "combined"


def _target(manifest: Manifest, until: datetime | None) -> list[str]:
    if until is None:
        return [f"recovery_target_lsn={manifest.lsn}", "recovery_target_inclusive=off"]
    return [] if until == LATEST else [f"recovery_target_time={until.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f+00}"]


def _own(folder: Path, account: Account | None) -> None:
    for path in [folder, *folder.rglob("*")]:
        if account is not None:
            os.lchown(path, account.uid, account.gid)
        if path.is_dir() and not path.is_symlink():
            path.chmod(stat.S_IRWXU)


class _Recovery:
    """A server that replays changes where nobody else can reach it, and ends."""

    def __init__(self, binaries: Binaries, pgdata: Path, work: Path, account: Account | None) -> None:
        self._binaries, self._pgdata, self._work, self._account = binaries, pgdata, work, account

    async def run(self, target: list[str], *, superuser_password: str) -> None:
        """Replay up to the target, give the superuser a new password, and shut down."""
        sockets = pgfiles.socket_directory(self._work, self._account)
        hba = self._work / "hba"
        hba.write_text(_OPEN)
        for name, content in (("postgresql.conf", ""), ("pg_hba.conf", _CLOSED), ("pg_ident.conf", "")):
            if not (self._pgdata / name).exists():
                (self._pgdata / name).write_text(content)
        (self._pgdata / "recovery.signal").touch()
        _own(self._work, self._account)
        settings = ["listen_addresses=", f"unix_socket_directories={sockets}", "port=5432", f"hba_file={hba}"]
        changes = shlex.quote(str(self._work / "wal")).replace("%", "%%")
        settings += [f"restore_command=cp {changes}/%f %p", "recovery_target_action=promote"]
        settings += [*target, "hot_standby=off", "logging_collector=off", "archive_mode=off"]
        words = [self._binaries.program("postgres"), "-D", str(self._pgdata)]
        words += [word for setting in settings for word in ("-c", setting)]
        server = Running(words, cwd=self._pgdata, account=self._account)
        try:
            while not is_ready(self._pgdata, server.pid):
                if server.ended:
                    raise ConfigError(_said(server.said()))
                await asyncio.sleep(POLL)
            where = quote(str(sockets), safe="")
            await _new_password(f"postgresql://{SUPERUSER}@/postgres?host={where}&port=5432", superuser_password)
            await server.ask()  # it writes a last checkpoint, which may take its time
        finally:
            await server.end()
            pgfiles.remove_socket_directory(self._work)


def _said(text: str) -> str:
    if "recovery ended before configured recovery target was reached" in text:
        return "the archived changes do not reach that second: ask for an earlier one, or for --latest"
    faults = [line.partition("  ")[2] for line in text.splitlines() if "FATAL" in line or "PANIC" in line]
    return f"PostgreSQL could not replay the changes: {' | '.join(faults[-2:]) or text[-300:]}"


async def _new_password(url: str, password: str) -> None:
    with translated():
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            verifier = connection.pgconn.encrypt_password(password.encode(), SUPERUSER.encode(), b"scram-sha-256")
            alter = sql.SQL("ALTER ROLE {} PASSWORD {}")
            await connection.execute(alter.format(sql.Identifier(SUPERUSER), sql.Literal(verifier.decode())))
