"""Subscription plans: the platform's list, shipped with the product or imported by an operator."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database
from monitor.errors import InvalidInput
from monitor.ids import PLATFORM_TENANT, microseconds, uuid7_named
from monitor.usage import lists
from monitor.usage.pricing import MAX_TEXT, PLACES
from monitor.usage.quota_tables import PlanSource, SubscriptionPlan

SLUGS = ("free", "starter", "pro", "enterprise")
"""Those that a tenant can have."""
LIMITS = ("max_agents", "daily_requests", "monthly_tokens")
AMOUNTS = ("price_usd", "included_usd")
MOST = 10**15
"""Agents, requests, tokens or dollars that a plan may say at most."""
_SINCE = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a tenant of this plan may use and pays for a month, in US dollars. A limit of None is none."""

    slug: str
    name: str
    description: str | None = None
    price_usd: Decimal = Decimal(0)
    included_usd: Decimal = Decimal(0)
    max_agents: int | None = None
    daily_requests: int | None = None
    monthly_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow(Plan):
    """A plan as it is stored."""

    id: UUID
    source: PlanSource


def shipped() -> list[Plan]:
    """The plans that come with the product."""
    return parse(lists.shipped("plans"))


def parse(document: str) -> list[Plan]:
    """Plans in TOML, as `plans.toml` is written. Raises InvalidInput, which names the fault."""
    found = [_plan(row, f"plans.{number}") for number, row in enumerate(lists.rows_of(document, "plans"))]
    if len({plan.slug for plan in found}) < len(found):
        raise InvalidInput("a plan stands there twice", path="plans")
    return found


def _plan(row: Any, path: str) -> Plan:
    if not isinstance(row, dict) or row.get("slug") not in SLUGS:
        raise InvalidInput(f"slug is one of {', '.join(SLUGS)}", path=f"{path}.slug")
    if unknown := row.keys() - {"slug", "name", "description", *LIMITS, *AMOUNTS}:
        raise InvalidInput(f"{min(unknown)} is not known", path=path)
    for name in ("name", "description"):
        value = row.get(name, row["slug"])
        if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or "\x00" in value:
            raise InvalidInput(f"a text of at most {MAX_TEXT} characters is expected", path=f"{path}.{name}")
    values: dict[str, Any] = {name: _limit(row[name], f"{path}.{name}") for name in LIMITS if name in row}
    values |= {name: _amount(row[name], f"{path}.{name}") for name in AMOUNTS if name in row}
    return Plan(slug=row["slug"], name=str(row.get("name", row["slug"])), description=row.get("description"), **values)


def _limit(value: Any, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise InvalidInput("a whole number is expected, from zero on", path=path)
    return value


def _amount(value: Any, path: str) -> Decimal:
    given = Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else Decimal("NaN")
    # Ten digits stand before the point in the table.
    if not (given.is_finite() and 0 <= given < 10**10 and given == given.quantize(PLACES)):
        raise InvalidInput("US dollars are expected, to ten decimal places", path=path)
    return given


_ROW = [
    SubscriptionPlan.id, SubscriptionPlan.slug, SubscriptionPlan.name, SubscriptionPlan.description,
    SubscriptionPlan.price_usd, SubscriptionPlan.included_usd, SubscriptionPlan.max_agents,
    SubscriptionPlan.daily_requests, SubscriptionPlan.monthly_tokens, SubscriptionPlan.source,
]  # fmt: skip


def _row(row: RowMapping) -> PlanRow:
    return PlanRow(**{**row, "source": PlanSource(row["source"])})


async def list_plans(connection: AsyncConnection) -> list[PlanRow]:
    """All plans, by slug."""
    query = select(*_ROW).where(SubscriptionPlan.tenant_id == PLATFORM_TENANT).order_by(SubscriptionPlan.slug)
    return [_row(row) for row in (await connection.execute(query)).mappings()]


async def put_plans(owner: AsyncConnection, plans: Iterable[Plan], *, source: PlanSource) -> int:
    """Keep plans, one for each slug; how many are new or changed. A shipped one never replaces an imported one."""
    stored = {row.slug: row for row in await list_plans(owner)}
    changed = 0
    for plan in plans:
        before = stored.get(plan.slug)
        if before is not None and (_same(plan, before, source) or not _may(source, before)):
            continue
        plan_id = uuid7_named(microseconds(_SINCE), f"plan {plan.slug}")
        values = asdict(plan) | {"source": source}
        made = upsert(SubscriptionPlan).values(tenant_id=PLATFORM_TENANT, id=plan_id, **values)
        await owner.execute(made.on_conflict_do_update(index_elements=["tenant_id", "slug"], set_=values))
        changed += 1
    return changed


def _may(source: PlanSource, stored: PlanRow) -> bool:
    return source is not PlanSource.SHIPPED or stored.source is PlanSource.SHIPPED


def _same(plan: Plan, stored: PlanRow, source: PlanSource) -> bool:
    return stored.source is source and all(getattr(stored, name) == value for name, value in asdict(plan).items())


async def load_shipped(db: Database) -> int:
    """Bring the platform's plans to those of this release; how many are new or changed."""
    async with db.owner() as owner:
        await owner.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('shipped plans', 0))"))
        return await put_plans(owner, shipped(), source=PlanSource.SHIPPED)
