"""Statements in SQL: computed from the sums of the ledger, issued, read."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database
from monitor.errors import Conflict, NotFound
from monitor.http.deps import Audit
from monitor.ids import PLATFORM_TENANT, microseconds, uuid7_named
from monitor.principal import Principal, Scope, TenantStatus
from monitor.usage.quota import period
from monitor.usage.quota_tables import Resource
from monitor.usage.statement import Billed, Statement, Terms, Used, corrected, statement, to_json
from monitor.usage.statement_tables import BillingRecord, BillingStatus

GRACE = timedelta(days=3)
"""After the end of a month its statement is computed anew for so long, then issued: calls are told late."""
CORRECTED = timedelta(days=390)
"""Months that began longer ago are not corrected: their sums by hour are about to go."""

_TENANTS = text("SELECT id FROM tenants WHERE id <> :platform AND status <> 'deleted' ORDER BY id")
_TERMS = text("""
    SELECT t.plan, coalesce(p.price_usd, 0) AS price_usd, coalesce(p.included_usd, 0) AS included_usd
    FROM tenants t LEFT JOIN subscription_plans p ON p.tenant_id = :platform AND p.slug = t.plan
    WHERE t.id = :tenant_id
""")
_USED = text("""
    SELECT coalesce(a.external_id, h.agent_id::text) AS agent, h.model, sum(h.calls)::bigint AS calls,
           sum(h.unpriced)::bigint AS unpriced, sum(h.input_tokens)::bigint AS input_tokens,
           sum(h.output_tokens)::bigint AS output_tokens, sum(h.cost_usd) AS cost_usd
    FROM usage_hours h LEFT JOIN agents a ON a.tenant_id = h.tenant_id AND a.id = h.agent_id
    WHERE h.tenant_id = :tenant_id AND h.hour >= :start AND h.hour < :end
    GROUP BY 1, 2 HAVING sum(h.calls) <> 0 OR sum(h.cost_usd) <> 0
""")
_COSTS = text("""
    SELECT date_trunc('month', hour, 'UTC') AS month, sum(cost_usd) AS cost_usd FROM usage_hours
    WHERE tenant_id = :tenant_id AND hour >= :oldest AND hour < :start GROUP BY 1
""")
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('statement ' || CAST(:tenant_id AS text), 0))")
_COLUMNS = [*BillingRecord.__table__.columns]

Stored = Mapping[datetime, Mapping[str, Any]]
"""Statements by the beginning of their month."""


async def run_once(db: Database, now: datetime, *, audit: Audit) -> int:
    """Compute the drafts of this month and the last one for every tenant, and issue what is due; how many changed."""
    first, _ = period(Resource.TOKENS, now)
    this = first or now
    last = (this - timedelta(days=1)).replace(day=1)
    changed = 0
    async with db.owner() as owner:
        tenants = list((await owner.execute(_TENANTS, {"platform": PLATFORM_TENANT})).scalars())
    for tenant_id in tenants:
        for month in (last, this):
            async with db.owner() as owner:
                changed += await compute(owner, tenant_id, month, now=now)
                if now >= following(month) + GRACE:
                    await _issue_due(owner, tenant_id, month, now=now, audit=audit)
    return changed


async def compute(owner: AsyncConnection, tenant_id: UUID, month: datetime, *, now: datetime) -> bool:
    """Make or renew the draft of a month; whether there is one. A month in which nothing is due has none."""
    await owner.execute(_ALONE, {"tenant_id": tenant_id})
    stored = await _stored(owner, tenant_id)
    before = stored.get(month)
    if before is not None and before["status"] != BillingStatus.DRAFT:
        return False
    made = await _statement(owner, tenant_id, month, stored=stored, now=now)
    if before is None and not made.total_usd and not made.counted("calls") and len(made.lines) == 1:
        return False
    values = _values(made) | {"computed_at": now}
    query = upsert(BillingRecord.__table__).values(  # type: ignore[arg-type]
        tenant_id=tenant_id, id=record_id(month), period_start=month, period_end=following(month), **values
    )
    await owner.execute(query.on_conflict_do_update(index_elements=["tenant_id", "period_start"], set_=values))
    return True


def following(month: datetime) -> datetime:
    """When the next month begins."""
    return (month.astimezone(UTC) + timedelta(days=32)).replace(day=1)


def record_id(month: datetime) -> UUID:
    """The id of a month's statement: in order of the months."""
    return uuid7_named(microseconds(month), "statement")


async def _stored(connection: AsyncConnection, tenant_id: UUID) -> Stored:
    rows = await connection.execute(select(*_COLUMNS).where(BillingRecord.tenant_id == tenant_id))
    return {row["period_start"]: dict(row) for row in rows.mappings()}


