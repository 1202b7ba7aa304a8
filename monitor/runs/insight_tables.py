"""Tables of what runs tell: run_news, error_occurrences, error_groups, traces, scores, deployments."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import MONEY, NOW, ZERO, Base, HotTenantMixin, TenantMixin, Timestamps


class RunNews(HotTenantMixin, Base):
    """What the summary has to look at: a row for each statement that wrote runs of interest, taken by the job.

    `run_ids`: tasks, tools or logs that failed or did before, and tasks of a version that is new; for logs with the
    agent of each. `trace_ids`: traces whose tasks changed, those from `first_id` to `last_id`.
    """

    __tablename__ = "run_news"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    kind: Mapped[str]
    run_ids: Mapped[list[UUID]] = mapped_column(server_default=text("'{}'::uuid[]"))
    agent_ids: Mapped[list[UUID]] = mapped_column(server_default=text("'{}'::uuid[]"))
    trace_ids: Mapped[list[str]] = mapped_column(server_default=text("'{}'::text[]"))
    first_id: Mapped[UUID | None]
    last_id: Mapped[UUID | None]
    __table_args__ = (CheckConstraint("kind IN ('task', 'tool', 'log')", name="kind"),)


class ErrorOccurrence(HotTenantMixin, Base):
    """One thing that failed: `id` is the task's, the tool execution's or the log's. Partitioned by day of `id`.

    A task and the execution that stands for it in the logs are one occurrence: they share the id.
    """

    __tablename__ = "error_occurrences"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    kind: Mapped[str]
    agent_id: Mapped[UUID]
    agent_version: Mapped[str | None]
    task_id: Mapped[UUID | None]
    trace_id: Mapped[str | None]
    error_type: Mapped[str | None]
    message: Mapped[str | None]
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("kind IN ('task', 'tool', 'log')", name="kind"),
        Index(None, "tenant_id", "fingerprint", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )


class ErrorGroup(TenantMixin, Base):
    """All occurrences of one fingerprint, those that retention has taken too. `status` is set by people, but for
    `regressed`: resolved, and seen again after that."""

    __tablename__ = "error_groups"
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    error_type: Mapped[str | None]
    message: Mapped[str | None]
    count: Mapped[int] = mapped_column(server_default=ZERO)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    first_version: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="open")
    status_by: Mapped[str | None]
    status_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("status IN ('open', 'resolved', 'ignored', 'regressed')", name="status"),
        Index(None, "tenant_id", "last_seen_at"),
    )


class Trace(HotTenantMixin, Base):
    """What a trace comes to: the sums of its tasks, for lists and searches. `words`: what is searched in.

    Its tasks have ids from `first_id` to `last_id`: so their partitions are found at once.
    """

    __tablename__ = "traces"
    trace_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    status: Mapped[str]
    agent_ids: Mapped[list[UUID]]
    models: Mapped[list[str]]
    conversation: Mapped[str | None]
    tasks: Mapped[int]
    failed_tasks: Mapped[int]
    tokens: Mapped[int]
    cost_usd: Mapped[Decimal] = mapped_column(MONEY)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    duration_ms: Mapped[int | None]
    words: Mapped[str]
    first_id: Mapped[UUID]
    last_id: Mapped[UUID]
    __table_args__ = (
        CheckConstraint("status IN ('running', 'completed', 'failed')", name="status"),
        Index(None, "tenant_id", "started_at", "trace_id"),
        Index(None, "started_at"),
    )


class Score(HotTenantMixin, Base):
    """One judgement of a run: an evaluation by a program or model, or somebody's feedback. Partitioned by day of `id`,
    which carries its time."""

    __tablename__ = "scores"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str]
    name: Mapped[str]
    value: Mapped[float | None]
    label: Mapped[str | None]
    comment: Mapped[str | None]
    agent_id: Mapped[UUID]
    task_id: Mapped[UUID | None]
    trace_id: Mapped[str | None]
    span_id: Mapped[str | None]
    conversation: Mapped[str | None]
    given_by: Mapped[str | None]
    at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        CheckConstraint("source IN ('evaluation', 'feedback')", name="source"),
        CheckConstraint("value IS NOT NULL OR label IS NOT NULL OR comment IS NOT NULL", name="said"),
        Index(None, "tenant_id", "agent_id", "id"),
        Index(None, "tenant_id", "trace_id", postgresql_where=text("trace_id IS NOT NULL")),
        Index(None, "tenant_id", "task_id", postgresql_where=text("task_id IS NOT NULL")),
        {"postgresql_partition_by": "RANGE (id)"},
    )


class Deployment(TenantMixin, Timestamps, Base):
    """A version that went out at `at`: told by somebody, or `seen`, the first time that a task says it.

    Without an agent it is everybody's. `environment` is empty where nobody said it.
    """

    __tablename__ = "deployments"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID | None]
    version: Mapped[str]
    environment: Mapped[str] = mapped_column(server_default=text("''"))
    source: Mapped[str]
    description: Mapped[str | None]
    url: Mapped[str | None]
    created_by: Mapped[str | None]
    at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        CheckConstraint("source IN ('told', 'seen')", name="source"),
        Index(None, "tenant_id", "at", "id"),
        Index(None, "tenant_id", "agent_id", "version", "environment"),
        Index(
            "deployments_seen_key", "tenant_id", "agent_id", "version", "environment",
            unique=True, postgresql_where=text("source = 'seen'"),
        ),
    )  # fmt: skip
