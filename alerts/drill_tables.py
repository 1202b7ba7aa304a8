"""Table of drills: synthetic alerts through real channels, and how long they took."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import NOW, Base, TenantMixin


class Drill(TenantMixin, Base):
    """One channel in one drill. `delivered_at` null: it has not arrived; `late_at`: when that was reported."""

    __tablename__ = "drills"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    group_id: Mapped[UUID]
    channel: Mapped[str]
    target: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=NOW)
    delivered_at: Mapped[datetime | None]
    late_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "tenant_id", "started_at"),)
