"""Every change between backups: a replication slot, `pg_receivewal`, and a folder of compressed WAL files.

The folder has the slot's name. A server that was restored has no slot, so what it writes goes to another folder, and
two pasts never mix. `receiving/` in it is where pg_receivewal writes; whole files are moved up from there.
"""

import asyncio
import contextlib
import shutil
from datetime import datetime
from pathlib import Path
from typing import Self

import psycopg

from monitor.backup import physical
from monitor.backup.place import Place
from monitor.backup.programs import Running, without_password
from monitor.db import translated
from monitor.errors import ConfigError

PREFIX = "agent_monitor_"
RECEIVING = "receiving"


class Archive:
    """Keeps `pg_receivewal` running; one of several alerters has it, the others put away what it wrote."""

    def __init__(self, url: str, folder: Path, *, secret: str | None) -> None:
        """`url` is the backup role's, `folder` the one of backups."""
        self._url = url
        self._folder = folder / "wal"
        self._secret = secret
        self._program: Running | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End pg_receivewal; the slot keeps what it has not had, for the next start."""
        program, self._program = self._program, None
        if program is not None:
            await program.end()

    async def run_once(self, now: datetime) -> str:
        """See that it runs, and put whole files away; the slot's name. Raises DatabaseDown, ConfigError."""
        slot, active = await self._slot(now)
        receiving = self._folder / slot / RECEIVING
        receiving.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not active:
            await self._start(slot, receiving)
        for path in sorted(receiving.iterdir()):
            if physical.is_segment(path.name) and path.suffix == "":
                with contextlib.suppress(FileNotFoundError):  # another alerter was quicker
                    await asyncio.to_thread(physical.put_segment, path, receiving.parent, secret=self._secret)
        return slot

    async def _slot(self, now: datetime) -> tuple[str, bool]:
        with translated():
            async with await psycopg.AsyncConnection.connect(self._url, connect_timeout=5, autocommit=True) as asking:
                slot, active = await find_slot(asking) or (None, False)
                if slot is None:
                    slot = f"{PREFIX}{now:%Y%m%dt%H%M%S}"
                    await asking.execute("SELECT pg_create_physical_replication_slot(%s, true)", [slot])
        return slot, active

    async def _start(self, slot: str, receiving: Path) -> None:
        server = await physical.look(self._url)
        await self.close()
        url, password = without_password(self._url)
        words = [server.programs.find("pg_receivewal"), "--dbname", url, "--directory", str(receiving)]
        words += ["--slot", slot, "--no-loop", "--status-interval=1"]
        self._program = Running(words, cwd=receiving, password=password)
        with contextlib.suppress(TimeoutError):  # one that cannot begin ends at once
            await asyncio.wait_for(self._program.wait(), 1)
            raise physical.refused("pg_receivewal", self._program.said())


async def find_slot(connection: psycopg.AsyncConnection) -> tuple[str, bool] | None:
    """The archive's slot and whether somebody receives from it; one that the server gave up is dropped."""
    found = await connection.execute(
        "SELECT slot_name, active, wal_status = 'lost' FROM pg_replication_slots"
        " WHERE slot_type = 'physical' AND slot_name LIKE %s ORDER BY slot_name DESC",
        [PREFIX.replace("_", r"\_") + "%"],
    )
    for name, active, lost in await found.fetchall():
        if not lost:
            return str(name), bool(active)
        await connection.execute("SELECT pg_drop_replication_slot(%s)", [name])
    return None


async def name_of(url: str) -> str | None:
    """The slot that an archive receives from now, if one does."""
    with translated():
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=5, autocommit=True) as connection:
            found = await find_slot(connection)
    return found[0] if found is not None else None


def prune(place: Place) -> None:
    """Delete the changes from before the oldest backup that they could be replayed on.

    An archive that no backup knows goes whole, but for the newest: its first backup may be in the making.
    """
    archives = sorted(path for path in (place.path / "wal").glob(f"{PREFIX}*") if path.is_dir())
    for folder in archives:
        needed = [one.first_segment for one in place.all() if one.archive == folder.name]
        if needed:
            for path in folder.glob("*.gz*"):
                if path.name[:24] < min(needed):
                    path.unlink()
        elif folder != archives[-1]:
            shutil.rmtree(folder)


def refuse_without(folder: Path, archive: str | None) -> Path:
    """The folder of an archive. Raises ConfigError where a backup has none."""
    if archive is None or not (folder / "wal" / archive).is_dir():
        raise ConfigError("no changes were archived after this backup: it can only be restored as of its own moment")
    return folder / "wal" / archive
