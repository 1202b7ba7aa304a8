"""Tables of retention: what a tenant wants kept for how long, and what was removed because of it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_OBJECT, NOW, ZERO, Base, Json, TenantMixin, Timestamps


class RetentionPolicy(TenantMixin, Timestamps, Base):
    """How long, or how much, of one kind a tenant keeps."""

    __tablename__ = "retention_policies"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    keep_days: Mapped[int | None] = mapped_column(BigInteger)
    max_bytes: Mapped[int | None] = mapped_column(BigInteger)
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    created_by: Mapped[str]
    __table_args__ = (
        UniqueConstraint("tenant_id", "kind", name="retention_policies_tenant_id_kind_key"),
        CheckConstraint(
            "keep_days > 0 AND max_bytes > 0 AND (keep_days IS NOT NULL OR max_bytes IS NOT NULL)",
            name="retention_policies_bounds_check",
        ),
    )


class RetentionRun(TenantMixin, Base):
    """What one pass removed of one kind of a tenant's."""

    __tablename__ = "retention_runs"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    status: Mapped[str]
    rows_removed: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    before: Mapped[datetime]
    report: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    started_at: Mapped[datetime] = mapped_column(server_default=NOW)
    completed_at: Mapped[datetime | None]
