"""Tables of plans and quotas: what a tenant may use, and what was used of it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from monitor.ids import PLATFORM_TENANT
from monitor.tables import MONEY, ZERO, Base, HotTenantMixin, TenantMixin, Timestamps


class Resource(StrEnum):
    """What is limited: agents at any time, requests that send something by day, tokens of calls by month, in UTC."""

    AGENTS = "agents"
    REQUESTS = "daily_requests"
    TOKENS = "monthly_tokens"


class PlanSource(StrEnum):
    """Who says what a plan is: the product, or an operator."""

    SHIPPED = "shipped"
    IMPORTED = "imported"


class SubscriptionPlan(TenantMixin, Timestamps, Base):
    """What tenants of this plan may use, and pay for a month. The platform's: everybody reads them. Null: no limit."""

    __tablename__ = "subscription_plans"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    price_usd: Mapped[Decimal] = mapped_column(MONEY, server_default=ZERO)
    included_usd: Mapped[Decimal] = mapped_column(MONEY, server_default=ZERO)
    max_agents: Mapped[int | None]
    daily_requests: Mapped[int | None]
    monthly_tokens: Mapped[int | None]
    source: Mapped[str]
    __table_args__ = (
        UniqueConstraint("tenant_id", "slug"),
        CheckConstraint(f"tenant_id = '{PLATFORM_TENANT}'", name="platform"),
        CheckConstraint("source IN ('shipped', 'imported')", name="source"),
        CheckConstraint(
            "price_usd >= 0 AND included_usd >= 0 AND max_agents >= 0 AND daily_requests >= 0 AND monthly_tokens >= 0",
            name="amounts",
        ),
    )


class TenantQuota(TenantMixin, Timestamps, Base):
    """A limit of one tenant's own, before its plan's. Without `enforced` it is counted and nothing is refused."""

    __tablename__ = "tenant_quotas"
    resource: Mapped[str] = mapped_column(primary_key=True)
    limit: Mapped[int | None] = mapped_column("limit_amount")
    enforced: Mapped[bool] = mapped_column(server_default=text("true"))
    warn_at: Mapped[Decimal] = mapped_column(Numeric(5, 4), server_default=text("0.8"))
    __table_args__ = (
        CheckConstraint("resource IN ('agents', 'daily_requests', 'monthly_tokens')", name="resource"),
        CheckConstraint("limit_amount >= 0 AND warn_at >= 0 AND warn_at <= 1", name="amounts"),
    )


class RequestCount(HotTenantMixin, Base):
    """Requests that sent something, by day in UTC: counted by collectors in portions."""

    __tablename__ = "request_counts"
    day: Mapped[datetime] = mapped_column(primary_key=True)
    requests: Mapped[int]
    __table_args__ = (
        CheckConstraint("requests >= 0", name="requests"),
        Index(None, "day"),
        {"postgresql_with": {"fillfactor": "50"}},
    )
