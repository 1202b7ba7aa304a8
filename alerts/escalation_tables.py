"""Table of escalation policies: escalations."""

from typing import Any
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import Base, TenantMixin, Timestamps


class EscalationRow(TenantMixin, Timestamps, Base):
    """Steps that rules name: `[{"after": "15m", "channels": {…}}, …]`, as a rule spells them."""

    __tablename__ = "escalations"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    steps: Mapped[list[Any]] = mapped_column(JSONB)
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)
