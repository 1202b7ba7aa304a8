"""Table of requests of people about their data."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_OBJECT, Base, Json, TenantMixin, Timestamps


class DataRequest(TenantMixin, Timestamps, Base):
    """Data of a person, handed out or erased: how far that is, in how many rows. The platform's: in every tenant."""

    __tablename__ = "data_requests"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    user_id: Mapped[UUID | None]
    also: Mapped[list[str]] = mapped_column(server_default=text("'{}'::text[]"))
    status: Mapped[str] = mapped_column(server_default="pending")
    requested_by: Mapped[str]
    progress: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    report: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    error: Mapped[str | None]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="SET NULL"),
        CheckConstraint("kind IN ('export', 'erasure')", name="kind"),
        CheckConstraint("status IN ('pending', 'running', 'done', 'failed')", name="status"),
        Index(None, "user_id"),
        Index(
            "data_requests_open_key",
            "tenant_id",
            "user_id",
            unique=True,
            postgresql_where=text("kind = 'erasure' AND status IN ('pending', 'running')"),
        ),
    )
