"""Table of the audit trail."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_OBJECT, Base, HotTenantMixin, Json


class AuditLog(HotTenantMixin, Base):
    """One mutation, or an attempt at one. Partitioned by month of `id`; the application may add and read, no more."""

    __tablename__ = "audit_logs"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    actor: Mapped[str]
    user_id: Mapped[UUID | None]
    action: Mapped[str]
    resource_type: Mapped[str]
    resource_id: Mapped[str | None]
    old_values: Mapped[Json | None]
    new_values: Mapped[Json | None]
    ip_address: Mapped[Any | None] = mapped_column(INET)
    user_agent: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="success")
    error_message: Mapped[str | None]
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    __table_args__ = (
        CheckConstraint("status IN ('success', 'failure')", name="status"),
        Index(None, "tenant_id", "user_id", "id", postgresql_where=text("user_id IS NOT NULL")),
        Index(None, "tenant_id", "action", "id"),
        Index(None, "tenant_id", "resource_type", "resource_id", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )
