"""Tables of what was used by period, and of a month's statement."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_LIST, EMPTY_OBJECT, MONEY, NOW, Base, HotTenantMixin, Json, TenantMixin, Timestamps
from monitor.usage.tables import SUM


class BillingStatus(StrEnum):
    """A draft is computed anew; what was issued never is."""

    DRAFT = "draft"
    ISSUED = "issued"
    PAID = "paid"
    VOID = "void"


class UsageMetric(HotTenantMixin, Base):
    """How much of something was used in a period. Partitioned by month of `id`, which is made of the period's start and
    of what is counted: counting again gives the same row.
    """

    __tablename__ = "usage_metrics"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    metric_type: Mapped[str]
    metric_value: Mapped[int]
    agent_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    recorded_at: Mapped[datetime] = mapped_column(server_default=NOW)
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("metric_value >= 0", name="value"),
        CheckConstraint("period_end > period_start", name="period"),
        Index(None, "tenant_id", "metric_type", "period_start"),
        Index(None, "tenant_id", "period_start", "period_end"),
        Index(None, "tenant_id", "recorded_at"),
        {"postgresql_partition_by": "RANGE (id)"},
    )


class BillingRecord(TenantMixin, Timestamps, Base):
    """What a month came to, in US dollars: `lines` add up to `total_usd`, those of calls to `usage_usd`."""

    __tablename__ = "billing_records"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    period_start: Mapped[datetime]
    period_end: Mapped[datetime]
    plan: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="draft")
    calls: Mapped[int]
    unpriced_calls: Mapped[int]
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    usage_usd: Mapped[Decimal] = mapped_column(SUM)
    included_usd: Mapped[Decimal] = mapped_column(MONEY)
    plan_usd: Mapped[Decimal] = mapped_column(MONEY)
    total_usd: Mapped[Decimal] = mapped_column(SUM)
    lines: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    computed_at: Mapped[datetime]
    issued_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "period_start"),
        CheckConstraint("status IN ('draft', 'issued', 'paid', 'void')", name="status"),
        CheckConstraint("(status = 'draft') = (issued_at IS NULL)", name="issued"),
        CheckConstraint("period_end > period_start", name="period"),
        CheckConstraint(
            "calls >= 0 AND unpriced_calls >= 0 AND input_tokens >= 0 AND output_tokens >= 0 AND usage_usd >= 0 "
            "AND included_usd >= 0 AND plan_usd >= 0",
            name="amounts",
        ),
    )
