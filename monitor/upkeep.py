"""The jobs that keep the tables in shape, beside judging and sending: what every alerter runs."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

from prometheus_client import Counter

from alerts import bounces, gaps, packing, received
from alerts.history import HistoryWatch
from alerts.scheduler import Job
from alerts.system import report_disk, tell_waiting
from monitor import partitions
from monitor.agents import counters
from monitor.backup.archive import Archive
from monitor.backup.job import Backups
from monitor.backup.place import Place
from monitor.backup.schedule import Keeping
from monitor.backup.take import source_of
from monitor.http.deps import Deps
from monitor.ingest.disk import DiskGuard
from monitor.maintenance.job import Maintenance
from monitor.retention import sweep
from monitor.retention.limits import load
from monitor.runs import news
from monitor.series.influx import InfluxSeriesStore
from monitor.subjects import erasing
from monitor.usage import budget_spending, hours, metrics, months, repricing, statements

DRAIN_EVERY = timedelta(seconds=1)
NEWS_EVERY = timedelta(seconds=1)
REPORTS_EVERY = timedelta(seconds=1)
ERASURES_EVERY = timedelta(seconds=5)
BOUNCES_EVERY = timedelta(seconds=5)
FOLD_EVERY = timedelta(seconds=30)
GAPS_EVERY = timedelta(minutes=1)
REPRICE_EVERY = timedelta(seconds=5)
METRICS_EVERY = timedelta(hours=1)
STATEMENTS_EVERY = timedelta(hours=1)
MONTHS_EVERY = timedelta(hours=6)
ROLLUP_EVERY = timedelta(minutes=1)
PARTITIONS_EVERY = timedelta(hours=1)
RETENTION_EVERY = timedelta(hours=1)
MAINTENANCE_EVERY = timedelta(hours=1)
"""How often is looked what is due."""
PACKS_EVERY = timedelta(hours=1)
BACKUP_EVERY = timedelta(minutes=5)
"""How often is looked whether one is due."""
CHANGES_EVERY = timedelta(seconds=10)

FAULTS_EVERY = timedelta(seconds=10)
"""How soon a tenant is told of a system alert that goes on when its silence is over."""


def jobs_of(deps: Deps, stack: AsyncExitStack) -> list[Job]:
    """The jobs, over these tables. `stack`: for what they leave open."""
    db, series, settings = deps.db, deps.series, deps.settings

    async def roll_up(now: datetime) -> None:
        await series.roll_up(now)

    removed = Counter(
        "agent_monitor_retention_rows_total", "Rows removed because their time was over", ["table"],
        registry=deps.registry,
    )  # fmt: skip

    maintenance = Maintenance(db, clock=deps.clock, registry=deps.registry)

    async def plan_partitions(now: datetime) -> None:
        limits = await load(db, settings)
        await partitions.apply(db, now, retention=limits.partitions(settings))

    async def retire(now: datetime) -> None:
        for table, rows in (await sweep.run_once(db, now, await load(db, settings))).items():
            removed.labels(table).inc(rows)

    async def fold_counters(_: datetime) -> None:
        await counters.fold(db)

    async def follow_runs(now: datetime) -> None:
        await news.run_once(db, now)

    jobs = [
        *_alerting(deps),
        *_usage(deps),
        Job("rollup", ROLLUP_EVERY, roll_up, at_start=False),
        Job("partitions", PARTITIONS_EVERY, plan_partitions),
        Job("retention", RETENTION_EVERY, retire, at_start=False),
        Job("maintenance", MAINTENANCE_EVERY, maintenance.run_once, at_start=False),
        Job("erasures", ERASURES_EVERY, lambda _: erasing.run_once(db, deps.clock)),
        Job("news", NEWS_EVERY, follow_runs),
        Job("counters", FOLD_EVERY, fold_counters, at_start=False),
    ]
    if settings.backup_dir is not None:
        jobs += _backups(deps, settings.backup_dir.expanduser().absolute(), stack)
    if isinstance(series, InfluxSeriesStore):
        watch = HistoryWatch(db, series, registry=deps.registry, public_url=settings.public_url)
        jobs.append(Job("drain", DRAIN_EVERY, watch.run_once))
    return jobs


def _backups(deps: Deps, folder: Path, stack: AsyncExitStack) -> list[Job]:
    """Scheduled backups, and between them every change, for a chosen second."""
    settings = deps.settings
    source = source_of(settings, deps.db)
    backups = Backups(
        source,
        Place(folder),
        other=Place(settings.backup_archive.expanduser().absolute()) if settings.backup_archive else None,
        keeping=Keeping(
            timedelta(seconds=settings.backup_retention), timedelta(seconds=settings.backup_archive_retention)
        ),
        logical=settings.backup_logical,
        clock=deps.clock,
        registry=deps.registry,
    )
    jobs = [Job("backup", BACKUP_EVERY, backups.run_once)]
    if not settings.backup_logical:
        changes = Archive(source.backup_url, folder, secret=settings.backup_key)
        stack.push_async_callback(changes.close)
        jobs.insert(0, Job("changes", CHANGES_EVERY, changes.run_once))
    return jobs


def _alerting(deps: Deps) -> list[Job]:
    """The jobs of alerting, beside judging and delivering."""
    db, settings = deps.db, deps.settings

    async def tell_of_faults(now: datetime) -> None:
        await tell_waiting(db, now=now, public_url=settings.public_url)

    async def follow_reports(now: datetime) -> None:
        await received.follow_received(db, now=now, public_url=settings.public_url)

    async def follow_bounces(now: datetime) -> None:
        await bounces.follow_bounces(db, now=now, public_url=settings.public_url)

    async def watch_rotations(now: datetime) -> None:
        await gaps.run_once(db, now, public_url=settings.public_url)

    async def renew_packs(now: datetime) -> None:
        await packing.renew(deps, now)

    return [
        Job("faults", FAULTS_EVERY, tell_of_faults),
        Job("reports", REPORTS_EVERY, follow_reports),
        Job("bounces", BOUNCES_EVERY, follow_bounces),
        Job("on call", GAPS_EVERY, watch_rotations),
        Job("packs", PACKS_EVERY, renew_packs),
    ]


def _usage(deps: Deps) -> list[Job]:
    """The jobs of usage: what was used is added up, priced anew and written down."""
    db = deps.db

    async def fold_usage(_: datetime) -> None:
        await hours.fold(db)
        await budget_spending.fold(db)

    async def reprice(_: datetime) -> None:
        await repricing.run_once(db)

    async def count_usage(now: datetime) -> None:
        await metrics.run_once(db, now)

    async def write_statements(now: datetime) -> None:
        await statements.run_once(db, now, audit=deps.audit)

    async def add_up_months(_: datetime) -> None:
        await months.refresh(db)

    return [
        Job("usage", FOLD_EVERY, fold_usage, at_start=False),
        Job("reprice", REPRICE_EVERY, reprice, at_start=False),
        Job("metrics", METRICS_EVERY, count_usage, at_start=False),
        Job("statements", STATEMENTS_EVERY, write_statements, at_start=False),
        Job("months", MONTHS_EVERY, add_up_months, at_start=False),
    ]


def disk_watch(deps: Deps, disk: DiskGuard) -> Callable[[datetime], Awaitable[None]]:
    """Page when the disk is nearly full, and when it has room again; says nothing while nothing changes."""
    said = True  # a full disk at the last stop may have left an alert open

    async def look(now: datetime) -> None:
        nonlocal said
        if disk.free is None or (disk.ok and not said):
            return
        url = deps.settings.public_url
        await report_disk(deps.db, active=not disk.ok, free_bytes=disk.free, now=now, public_url=url)
        said = not disk.ok

    return look
