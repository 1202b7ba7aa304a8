"""Tables of the fleet: types, agents and their settings, schedules, live state, patience, logs, news, counters."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_LIST, EMPTY_OBJECT, MONEY, NOW, Base, HotTenantMixin, Json, TenantMixin, Timestamps


class AgentType(TenantMixin, Timestamps, Base):
    """A template of agents. The platform tenant's are predefined and readable by all."""

    __tablename__ = "agent_types"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    default_config: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    required_params: Mapped[list[Any]] = mapped_column(JSONB, server_default=EMPTY_LIST)
    __table_args__ = (UniqueConstraint("tenant_id", "slug"),)


class Agent(TenantMixin, Timestamps, Base):
    """One agent. `external_id` is what payloads call it; `status` is set by people, never computed."""

    __tablename__ = "agents"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str]
    name: Mapped[str]
    agent_type: Mapped[str] = mapped_column(server_default="custom")
    description: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="active")
    tags: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    capabilities: Mapped[list[str]] = mapped_column(server_default=text("'{}'::text[]"))
    config: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    webhook_url: Mapped[str | None]
    schedule: Mapped[str | None]
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    version: Mapped[str | None]
    role: Mapped[str | None]
    backstory: Mapped[str | None]
    emoji: Mapped[str | None]
    model_provider: Mapped[str | None]
    model: Mapped[str | None]
    temperature: Mapped[float | None]
    max_tokens: Mapped[int | None]
    system_prompt: Mapped[str | None]
    tools: Mapped[list[str]] = mapped_column(server_default=text("'{}'::text[]"))
    timeout_seconds: Mapped[float | None]
    max_iterations: Mapped[int | None]
    memory_enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    settings_version: Mapped[int] = mapped_column(server_default=text("1"))
    ephemeral: Mapped[bool] = mapped_column(server_default=text("false"))
    patience: Mapped[float | None]
    ping_token: Mapped[str]
    created_by: Mapped[UUID | None]
    retired_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "external_id"),
        ForeignKeyConstraint(["created_by"], ["users.id"], ondelete="SET NULL"),
        CheckConstraint("status IN ('active', 'inactive', 'maintenance', 'archived')", name="status"),
        CheckConstraint("length(external_id) BETWEEN 1 AND 200", name="external_id"),
        CheckConstraint("patience > 0", name="patience"),
        CheckConstraint("temperature >= 0 AND temperature <= 2", name="temperature"),
        CheckConstraint("max_tokens > 0", name="max_tokens"),
        CheckConstraint("timeout_seconds > 0", name="timeout_seconds"),
        CheckConstraint("max_iterations > 0", name="max_iterations"),
        CheckConstraint("settings_version > 0", name="settings_version"),
        Index("agents_tenant_id_status_idx", "tenant_id", "status", postgresql_where=text("deleted_at IS NULL")),
        Index(None, "ping_token"),
        Index(None, "created_by"),
    )


class AgentVersion(TenantMixin, Base):
    """An agent's settings since a change of them. The version that it has now is in `agents.settings_version`."""

    __tablename__ = "agent_versions"
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    settings: Mapped[Json]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        CheckConstraint("version > 0", name="version"),
    )


class AgentConfiguration(TenantMixin, Timestamps, Base):
    """One value that an agent is configured with, by its key; switched off where it is not `active`."""

    __tablename__ = "agent_configurations"
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        CheckConstraint("length(key) BETWEEN 1 AND 200", name="key"),
    )


class AgentState(TenantMixin, Timestamps, Base):
    """What an agent of a type keeps in mind of a conversation, which is a name: a state may come before it is told of.

    `version` counts its changes.
    """

    __tablename__ = "agent_states"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation: Mapped[str]
    agent_type: Mapped[str]
    agent_id: Mapped[UUID | None]
    state: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    version: Mapped[int] = mapped_column(server_default=text("1"))
    __table_args__ = (
        UniqueConstraint("tenant_id", "conversation", "agent_type"),
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        CheckConstraint("version > 0", name="version"),
        Index(None, "tenant_id", "agent_type"),
        Index(None, "tenant_id", "agent_id", postgresql_where=text("agent_id IS NOT NULL")),
        Index(None, "updated_at"),
    )