async def _statement(
    owner: AsyncConnection,
    tenant_id: UUID,
    month: datetime,
    *,
    stored: Stored,
    now: datetime,
) -> Statement:
    terms = (await owner.execute(_TERMS, {"tenant_id": tenant_id, "platform": PLATFORM_TENANT})).mappings().one()
    given = {"tenant_id": tenant_id, "start": month, "end": following(month)}
    used = [Used(**row) for row in (await owner.execute(_USED, given)).mappings()]
    issued = _billed([row for at, row in stored.items() if at < month])
    oldest = now - CORRECTED
    costs = {row.month: row.cost_usd for row in await owner.execute(_COSTS, {**given, "oldest": oldest})}
    kept = [one.period_start for one in issued if one.period_start >= oldest]
    return statement(Terms(**terms), used, issued=issued, costs={at: costs.get(at, Decimal(0)) for at in kept})


def _billed(rows: Sequence[Mapping[str, Any]]) -> list[Billed]:
    """What issued statements account for, with what later ones corrected."""
    rows = [row for row in rows if row["status"] in (BillingStatus.ISSUED, BillingStatus.PAID)]
    more: dict[datetime, Decimal] = {}
    for row in rows:
        for month, cost in corrected(row["lines"]).items():
            more[month] = more.get(month, Decimal(0)) + cost
    return [
        Billed(
            period_start=row["period_start"],
            terms=Terms(plan=row["plan"], price_usd=row["plan_usd"], included_usd=row["included_usd"]),
            usage_usd=row["usage_usd"] + more.get(row["period_start"], Decimal(0)),
        )
        for row in rows
    ]


def _values(made: Statement) -> dict[str, Any]:
    return {
        "plan": made.terms.plan, "calls": made.counted("calls"), "unpriced_calls": made.counted("unpriced"),
        "input_tokens": made.counted("input_tokens"), "output_tokens": made.counted("output_tokens"),
        "usage_usd": made.usage_usd, "included_usd": made.terms.included_usd, "plan_usd": made.terms.price_usd,
        "total_usd": made.total_usd, "lines": [to_json(line) for line in made.lines],
    }  # fmt: skip


async def _issue_due(owner: AsyncConnection, tenant_id: UUID, month: datetime, *, now: datetime, audit: Audit) -> None:
    row = (await _stored(owner, tenant_id)).get(month)
    if row is not None and row["status"] == BillingStatus.DRAFT:
        await settle(owner, tenant_id, month, BillingStatus.ISSUED, now=now, audit=audit)


_FROM = {
    BillingStatus.ISSUED: (BillingStatus.DRAFT,),
    BillingStatus.PAID: (BillingStatus.ISSUED,),
    BillingStatus.VOID: (BillingStatus.ISSUED,),
    BillingStatus.DRAFT: (),
}


async def settle(
    owner: AsyncConnection, tenant_id: UUID, month: datetime, status: BillingStatus, *, now: datetime, audit: Audit
) -> None:
    """Issue a draft, or mark what was issued as paid or void. Raises NotFound, and Conflict for another order."""
    await owner.execute(_ALONE, {"tenant_id": tenant_id})
    row = (await _stored(owner, tenant_id)).get(month)
    if row is None:
        raise NotFound(f"there is no statement of {month:%Y-%m}")
    if row["status"] not in _FROM[status]:
        raise Conflict(f"the statement of {month:%Y-%m} is {row['status']}: it cannot become {status}")
    values: dict[str, Any] = {"status": status}
    if status is BillingStatus.ISSUED:
        values["issued_at"] = now
    if status is BillingStatus.PAID:
        values["paid_at"] = now
    whose = (BillingRecord.tenant_id == tenant_id, BillingRecord.period_start == month)
    await owner.execute(update(BillingRecord).where(*whose).values(**values))
    system = Principal(tenant_id=tenant_id, tenant_status=TenantStatus.ACTIVE, scopes=frozenset({Scope.ADMIN}))
    await audit(
        owner, system, f"billing_record.{status}", resource=("billing_record", str(row["id"])),
        old={"status": row["status"]}, new={"status": str(status)},
    )  # fmt: skip


async def list_records(
    connection: AsyncConnection, tenant_id: UUID, *, limit: int, before: UUID | None = None
) -> list[Mapping[str, Any]]:
    """`limit + 1` statements, the newest month first, of months before that of `before`."""
    query = select(*_COLUMNS).where(BillingRecord.tenant_id == tenant_id)
    if before is not None:
        query = query.where(BillingRecord.id < before)
    rows = await connection.execute(query.order_by(BillingRecord.id.desc()).limit(limit + 1))
    return [dict(row) for row in rows.mappings()]


async def get_record(connection: AsyncConnection, tenant_id: UUID, key: UUID) -> Mapping[str, Any]:
    """One statement. Raises NotFound."""
    query = select(*_COLUMNS).where(BillingRecord.tenant_id == tenant_id, BillingRecord.id == key)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such statement")
    return dict(row)
