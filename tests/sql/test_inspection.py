"""What `agent-monitor doctor` finds in a database that is well, and in one that is not."""

from pathlib import Path

import pytest
from sqlalchemy import text

from monitor import inspection
from monitor.db import Database


async def _do(db: Database, *statements: str) -> None:
    async with db.owner() as owner:
        for statement in statements:
            await owner.execute(text(statement))


@pytest.mark.parametrize("subject", sorted(inspection.CHECKS))
async def test_every_check_can_be_made(db: Database, subject: str) -> None:
    finding = await inspection.CHECKS[subject](db)
    assert finding.subject == subject
    assert finding.detail != ""


def test_the_readme_says_what_to_do_about_each_check() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    table = readme.split("## When something is wrong")[1].split("\n## ")[0]
    assert [subject for subject in inspection.CHECKS if f"\n| {subject} | " not in table] == []


async def test_sizes_add_up_partitions(db: Database) -> None:
    await _do(
        db,
        "CREATE TABLE heap (at int, filler text) PARTITION BY RANGE (at)",
        "CREATE TABLE heap_one PARTITION OF heap FOR VALUES FROM (0) TO (50)",
        "CREATE TABLE heap_two PARTITION OF heap FOR VALUES FROM (50) TO (100)",
        # Compressed it would be nothing.
        "INSERT INTO heap SELECT n % 100, (SELECT string_agg(md5(n::text || m), '') FROM generate_series(1, 60) m) "
        "FROM generate_series(1, 4000) n",
    )
    finding = await inspection.sizes(db)
    largest = finding.detail.partition(": ")[2]
    assert largest.startswith("heap ")
    assert float(largest.split()[1]) > 7


async def test_an_index_that_nobody_reads_is_named_and_a_unique_one_is_not(db: Database) -> None:
    await _do(
        db,
        "CREATE TABLE things (id int PRIMARY KEY, word text)",
        "INSERT INTO things SELECT n, md5(n::text) FROM generate_series(1, 40000) n",
        "CREATE INDEX things_word_idx ON things (word)",
    )
    finding = await inspection.unused(db)
    assert "things_word_idx" in finding.detail
    assert "things_pkey" not in finding.detail


async def test_a_reference_without_an_index_is_named(db: Database) -> None:
    await _do(
        db,
        "CREATE TABLE above (id int PRIMARY KEY)",
        "CREATE TABLE bare (id int PRIMARY KEY, above_id int REFERENCES above)",
        "CREATE TABLE clad (id int PRIMARY KEY, above_id int REFERENCES above)",
        "CREATE INDEX clad_above_id_idx ON clad (above_id, id)",
    )
    finding = await inspection.references(db)
    assert not finding.well
    assert "bare_above_id_fkey" in finding.detail
    assert "clad" not in finding.detail


async def test_a_transaction_that_is_open_for_long_is_named(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "LONG", 0)
    async with db.owner() as open_one:
        await open_one.execute(text("SELECT 1"))
        finding = await inspection.transactions(db)
    assert not finding.well
    assert "agent_monitor_owner" in finding.detail


async def test_a_table_of_dead_rows_is_named(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "LARGE", 1 << 16)
    await _do(
        db,
        "CREATE TABLE grave (id int) WITH (autovacuum_enabled = false)",
        "INSERT INTO grave SELECT generate_series(1, 50000)",
    )
    assert "grave" not in (await inspection.bloat(db)).detail
    await _do(db, "DELETE FROM grave WHERE id > 100")
    await _do(db, "SELECT pg_stat_force_next_flush()")
    finding = await inspection.bloat(db)
    assert not finding.well
    assert "grave" in finding.detail