class AgentSchedule(TenantMixin, Base):
    """When an agent with a schedule is due next: null while it is not active. Earlier runs than `since` say nothing."""

    __tablename__ = "agent_schedules"
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    next_run_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        Index(None, "next_run_at", postgresql_where=text("next_run_at IS NOT NULL")),
    )


class AgentLive(TenantMixin, Base):
    """What is known of an agent right now, kept in the transaction that stores its news.

    `last_active_at`: when anything but a plain heartbeat came, `active_by` what it was. Both by time of receipt.

    Executions are ordered by their id, which is made from event time: late ones cannot overwrite newer ones.
    """

    __tablename__ = "agent_live"
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    last_seen_at: Mapped[datetime | None]
    last_active_at: Mapped[datetime | None]
    active_by: Mapped[str | None]
    last_heartbeat_at: Mapped[datetime | None]
    heartbeat_status: Mapped[str | None]
    heartbeat_count: Mapped[int] = mapped_column(server_default=text("0"))
    heartbeat_interval: Mapped[float | None]
    expected: Mapped[bool] = mapped_column(server_default=text("false"))
    last_execution_id: Mapped[UUID | None]
    last_ok_id: Mapped[UUID | None]
    last_status: Mapped[str | None]
    last_message: Mapped[str | None]
    last_duration: Mapped[int | None]
    consecutive_failures: Mapped[int] = mapped_column(server_default=text("0"))
    metrics: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
    )


class ToolPatience(TenantMixin, Base):
    """How many seconds a call of a tool may take before its agent stands still; `*`: of any other tool."""

    __tablename__ = "tool_patience"
    tool: Mapped[str] = mapped_column(primary_key=True)
    seconds: Mapped[float]
    __table_args__ = (CheckConstraint("seconds > 0", name="seconds"),)


class AgentLog(HotTenantMixin, Base):
    """One execution or one line. Partitioned by day of `id`, which carries the event's time."""

    __tablename__ = "agent_logs"
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    received_at: Mapped[datetime] = mapped_column(server_default=NOW)
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    duration: Mapped[int | None]
    kind: Mapped[str]
    status: Mapped[str]
    level: Mapped[str | None]
    external_id: Mapped[str | None]
    message: Mapped[str | None]
    details: Mapped[Json | None]
    __table_args__ = (
        CheckConstraint("kind IN ('execution', 'line')", name="kind"),
        CheckConstraint("status IN ('success', 'error', 'warning')", name="status"),
        {"postgresql_partition_by": "RANGE (id)"},
    )


class AgentLogId(HotTenantMixin, Base):
    """Callers' own log ids: the same id is the same log, whatever times its repetition carries."""

    __tablename__ = "agent_log_ids"
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    log_id: Mapped[UUID]
    __table_args__ = (Index(None, "log_id"),)


class Touched(HotTenantMixin, Base):
    """News for the alerter: one row a tenant for each group commit, taken by the next tick."""

    __tablename__ = "touched"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    agent_ids: Mapped[list[UUID]]
    kinds: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))


class _Counters:
    """What an agent's tasks come to. `timed` of the completed ones have a duration; `duration_ms` is their sum."""

    tasks: Mapped[int]
    completed: Mapped[int]
    failed: Mapped[int]
    timed: Mapped[int]
    duration_ms: Mapped[int]
    tokens: Mapped[int]
    cost_usd: Mapped[Decimal] = mapped_column(MONEY)


class AgentCount(_Counters, HotTenantMixin, Base):
    """What a statement changed in an agent's counters: added by triggers on `tasks`, folded into `agent_totals`.

    Rows are only added and taken away, so that writers of one agent's tasks never wait for each other.
    """

    __tablename__ = "agent_counts"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    agent_id: Mapped[UUID]
    __table_args__ = (Index(None, "tenant_id", "agent_id"),)


class AgentTotal(_Counters, TenantMixin, Base):
    """An agent's counters since it was made, up to the last folding."""

    __tablename__ = "agent_totals"
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
    )
