"""Tables of runs: workflows, executions, tasks, tool executions, interactions, and callers' names of them."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import (
    EMPTY_LIST,
    EMPTY_OBJECT,
    MONEY,
    NOW,
    ZERO,
    Base,
    HotTenantMixin,
    Json,
    TenantMixin,
    Timestamps,
)

_STATUS = "status IN ('pending', 'running', 'completed', 'failed', 'cancelled')"
_SOURCE = "source IN ('api', 'trace')"
_ORDER = "completed_at >= started_at"


class Workflow(TenantMixin, Timestamps, Base):
    """What agents do together, as people define it: a graph or a list of steps. A change of it is a new `version`."""

    __tablename__ = "workflows"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    definition: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    agent_ids: Mapped[list[Any]] = mapped_column(JSONB, server_default=EMPTY_LIST)
    timeout_seconds: Mapped[float | None]
    retry: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    status: Mapped[str] = mapped_column(server_default="active")
    version: Mapped[int] = mapped_column(server_default=text("1"))
    tags: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    deleted_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "slug"),
        CheckConstraint("status IN ('draft', 'active', 'archived')", name="status"),
        CheckConstraint("timeout_seconds > 0", name="timeout_seconds"),
        CheckConstraint("version > 0", name="version"),
        Index(None, "tenant_id", "status"),
    )


class WorkflowExecution(TenantMixin, Timestamps, Base):
    """One run of a workflow. Counts, tokens and cost are the sums of its tasks; the trigger keeps `duration_ms`."""

    __tablename__ = "workflow_executions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    workflow_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    name: Mapped[str]
    description: Mapped[str | None]
    workflow_type: Mapped[str | None]
    initiator: Mapped[str | None]
    conversation: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="pending")
    current_step: Mapped[str | None]
    steps_completed: Mapped[int | None]
    steps_total: Mapped[int | None]
    input: Mapped[Any | None] = mapped_column(JSONB)
    output: Mapped[Any | None] = mapped_column(JSONB)
    error_message: Mapped[str | None]
    total_tasks: Mapped[int] = mapped_column(server_default=ZERO)
    completed_tasks: Mapped[int] = mapped_column(server_default=ZERO)
    failed_tasks: Mapped[int] = mapped_column(server_default=ZERO)
    total_tokens: Mapped[int] = mapped_column(server_default=ZERO)
    total_cost_usd: Mapped[Decimal] = mapped_column(MONEY, server_default=ZERO)
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    source: Mapped[str] = mapped_column(server_default="api")
    trace_id: Mapped[str | None]
    span_id: Mapped[str | None]
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "workflow_id"],
            ["workflows.tenant_id", "workflows.id"],
            ondelete="SET NULL (workflow_id)",
        ),
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="SET NULL"),
        CheckConstraint(_STATUS, name="status"),
        CheckConstraint(_SOURCE, name="source"),
        CheckConstraint(_ORDER, name="order"),
        CheckConstraint("steps_completed >= 0 AND steps_total >= 0 AND steps_completed <= steps_total", name="steps"),
        Index(None, "tenant_id", "workflow_id"),
        Index(None, "tenant_id", "workflow_type", "id", postgresql_where=text("workflow_type IS NOT NULL")),
        Index(None, "user_id"),
        Index(None, "tenant_id", "status"),
        Index(None, "tenant_id", "trace_id"),
    )


class Task(HotTenantMixin, Timestamps, Base):
    """One piece of an agent's work. Partitioned by day of `id`, which carries its start.

    Tokens and cost are the sums of its own calls. Triggers keep `duration_ms`, and its agent's counters.
    """

    __tablename__ = "tasks"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID]
    execution_id: Mapped[UUID | None]
    parent_task_id: Mapped[UUID | None]
    conversation: Mapped[str | None]
    user_ref: Mapped[str | None]
    task_type: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    status: Mapped[str] = mapped_column(server_default="pending")
    priority: Mapped[str] = mapped_column(server_default="normal")
    input: Mapped[Any | None] = mapped_column(JSONB)
    output: Mapped[Any | None] = mapped_column(JSONB)
    error_type: Mapped[str | None]
    error_message: Mapped[str | None]
    traceback: Mapped[str | None]
    error_fingerprint: Mapped[str | None]
    retry_count: Mapped[int] = mapped_column(server_default=ZERO)
    model: Mapped[str | None]
    agent_version: Mapped[str | None]
    environment: Mapped[str | None]
    calls: Mapped[int] = mapped_column(server_default=ZERO)
    input_tokens: Mapped[int] = mapped_column(server_default=ZERO)
    output_tokens: Mapped[int] = mapped_column(server_default=ZERO)
    tokens_used: Mapped[int] = mapped_column(server_default=ZERO)
    cost_usd: Mapped[Decimal] = mapped_column(MONEY, server_default=ZERO)
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    source: Mapped[str] = mapped_column(server_default="api")
    trace_id: Mapped[str | None]
    span_id: Mapped[str | None]
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        CheckConstraint(_STATUS, name="status"),
        CheckConstraint("priority IN ('low', 'normal', 'high', 'critical')", name="priority"),
        CheckConstraint(_SOURCE, name="source"),
        CheckConstraint(_ORDER, name="order"),
        CheckConstraint(
            "retry_count >= 0 AND calls >= 0 AND input_tokens >= 0 AND output_tokens >= 0 AND tokens_used >= 0 "
            "AND cost_usd >= 0",
            name="sums",
        ),
        Index(None, "tenant_id", "agent_id", "id"),
        Index(None, "tenant_id", "trace_id", postgresql_where=text("trace_id IS NOT NULL")),
        Index(None, "tenant_id", "execution_id", postgresql_where=text("execution_id IS NOT NULL")),
        # Nearly all are completed: those are found without an index.
        Index(None, "tenant_id", "status", "id", postgresql_where=text("status <> 'completed'")),
        Index("tasks_running_idx", "tenant_id", "agent_id", "id", postgresql_where=text("status = 'running'")),
        {"postgresql_partition_by": "RANGE (id)"},
    )


class ToolExecution(HotTenantMixin, Base):
    """One call of a tool, MCP included. Partitioned by day of `id`, which carries its start."""

    __tablename__ = "tool_executions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID]
    task_id: Mapped[UUID | None]
    execution_id: Mapped[UUID | None]
    conversation: Mapped[str | None]
    message_id: Mapped[str | None]
    tool_name: Mapped[str]
    tool_type: Mapped[str | None]
    call_id: Mapped[str | None]
    mcp_server: Mapped[str | None]
    mcp_instance: Mapped[str | None]
    status: Mapped[str]
    parameters: Mapped[Any | None] = mapped_column(JSONB)
    result: Mapped[Any | None] = mapped_column(JSONB)
    error_message: Mapped[str | None]
    error_code: Mapped[str | None]
    started_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    source: Mapped[str] = mapped_column(server_default="api")
    trace_id: Mapped[str | None]
    span_id: Mapped[str | None]
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        CheckConstraint("status IN ('running', 'success', 'error', 'timeout')", name="status"),
        CheckConstraint(_SOURCE, name="source"),
        CheckConstraint(_ORDER, name="order"),
        Index(None, "tenant_id", "agent_id", "id"),
        Index(None, "tenant_id", "tool_name", "id"),
        Index(
            "tool_executions_running_idx", "tenant_id", "agent_id", "id", postgresql_where=text("status = 'running'")
        ),
        Index(None, "tenant_id", "trace_id", postgresql_where=text("trace_id IS NOT NULL")),
        Index(None, "tenant_id", "task_id", postgresql_where=text("task_id IS NOT NULL")),
        Index(
            "tool_executions_tenant_id_conversation_id_idx",
            "tenant_id",
            "conversation",
            "id",
            postgresql_where=text("conversation IS NOT NULL"),
        ),
        Index(
            "tool_executions_tenant_id_mcp_server_id_idx",
            "tenant_id",
            "mcp_server",
            "id",
            postgresql_where=text("mcp_server IS NOT NULL"),
        ),
        # Nearly all succeed: those are found without an index.
        Index(None, "tenant_id", "status", "id", postgresql_where=text("status <> 'success'")),
        {"postgresql_partition_by": "RANGE (id)"},
    )


class AgentInteraction(TenantMixin, Base):
    """One agent handing over to another, working with it, reviewing or answering it; at the time in `id`."""

    __tablename__ = "agent_interactions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    execution_id: Mapped[UUID | None]
    task_id: Mapped[UUID | None]
    from_agent_id: Mapped[UUID]
    to_agent_id: Mapped[UUID]
    interaction_type: Mapped[str]
    message: Mapped[str | None]
    payload: Mapped[Any | None] = mapped_column(JSONB)
    at: Mapped[datetime]
    source: Mapped[str] = mapped_column(server_default="api")
    trace_id: Mapped[str | None]
    span_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["workflow_executions.tenant_id", "workflow_executions.id"],
            ondelete="SET NULL (execution_id)",
        ),
        ForeignKeyConstraint(["tenant_id", "from_agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "to_agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        CheckConstraint(
            "interaction_type IN ('handoff', 'collaboration', 'review', 'feedback')", name="interaction_type"
        ),
        CheckConstraint(_SOURCE, name="source"),
        Index(None, "tenant_id", "execution_id"),
        Index(None, "tenant_id", "from_agent_id", "to_agent_id"),
        Index(None, "tenant_id", "to_agent_id"),
        Index(None, "tenant_id", "trace_id"),
    )


class RunName(HotTenantMixin, Base):
    """Callers' own ids of runs: the same id is the same run, whatever its repetition says."""

    __tablename__ = "run_names"
    kind: Mapped[str] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID]
    __table_args__ = (
        CheckConstraint("kind IN ('task', 'execution', 'tool', 'interaction')", name="kind"),
        Index(None, "id"),
    )
