"""The alerter's job: takes what is due, archives what is old, says so in /metrics."""

from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from monitor.backup.job import Backups
from monitor.backup.place import Kind, Place
from monitor.backup.schedule import Keeping
from tests.backup.installation import installed
from tests.conftest import SettableClock

pytestmark = pytest.mark.accept


async def test_what_is_due_is_taken_and_what_is_old_is_archived(data_dir: Path, clock: SettableClock) -> None:
    place, other, registry = Place(data_dir / "backups"), Place(data_dir / "archive"), CollectorRegistry()
    place.path.mkdir()
    async with installed(data_dir / "data") as one:
        backups = Backups(
            one.source(), place, other=other, keeping=Keeping(), logical=False, clock=clock, registry=registry
        )  # fmt: skip
        full = await backups.run_once(clock())
        assert full is not None
        assert await backups.run_once(clock.advance(300)) is None
        incremental = await backups.run_once(clock.advance(6 * 3600))
        assert incremental is not None
        assert (full.kind, incremental.kind, incremental.needs) == (Kind.FULL, Kind.INCREMENTAL, full.name)
        with place.held():
            assert await backups.run_once(clock.advance(6 * 3600)) is None, "it is another one's turn"
        later = await backups.run_once(clock.advance(timedelta(days=31).total_seconds()))
        assert later is not None
        assert [each.name for each in other.all()] == [full.name, incremental.name]
        assert place.all() == [later]
    at = registry.get_sample_value("agent_monitor_backup_timestamp_seconds", {"kind": "full"})
    assert at is not None
    assert registry.get_sample_value("agent_monitor_backup_failures_total") == 0
