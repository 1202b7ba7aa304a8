"""Tables of usage: prices, the ledger of calls and its hourly sums, budgets and what was spent of them."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Identity, Index, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_OBJECT, MONEY, NOW, ZERO, Base, HotTenantMixin, Json, TenantMixin, Timestamps

SUM = Numeric(30, 10)
"""A sum of US dollars, or of tokens."""
NONE = text("''::text")


class PriceSource(StrEnum):
    """Who said what a model costs: the product's own list, an operator for everybody, or a tenant for itself."""

    SHIPPED = "shipped"
    IMPORTED = "imported"
    TENANT = "tenant"


class CostSource(StrEnum):
    """Where a call's cost is from: its sender, or a price."""

    GIVEN = "given"
    PRICED = "priced"


class CallSource(StrEnum):
    """Who made a call's row: a caller of the API, or assembly from a trace, which may make it anew."""

    API = "api"
    TRACE = "trace"


class BudgetScope(StrEnum):
    """Whose calls a budget counts."""

    TENANT = "tenant"
    AGENT = "agent"
    MODEL = "model"
    USER = "user"
    WORKFLOW = "workflow"


class Unit(StrEnum):
    """What a budget counts."""

    TOKENS = "tokens"
    COST_USD = "cost_usd"


class Period(StrEnum):
    """How long a budget lasts before it begins anew, by the calendar of its time zone. Weeks begin on Monday."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class ModelPrice(TenantMixin, Timestamps, Base):
    """What a model costs from a time on, in US dollars for a million tokens.

    A `model` that ends with `*` is the beginning of names. Null: see `monitor.usage.pricing.cost`.
    """

    __tablename__ = "model_prices"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    model: Mapped[str]
    provider: Mapped[str | None]
    valid_from: Mapped[datetime]
    input: Mapped[Decimal] = mapped_column(MONEY)
    output: Mapped[Decimal] = mapped_column(MONEY)
    cache_read: Mapped[Decimal | None] = mapped_column(MONEY)
    cache_write: Mapped[Decimal | None] = mapped_column(MONEY)
    reasoning: Mapped[Decimal | None] = mapped_column(MONEY)
    source: Mapped[str]
    __table_args__ = (
        UniqueConstraint("tenant_id", "model", "valid_from"),
        CheckConstraint("source IN ('shipped', 'imported', 'tenant')", name="source"),
        CheckConstraint(
            "input >= 0 AND output >= 0 AND cache_read >= 0 AND cache_write >= 0 AND reasoning >= 0", name="amounts"
        ),
    )


class PriceChange(TenantMixin, Base):
    """Calls to be priced anew since prices of `models` came or went: those that began at `since` or later.

    Those up to `done` have been. A row of the platform's tenant is everybody's.
    """

    __tablename__ = "price_changes"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    models: Mapped[list[str]]
    since: Mapped[datetime]
    done: Mapped[UUID | None]


class ModelCall(HotTenantMixin, Base):
    """One call of a model: the ledger. Partitioned by day of `id`, which carries its start.

    It outlives its agent, so that sums stay what they were: no reference.
    `model` is as it was told, `model_name` as budgets know it. `cost_usd` is null while nobody knows the price.
    Triggers add each change to `usage_hours` and `budget_spending`, and settle reservations.
    """

    __tablename__ = "model_calls"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID]
    task_id: Mapped[UUID | None]
    execution_id: Mapped[UUID | None]
    conversation: Mapped[str | None]
    user_ref: Mapped[str | None]
    workflow: Mapped[str | None]
    model: Mapped[str | None]
    model_name: Mapped[str | None]
    provider: Mapped[str | None]
    operation: Mapped[str | None]
    failed: Mapped[bool]
    error_message: Mapped[str | None]
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cache_read_tokens: Mapped[int]
    cache_write_tokens: Mapped[int]
    reasoning_tokens: Mapped[int]
    cost_usd: Mapped[Decimal | None] = mapped_column(MONEY)
    cost_source: Mapped[str | None]
    price_id: Mapped[UUID | None]
    reservation_id: Mapped[UUID | None]
    started_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    time_to_first_token_ms: Mapped[float | None]
    agent_version: Mapped[str | None]
    environment: Mapped[str | None]
    source: Mapped[str]
    trace_id: Mapped[str | None]
    span_id: Mapped[str | None]
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (
        CheckConstraint("cost_source IN ('given', 'priced')", name="cost_source"),
        CheckConstraint("(cost_usd IS NULL) = (cost_source IS NULL)", name="cost"),
        CheckConstraint("source IN ('api', 'trace')", name="source"),
        CheckConstraint(
            "input_tokens >= 0 AND output_tokens >= 0 AND cache_read_tokens >= 0 AND cache_write_tokens >= 0 "
            "AND reasoning_tokens >= 0 AND cost_usd >= 0",
            name="amounts",
        ),
        Index(None, "tenant_id", "task_id", postgresql_where=text("task_id IS NOT NULL")),
        Index(None, "tenant_id", "execution_id", postgresql_where=text("execution_id IS NOT NULL")),
        Index(None, "tenant_id", "trace_id", postgresql_where=text("trace_id IS NOT NULL")),
        Index("model_calls_unpriced_idx", "tenant_id", "model", postgresql_where=text("cost_usd IS NULL")),
        {"postgresql_partition_by": "RANGE (id)"},
    )


class UsageHour(HotTenantMixin, Base):
    """What calls of one hour come to: rows are only added, and those of one `key` are added up later.

    The sum of the rows is right at any time. An empty text means that the calls name none.
    """

    __tablename__ = "usage_hours"
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    key: Mapped[UUID]
    folded: Mapped[bool] = mapped_column(server_default=text("false"))
    agent_id: Mapped[UUID]
    model: Mapped[str] = mapped_column(server_default=NONE)
    provider: Mapped[str] = mapped_column(server_default=NONE)
    user_ref: Mapped[str] = mapped_column(server_default=NONE)
    workflow: Mapped[str] = mapped_column(server_default=NONE)
    environment: Mapped[str] = mapped_column(server_default=NONE)
    calls: Mapped[int]
    failed: Mapped[int]
    unpriced: Mapped[int]
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cache_read_tokens: Mapped[int]
    cache_write_tokens: Mapped[int]
    reasoning_tokens: Mapped[int]
    cost_usd: Mapped[Decimal] = mapped_column(SUM)
    __table_args__ = (
        Index("usage_hours_fresh_idx", "tenant_id", postgresql_where=text("NOT folded")),
        Index(None, "tenant_id", "agent_id", "hour"),
    )


class Budget(TenantMixin, Timestamps, Base):
    """How much may be spent in a period. `target`: the agent's id, the model's name, the user or the workflow."""

    __tablename__ = "budgets"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    scope: Mapped[str]
    target: Mapped[str] = mapped_column(server_default=NONE)
    agent_id: Mapped[UUID | None]
    unit: Mapped[str]
    period: Mapped[str]
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    limit: Mapped[Decimal] = mapped_column("limit_amount", SUM)
    warn_at: Mapped[Decimal] = mapped_column(Numeric(5, 4), server_default=text("0.8"))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    __table_args__ = (
        UniqueConstraint("tenant_id", "scope", "target", "unit", "period", "timezone"),
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        CheckConstraint("scope IN ('tenant', 'agent', 'model', 'user', 'workflow')", name="scope"),
        CheckConstraint("(scope = 'tenant') = (target = '')", name="target"),
        CheckConstraint(
            "(scope = 'agent') = (agent_id IS NOT NULL) AND (agent_id IS NULL OR target = agent_id::text)", name="agent"
        ),
        CheckConstraint("unit IN ('tokens', 'cost_usd')", name="unit"),
        CheckConstraint("period IN ('hour', 'day', 'week', 'month')", name="period"),
        CheckConstraint("limit_amount >= 0", name="limit"),
        CheckConstraint("warn_at >= 0 AND warn_at <= 1", name="warn_at"),
        Index(None, "tenant_id", "agent_id"),
    )


class BudgetSpending(HotTenantMixin, Base):
    """What was spent of a budget, in its unit: rows are only added, and added up later, as in `usage_hours`.

    `slot`: the five minutes in which the calls began, in a week or a month the hour; `last_at`: when the last did.
    """

    __tablename__ = "budget_spending"
    budget_id: Mapped[UUID] = mapped_column(primary_key=True)
    period_start: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    slot: Mapped[datetime]
    folded: Mapped[bool] = mapped_column(server_default=text("false"))
    last_at: Mapped[datetime]
    amount: Mapped[Decimal] = mapped_column(SUM)
    __table_args__ = (
        Index("budget_spending_fresh_idx", "tenant_id", postgresql_where=text("NOT folded")),
        Index(None, "period_start"),
    )


class BudgetReservation(TenantMixin, Base):
    """A part of a budget that somebody is about to spend. What is left of it counts as spent until it expires.

    One id may stand for several budgets, asked at once.
    """

    __tablename__ = "budget_reservations"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    budget_id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID | None]
    amount: Mapped[Decimal] = mapped_column(SUM)
    settled: Mapped[Decimal] = mapped_column(SUM, server_default=ZERO)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "budget_id"], ["budgets.tenant_id", "budgets.id"], ondelete="CASCADE"),
        CheckConstraint("amount > 0 AND settled >= 0 AND settled <= amount", name="amounts"),
        Index(None, "tenant_id", "budget_id", "expires_at"),
        Index(None, "expires_at"),
    )
