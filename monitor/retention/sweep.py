"""Removes rows that have had their time and do not go with a partition: in small batches, with room between them.

Each batch is a transaction of its own and is followed by a pause of five times its length, so that nobody waits for
long and what is taken in has the disk for itself most of the time. One process does it at a time. Open alerts never
go.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database, Role
from monitor.ids import uuid7, uuid7_floor
from monitor.partitions import LAYOUTS, Key
from monitor.retention.kinds import PARTS, TECHNICAL, Kind, Part
from monitor.retention.limits import Limits, before

BATCH = 2_500
REST = 5.0
"""How long the pause after a batch is, in lengths of the batch."""
_LOCK = 7_305_311_829_014_121
"""Any fixed number: who removes rows holds this lock."""
_PARTITIONED = {layout.table for layout in LAYOUTS}
_THEIRS = "t.tenant_id = :tenant"
_OTHERS = "NOT (t.tenant_id = ANY (:others))"
_PROGRESS = """
    INSERT INTO retention_runs (tenant_id, id, kind, status, rows_removed, before, report, started_at)
    VALUES (:tenant, :id, :kind, 'running', :rows, :before, CAST(:report AS jsonb), :now)
    ON CONFLICT (tenant_id, id) DO UPDATE
    SET rows_removed = retention_runs.rows_removed + EXCLUDED.rows_removed, report = EXCLUDED.report
"""


@dataclass(frozen=True, slots=True)
class Run:
    """A pass over one kind of one tenant's, which has a row that tells of it."""

    tenant_id: UUID
    id: UUID
    kind: Kind
    before: datetime
    now: datetime
    removed: Counter[str]


async def run_once(db: Database, now: datetime, limits: Limits) -> Mapping[str, int]:
    """Remove what is due, as the owner; rows removed by table. Nothing where another process is at it."""
    total: Counter[str] = Counter()
    async with _alone(db) as mine:
        if not mine:
            return total
        for part, keep in TECHNICAL.items():
            total[part.table] += await _remove(db, part, now - keep, others=[])
        for kind, parts in PARTS.items():
            for policy in limits.of(kind):
                async with db.owner() as connection:
                    since = await before(connection, policy, limits.general[kind], now)
                run = Run(policy.tenant_id, uuid7(now), kind, since, now, Counter())
                for part in parts:
                    await _remove(db, part, since, tenant=policy.tenant_id, run=run)
                total += run.removed
            total += await _general(db, kind, now, limits)
        async with db.owner() as connection:
            await connection.execute(text("UPDATE retention_runs SET status = 'completed', completed_at = :now "
                                          "WHERE status = 'running'"), {"now": now})  # fmt: skip
    return total


async def _general(db: Database, kind: Kind, now: datetime, limits: Limits) -> Counter[str]:
    """The rows of those without a policy. What is partitioned goes by partition, unless somebody keeps it longer."""
    removed: Counter[str] = Counter()
    general = limits.general[kind]
    if general is None:
        return removed
    special = [policy.tenant_id for policy in limits.of(kind)]
    since = now - general
    longer = limits.longest(kind) != general
    for part in PARTS[kind]:
        if part.table not in _PARTITIONED or part.of is not None:
            removed[part.table] += await _remove(db, part, since, others=special)
        elif longer:
            async with db.owner() as connection:
                every = (await connection.execute(text("SELECT id FROM tenants"))).scalars().all()
            for tenant in sorted(set(every) - set(special)):
                removed[part.table] += await _remove(db, part, since, tenant=tenant)
    return removed


async def _remove(
    db: Database,
    part: Part,
    since: datetime,
    *,
    tenant: UUID | None = None,
    others: list[UUID] | None = None,
    run: Run | None = None,
) -> int:
    """The rows of one tenant, or of all but `others`, from before `since`; how many they were.

    Partition by partition, and by where rows lie in it: a batch that were found and then looked for by its keys in all
    partitions would read every old row for each batch.
    """
    whose = _THEIRS if tenant is not None else _OTHERS
    old = f"{whose} AND {part.aged} < :before"
    given = {"before": _bound(part, since), "batch": BATCH, "tenant": tenant, "others": others}
    next_one = text(f"SELECT t.tableoid::regclass::text FROM {part.rows()} WHERE {old} AND {part.only} LIMIT 1")
    total = 0
    while True:
        async with db.owner() as connection:
            place = (await connection.execute(next_one, given)).scalar()
        if place is None:
            return total
        # Said twice where the row itself tells its age: one that became younger since it was found stays.
        statement = text(
            f"DELETE FROM {place} t WHERE {whose if part.of else old} AND t.ctid = ANY (ARRAY("
            f"SELECT t.ctid FROM {part.rows(place)} WHERE {old} AND {part.only} LIMIT :batch))"
        )
        removed = await _in_batches(db, part, statement, given, run)
        total += removed
        if not removed:
            return total


async def _in_batches(
    db: Database, part: Part, statement: TextClause, given: Mapping[str, object], run: Run | None
) -> int:
    total = 0
    while True:
        began = time.monotonic()
        async with db.owner() as connection:
            rows = (await connection.execute(statement, given)).rowcount
            if run is not None and rows:
                run.removed[part.table] += rows
                await _tell(connection, run, rows)
        total += rows
        if rows < BATCH:
            return total
        await asyncio.sleep(REST * (time.monotonic() - began))


async def preview(db: Database, now: datetime, limits: Limits) -> Mapping[str, int]:
    """How many rows `run_once` would remove, by table. What two kinds would each remove counts twice."""
    total: Counter[str] = Counter()
    async with db.owner() as connection:
        tenants = (await connection.execute(text("SELECT id FROM tenants"))).scalars().all()
        for kind in Kind:
            own = {policy.tenant_id: policy for policy in limits.of(kind)}
            for tenant in tenants:
                since = await before(connection, own.get(tenant), limits.general[kind], now)
                total += Counter(await count(connection, kind, tenant, since))
    return total


async def count(connection: AsyncConnection, kind: Kind, tenant: UUID, since: datetime) -> dict[str, int]:
    """How many rows of one tenant's would go, by table."""
    rows: Counter[str] = Counter()
    for part in PARTS[kind]:
        query = f"SELECT count(*) FROM {part.rows()} WHERE {_THEIRS} AND {part.aged} < :before AND {part.only}"
        found = await connection.execute(text(query), {"tenant": tenant, "before": _bound(part, since)})
        rows[part.table] += int(found.scalar_one())
    return dict(rows)


def _bound(part: Part, at: datetime) -> UUID | datetime:
    return uuid7_floor(at) if part.by is Key.UUID7 else at


async def _tell(connection: AsyncConnection, run: Run, rows: int) -> None:
    """The progress of a run, in the transaction of what it tells of."""
    report = msgspec.json.encode(run.removed).decode()
    given = {"tenant": run.tenant_id, "id": run.id, "kind": run.kind.value, "before": run.before, "now": run.now}
    await connection.execute(text(_PROGRESS), {**given, "rows": rows, "report": report})


@contextlib.asynccontextmanager
async def _alone(db: Database) -> AsyncIterator[bool]:
    """Whether nobody else removes rows meanwhile. What a pass that died left running is marked as failed."""
    async with db.driver(Role.OWNER) as driver:
        found = await (await driver.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])).fetchone()
        mine = bool(found and found[0])
        if mine:
            await driver.execute("UPDATE retention_runs SET status = 'failed' WHERE status = 'running'")
        await driver.commit()
        try:
            yield mine
        finally:
            await driver.rollback()
            if mine:
                await driver.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
                await driver.commit()
