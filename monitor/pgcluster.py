"""A PostgreSQL cluster on disk: made, upgraded, and freed of whatever still runs on it. Blocking calls."""

import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from monitor.errors import ConfigError
from monitor.pgbinaries import Account, Binaries, private_directory, run

SUPERUSER = "postgres"
PATIENCE = (("INT", 120.0), ("QUIT", 10.0), ("KILL", 10.0))
"""How to stop a server: the signal and the seconds to wait after it. INT lets it write a last checkpoint."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where one data directory keeps its cluster, and under whose account it runs."""

    root: Path
    account: Account | None

    @property
    def pgdata(self) -> Path:
        """The cluster in use."""
        return self.root / "postgres"

    @property
    def fresh(self) -> Path:
        """A cluster in the making; renamed when it is whole, so that a crash leaves no half of one."""
        return self.root / "postgres.new"

    def major(self) -> int | None:
        """The major version that the cluster was made with; None if there is none."""
        file = self.pgdata / "PG_VERSION"
        return int(file.read_text()) if file.exists() else None

    def old(self) -> list[Path]:
        """Clusters that an upgrade left behind."""
        return sorted(self.root.glob("postgres.old-*"))


def create(cluster: Cluster, binaries: Binaries, password: str) -> None:
    """Make an empty cluster with checksums, UTF-8 and passwords asked for on every kind of connection."""
    _init(cluster, binaries, password)
    cluster.fresh.rename(cluster.pgdata)


def _init(cluster: Cluster, binaries: Binaries, password: str) -> None:
    shutil.rmtree(cluster.fresh, ignore_errors=True)
    private_directory(cluster.fresh, cluster.account)
    libc = "C.UTF-8" if sys.platform == "linux" else "C"
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    with tempfile.TemporaryDirectory(dir=cluster.root) as folder:
        private_directory(Path(folder), cluster.account)
        pwfile = Path(folder) / "password"
        pwfile.touch(mode=0o600)
        pwfile.write_text(password)
        if cluster.account is not None:
            os.chown(pwfile, cluster.account.uid, cluster.account.gid)
        command = [
            binaries.program("initdb"),
            f"--pgdata={cluster.fresh}",
            f"--username={SUPERUSER}",
            f"--pwfile={pwfile}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--data-checksums",
            *(builtin if binaries.major >= 17 else [f"--locale={libc}"]),
        ]
        run(command, account=cluster.account, cwd=cluster.fresh)


def repair(cluster: Cluster) -> None:
    """Undo an upgrade that died between its two renames: the old cluster is whole, so start from it again."""
    if cluster.old() and not cluster.pgdata.exists():
        cluster.old()[-1].rename(cluster.pgdata)


def upgrade(cluster: Cluster, old: Binaries, new: Binaries, password: str) -> None:
    """Bring the cluster to a newer major version. The old one stays beside it as `postgres.old-<major>`.

    The cluster must have been shut down cleanly. `pg_upgrade` asks for the same page checksums on both
    sides, so the old one gets them first.
    """
    account = cluster.account
    controls = run([old.program("pg_controldata"), str(cluster.pgdata)], account=account, cwd=cluster.pgdata)
    if re.search(r"checksum version:\s+0", controls):
        checksums = [old.program("pg_checksums"), "--enable", "--pgdata", str(cluster.pgdata)]
        run(checksums, account=account, cwd=cluster.pgdata)
    _init(cluster, new, password)
    with tempfile.TemporaryDirectory(prefix="agent-monitor-") as folder:
        private_directory(Path(folder), account)
        command = [
            new.program("pg_upgrade"),
            f"--old-bindir={old.folder}",
            f"--new-bindir={new.folder}",
            f"--old-datadir={cluster.pgdata}",
            f"--new-datadir={cluster.fresh}",
            f"--username={SUPERUSER}",
            f"--socketdir={folder}",
        ]
        run(command, account=account, cwd=Path(folder), password=password)
    cluster.pgdata.rename(cluster.root / f"postgres.old-{old.major}")
    cluster.fresh.rename(cluster.pgdata)


def sweep(cluster: Cluster) -> None:
    """Remove what upgrades left behind, once the upgraded cluster has come up a second time."""
    for directory in cluster.old():
        shutil.rmtree(directory)


def accepts(cluster: Cluster, binaries: Binaries, setting: str) -> bool:
    """Whether this build knows the value of a setting, given as `name=value`."""
    name = setting.partition("=")[0]
    command = [binaries.program("postgres"), "-D", str(cluster.pgdata), "-c", setting, "-C", name]
    try:
        run(command, account=cluster.account, cwd=cluster.pgdata)
    except ConfigError:
        return False
    return True


def end(process: psutil.Process, binaries: Binaries) -> None:
    """Stop one server: politely first, by force in the end. A process that is gone already is fine."""
    for name, seconds in PATIENCE:
        with contextlib.suppress(psutil.NoSuchProcess):
            if sys.platform == "win32":
                run([binaries.program("pg_ctl"), "kill", name, str(process.pid)], account=None, cwd=Path.cwd())
            else:
                process.send_signal(signal.Signals[f"SIG{name}"])
        if not _outlast([process], seconds):
            return


def _outlast(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait for the ends of processes; returns those that still run. A zombie has ended."""
    deadline = time.monotonic() + seconds
    while True:
        processes = [process for process in processes if _lives(process)]
        if not processes or time.monotonic() > deadline:
            return processes
        time.sleep(0.01)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def clear(cluster: Cluster, binaries: Binaries) -> None:
    """Stop what an earlier start left running on this cluster, and its stale locks.

    The caller holds the data directory's lock, so whatever runs here has lost its owner.
    """
    orphans = [process for process in psutil.process_iter(["name", "cwd"]) if _runs_on(process, cluster.pgdata)]
    pids = {process.pid for process in orphans}
    for process in orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.ppid() not in pids:
                end(process, binaries)
    for process in _outlast(orphans, 10):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for stale in (cluster.root / "run").glob(".s.PGSQL.*"):
        stale.unlink()
    lock = cluster.pgdata / "postmaster.pid"
    if lock.exists() and psutil.pid_exists(int(lock.read_text().split()[0])):
        lock.unlink()  # a zombie's or another program's by now; PostgreSQL would refuse to start


def _runs_on(process: psutil.Process, pgdata: Path) -> bool:
    name, folder = process.info["name"], process.info["cwd"]
    return bool(name and folder) and name.startswith("postgres") and Path(folder) == pgdata
