"""The bundled PostgreSQL across versions, and the programs it is run with."""

import stat
from pathlib import Path

import psutil
import pytest

from monitor import pgbinaries, pgcluster, pgfiles
from monitor.db import Role
from monitor.embedded import EmbeddedPostgres
from monitor.errors import ConfigError
from tests.store.servers import query


async def test_data_of_an_older_version_is_upgraded_and_the_old_kept_for_one_start(data_dir: Path) -> None:
    majors = sorted(pgbinaries.shipped())
    assert len(majors) >= 2, "the bundled package holds two versions"
    oldest, newest = majors[0], majors[-1]
    child_rows = "CREATE TABLE kept AS SELECT n, repeat('x', n) AS t FROM generate_series(1, 1000) AS n"
    async with EmbeddedPostgres(data_dir, major=oldest) as server:
        await query(server.url(Role.OWNER), child_rows)
        pid = server.pid
        assert (data_dir / "postgres" / "PG_VERSION").read_text().strip() == str(oldest)
        address = server.url(Role.OWNER)
        await server.stop()
    assert not psutil.pid_exists(pid)
    async with EmbeddedPostgres(data_dir) as server:
        assert server.url(Role.OWNER) == address
        version = await query(address, "SELECT current_setting('server_version_num')::int / 10000")
        assert version == [(newest,)]
        assert await query(address, "SELECT count(*), sum(length(t)) FROM kept") == [(1000, 500500)]
        assert await query(address, "SELECT current_setting('data_checksums')") == [("on",)]
    kept = data_dir / f"postgres.old-{oldest}"
    assert (kept / "PG_VERSION").exists()
    async with EmbeddedPostgres(data_dir):
        assert not kept.exists()


async def test_an_upgrade_cut_short_between_its_renames_starts_over(data_dir: Path) -> None:
    majors = sorted(pgbinaries.shipped())
    async with EmbeddedPostgres(data_dir, major=majors[0]) as server:
        await query(server.url(Role.OWNER), "CREATE TABLE kept AS SELECT 5 AS n")
    (data_dir / "postgres").rename(data_dir / f"postgres.old-{majors[0]}")
    (data_dir / "postgres.new").mkdir()
    async with EmbeddedPostgres(data_dir) as server:
        assert await query(server.url(Role.OWNER), "SELECT n FROM kept") == [(5,)]


async def test_data_of_a_version_that_is_not_here_is_a_clear_error(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, durable=False):
        pass
    (data_dir / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(ConfigError, match=r"^the data needs PostgreSQL 9, and only [\d, ]+ can be found here$"):
        await EmbeddedPostgres(data_dir).start()


def test_a_server_of_old_without_checksums_gets_them_before_the_upgrade(data_dir: Path) -> None:
    bundled = pgbinaries.shipped()
    old, new = bundled[min(bundled)], bundled[max(bundled)]
    account = pgbinaries.server_account(data_dir)
    cluster = pgcluster.Cluster(data_dir.resolve(), account)
    if account is not None:
        pgbinaries.let_through(cluster.root, account)
    pgcluster.create(cluster, old, "secret")
    disable = [old.program("pg_checksums"), "--disable", "--pgdata", str(cluster.pgdata)]
    pgbinaries.run(disable, account=account, cwd=cluster.pgdata)
    pgcluster.upgrade(cluster, old, new, "secret")
    assert cluster.major() == new.major
    assert [path.name for path in cluster.old()] == [f"postgres.old-{old.major}"]


def test_binaries_in_a_closed_place_are_copied(data_dir: Path) -> None:
    home = data_dir / "home"
    (home / "pg" / "bin").mkdir(parents=True)
    (home / "pg" / "bin" / "postgres").write_text("program")
    home.chmod(0o700)
    found = pgbinaries.Binaries("18.4", home / "pg" / "bin")
    nobody = pgbinaries.Account(65534, 65534)
    copied = pgbinaries.usable(found, account=nobody, copies=data_dir / "data")
    assert copied.folder == data_dir / "data" / "bin-18.4" / "bin"
    assert (copied.folder / "postgres").read_text() == "program"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert pgbinaries.usable(found, account=None, copies=data_dir / "data") == found


def test_directories_on_the_way_are_opened_for_passing_only(data_dir: Path) -> None:
    closed = data_dir / "closed"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o700)
    pgbinaries.let_through(closed / "data", pgbinaries.Account(65534, 65534))
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701


def test_a_long_log_is_put_aside(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgfiles, "LOG_KEPT_BYTES", 10)
    log = data_dir / "postgres.log"
    log.write_text("older than the limit allows")
    pgfiles.open_log(log).close()
    assert log.read_text() == ""
    assert (data_dir / "postgres.log.1").read_text() == "older than the limit allows"
