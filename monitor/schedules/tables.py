"""Table of scheduled runs: scheduled_runs."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import Base, TenantMixin


class RunStatus(StrEnum):
    """What became of a run that was due.

    `expected`: the agent has no webhook and runs by itself; its executions say whether it did. `missed`: it was due
    while nobody was there to call, and a newer one was too. `skipped`: the agent was not to be called any more.
    """

    EXPECTED = "expected"
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MISSED = "missed"
    SKIPPED = "skipped"


class ScheduledRun(TenantMixin, Base):
    """One time at which an agent was due, and the queue of those to be called.

    `next_attempt_at` is null when nothing is left to be done: neither a call nor the log of one that is finished.
    """

    __tablename__ = "scheduled_runs"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID]
    due_at: Mapped[datetime]
    status: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    claimed_until: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    http_status: Mapped[int | None]
    error: Mapped[str | None]
    log_id: Mapped[UUID | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "agent_id", "due_at"),
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        CheckConstraint(
            "status IN ('expected', 'pending', 'running', 'succeeded', 'failed', 'missed', 'skipped')", name="status"
        ),
        Index(None, "next_attempt_at", postgresql_where=text("next_attempt_at IS NOT NULL")),
        Index(None, "due_at"),
    )
