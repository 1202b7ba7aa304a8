"""When backups are due and which go; and what a folder of them is like after crashes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.backup import archive
from monitor.backup.place import Kind, Manifest, Place, check, files_of
from monitor.backup.schedule import due, expired
from monitor.errors import ConfigError, InUse, NotFound

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def one(kind: Kind, age: timedelta, *, needs: Manifest | None = None, archived: str | None = None) -> Manifest:
    at = NOW - age
    return Manifest(
        name=f"{at:%Y%m%dT%H%M%SZ}-{kind}", kind=kind, started_at=at, at=at, completed_at=at, server=18,
        database="agent_monitor", revision=None, needs=needs.name if needs else None, archive=archived,
        first_segment=f"{int(at.timestamp()):024X}",
    )  # fmt: skip


def test_a_full_one_is_due_daily_and_an_incremental_one_every_six_hours() -> None:
    def next_one(*have: Manifest) -> Kind | None:
        return due(NOW, have, logical=False, incremental=True)

    assert next_one() is Kind.FULL
    assert next_one(one(Kind.FULL, DAY)) is Kind.FULL
    full = one(Kind.FULL, 23 * HOUR)
    assert next_one(full) is Kind.INCREMENTAL
    assert next_one(full, one(Kind.INCREMENTAL, 5 * HOUR, needs=full)) is None
    assert next_one(full, one(Kind.INCREMENTAL, 6 * HOUR, needs=full)) is Kind.INCREMENTAL
    assert next_one(one(Kind.LOGICAL, HOUR)) is Kind.FULL
    assert due(NOW, [full], logical=False, incremental=False) is None
    assert due(NOW, [one(Kind.LOGICAL, 23 * HOUR)], logical=True, incremental=False) is None
    assert due(NOW, [one(Kind.LOGICAL, DAY)], logical=True, incremental=False) is Kind.LOGICAL


def test_nothing_goes_that_a_younger_one_builds_on() -> None:
    full = one(Kind.FULL, 30 * DAY + 12 * HOUR)
    first = one(Kind.INCREMENTAL, 30 * DAY + 6 * HOUR, needs=full)
    second = one(Kind.INCREMENTAL, 29 * DAY, needs=first)
    older = one(Kind.FULL, 40 * DAY)
    younger = one(Kind.FULL, 20 * DAY)
    assert expired(NOW, [older, full, first, second, younger], keep=30 * DAY) == [older]
    assert expired(NOW, [older, full, first, younger], keep=30 * DAY) == [first, full, older]


def kept(place: Place, manifest: Manifest) -> Manifest:
    making = place.begin(manifest.name)
    (making / "postgres").mkdir()
    (making / "postgres" / "base").write_text("content")
    whole = Manifest(**{name: getattr(manifest, name) for name in Manifest.__slots__} | {"files": files_of(making)})
    place.finish(making, whole)
    return whole


def test_a_folder_holds_whole_ones_only(tmp_path: Path) -> None:
    place, other = Place(tmp_path / "here"), Place(tmp_path / "there")
    with place.held():
        with pytest.raises(InUse, match="the folder of backups"), place.held():
            raise AssertionError("held twice")
        full = kept(place, one(Kind.FULL, DAY))
        incremental = kept(place, one(Kind.INCREMENTAL, HOUR, needs=full))
        half = place.begin("20260301T000000Z-full")
        (half / "manifest.json").write_text("{")
    assert place.all() == [full, incremental]
    assert place.chain(incremental) == [full, incremental]
    for name in ("20260301T000000Z-full", half.name):
        with pytest.raises(NotFound):
            place.get(name)
    place.move(full, other)
    assert (place.all(), other.all()) == ([incremental], [full])
    check(other.folder(full), full)
    (other.folder(full) / "postgres" / "base").write_text("contents")
    with pytest.raises(ConfigError, match="damaged: postgres/base"):
        check(other.folder(full), full)
    place.remove(incremental)
    assert place.all() == []


def test_changes_from_before_the_oldest_backup_go(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.held():
        backup = kept(place, one(Kind.FULL, DAY, archived="agent_monitor_2"))
    before, after = f"{int((NOW - 2 * DAY).timestamp()):024X}.gz", f"{int(NOW.timestamp()):024X}.gz.sealed"
    for slot in ("agent_monitor_1", "agent_monitor_2", "agent_monitor_3"):
        (tmp_path / "wal" / slot).mkdir(parents=True)
        for name in (before, f"{backup.first_segment}.gz", after):
            (tmp_path / "wal" / slot / name).touch()
    archive.prune(place)
    found = {path.name: sorted(file.name for file in path.iterdir()) for path in (tmp_path / "wal").iterdir()}
    assert found == {
        "agent_monitor_2": [f"{backup.first_segment}.gz", after],
        "agent_monitor_3": sorted([before, f"{backup.first_segment}.gz", after]),
    }
