"""The whole server: backed up under load, restored into an empty place, equal row for row; to a chosen second."""

import asyncio
import contextlib
import shutil
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from monitor import clock
from monitor.backup import archive, fingerprint, recover
from monitor.backup.place import Kind, Manifest, Place
from monitor.backup.take import take
from monitor.errors import ConfigError
from tests.backup.installation import Installation, installed, writing

pytestmark = pytest.mark.accept
SECRET = "a key of the tests for backups"


def quiet(_line: str) -> None:
    """Nobody listens."""


async def test_backed_up_under_load_and_restored_after_everything_is_gone(data_dir: Path) -> None:
    place = Place(data_dir / "backups")
    async with installed(data_dir / "data") as one:
        async with writing(one) as done:
            full = await take(one.source(), place, Kind.FULL, clock=clock.now, say=quiet)
            written = len(done)
            second = await take(one.source(), place, Kind.INCREMENTAL, clock=clock.now, say=quiet)
        assert 0 < written < len(done), "nothing was written while the backups were taken"
        assert await one.sums() != second.tables
    shutil.rmtree(data_dir / "data")
    for number, backup in enumerate((full, second)):
        assert backup.tables["agent_types"].rows > 20
        restored = data_dir / f"restored-{number}"
        await recover.recover(place, backup, restored, secret=None, until=None, say=quiet)
        async with installed(restored) as again:
            found = await again.sums()
            assert fingerprint.differences(backup.tables, found) == []
            await again.write(-1)  # it is a server like any other
    assert second.needs == full.name
    assert second.bytes < full.bytes / 2


async def test_restored_to_a_chosen_second_sealed(data_dir: Path) -> None:
    place = Place(data_dir / "backups")
    async with contextlib.AsyncExitStack() as stack:
        one = await stack.enter_async_context(installed(data_dir / "data"))
        made = archive.Archive(one.source().backup_url, place.path, secret=SECRET)
        changes = await stack.enter_async_context(made)
        slot = await changes.run_once(clock.now())
        backup = await take(one.source(secret=SECRET), place, Kind.FULL, clock=clock.now, say=quiet)
        assert backup.archive == slot
        await one.write(1)
        await asyncio.sleep(1)
        wanted = clock.now()
        expected = await one.sums()
        await asyncio.sleep(1)
        await one.write(2)
        async with one.db.owner() as connection:
            await connection.execute(text("DELETE FROM agent_types"))
        await _switch(one)
        await one.write(3)
        await changes.run_once(clock.now())
    names = [path.name for path in (place.path / "wal" / slot).glob("*.gz*")]
    assert names
    assert all(name.endswith(".gz.sealed") for name in names)
    with pytest.raises(ConfigError, match="is sealed"):
        await recover.recover(place, backup, data_dir / "without", secret=None, until=wanted, say=quiet)
    assert recover.choose(place, name=None, until=wanted) == backup
    await recover.recover(place, backup, data_dir / "restored", secret=SECRET, until=wanted, say=quiet)
    async with installed(data_dir / "restored") as again:
        assert fingerprint.differences(expected, await again.sums()) == []
        async with archive.Archive(again.source().backup_url, place.path, secret=SECRET) as changes:
            assert await changes.run_once(clock.now()) != slot, "two pasts would mix in one folder"
    with pytest.raises(ConfigError, match="do not reach that second"):
        await recover.recover(place, backup, data_dir / "beyond", secret=SECRET, until=clock.now(), say=quiet)


async def _switch(one: Installation) -> None:
    """Begin a new WAL file."""
    async with await psycopg.AsyncConnection.connect(one.server.url(), autocommit=True) as connection:
        await connection.execute("SELECT pg_switch_wal()")


async def test_what_is_not_empty_is_not_restored_into(data_dir: Path) -> None:
    place, full = Place(data_dir), data_dir / "full"
    full.mkdir()
    (full / "something").touch()
    manifest = Manifest(
        name="one", kind=Kind.FULL, started_at=clock.now(), at=clock.now(), completed_at=clock.now(),
        server=18, database="agent_monitor", revision=None,
    )  # fmt: skip
    with pytest.raises(ConfigError, match="is not empty"):
        await recover.recover(place, manifest, full, secret=None, until=None, say=quiet)
    with pytest.raises(ConfigError, match="no changes were archived"):
        archive.refuse_without(place.path, manifest.archive)
