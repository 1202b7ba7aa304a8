"""The commands as processes: killed in the middle, run to the end, verified."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from monitor.backup.place import PARTIAL, Kind, Place
from monitor.backup.programs import programs_for
from monitor.pgbinaries import shipped
from tests.backup.installation import Installation, installed
from tests.stage import until

pytestmark = pytest.mark.accept


async def run(one: Installation, *words: str, log: Path) -> tuple[int, str]:
    """Run a command to its end; its exit code and what it said."""
    await asyncio.to_thread(log.unlink, missing_ok=True)
    program = one.command(*words, log=log)
    await program.start()
    assert program.process is not None
    process = program.process
    await until(lambda: process.poll() is not None, seconds=300)
    return process.returncode, await asyncio.to_thread(log.read_text)


async def test_killed_in_the_middle_it_leaves_nothing_that_looks_like_one(data_dir: Path) -> None:
    place, log = Place(data_dir / "backups"), data_dir / "log"
    async with installed(data_dir / "data") as one:
        program = one.command("backup", str(place.path), log=log)
        await program.start()
        await until(lambda: bool(list(place.path.glob(f"*{PARTIAL}/postgres/base.tar.gz"))), every=0.002)
        program.kill()
        assert place.all() == []
        left = [path.name for path in place.path.iterdir() if path.is_dir()]
        assert [name.endswith(PARTIAL) for name in left] == [True]
        assert await run(one, "backup", "list", str(place.path), log=log) == (0, "")
        code, said = await run(one, "backup", "verify", str(place.path), log=log)
        assert (code, "there is no backup" in said) == (1, True)

        code, said = await run(one, "backup", str(place.path), log=log)
        assert code == 0, said
        assert [path.name for path in place.path.iterdir() if path.is_dir()] == [place.all()[0].name]
        code, said = await run(one, "backup", "verify", str(place.path), log=log)
        assert code == 0, said
        assert "all as they were" in said


async def test_a_logical_one_is_verified_and_comes_back_into_an_empty_database(data_dir: Path) -> None:
    place, log = Place(data_dir / "backups"), data_dir / "log"
    async with installed(data_dir / "data") as one:
        await one.write(1)
        code, said = await run(one, "backup", str(place.path), "--logical", log=log)
        assert code == 0, said
        backup = place.all()[0]
        assert backup.kind is Kind.LOGICAL
        code, said = await run(one, "backup", "verify", str(place.path), log=log)
        assert code == 0, said
        code, said = await run(one, "restore", str(place.path), log=log)
        assert (code, "is not empty" in said) == (1, True)
        await one.db.close()
        await one.server.drop_database("agent_monitor")
        await one.server.create_database("agent_monitor")
        code, said = await run(one, "restore", str(place.path), log=log)
        assert code == 0, said
        assert await one.sums() == backup.tables
        await one.write(2)
        manifest = place.folder(backup) / "manifest.json"
        said = msgspec.json.decode(manifest.read_bytes())
        said["tables"]["agent_types"]["rows"] += 1
        manifest.write_bytes(msgspec.json.encode(said))
        code, said = await run(one, "backup", "verify", str(place.path), log=log)
        assert code == 1
        assert "agent_types: " in said


def test_the_bundled_programs_which_speak_no_tls_are_not_chosen_where_it_is_insisted_on() -> None:
    (major, bundled), *_ = shipped().items()
    assert programs_for(major, "postgresql://u@db/d?sslmode=prefer").folders[0] == bundled.folder
    for mode in ("require", "verify-ca", "verify-full"):
        assert bundled.folder not in programs_for(major, f"postgresql://u@db/d?sslmode={mode}").folders
