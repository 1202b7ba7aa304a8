"""Tables of what withholds messages: silences and inhibition rules."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_LIST, Base, TenantMixin, Timestamps


class Silence(TenantMixin, Timestamps, Base):
    """Withholds messages of the alerts that its matchers match, from `starts_at` up to `ends_at`; kept when it ends."""

    __tablename__ = "silences"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    matchers: Mapped[list[Any]] = mapped_column(JSONB)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    comment: Mapped[str]
    created_by: Mapped[str]
    expired_by: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("starts_at <= ends_at", name="period"),
        Index(None, "tenant_id", "ends_at"),
    )


class Inhibition(TenantMixin, Timestamps, Base):
    """While an alert that matches `source` is open, those that match `target`, with the same `equal`, are not told."""

    __tablename__ = "inhibitions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    source: Mapped[list[Any]] = mapped_column(JSONB)
    target: Mapped[list[Any]] = mapped_column(JSONB)
    equal: Mapped[list[Any]] = mapped_column(JSONB, server_default=EMPTY_LIST)
    created_by: Mapped[str]
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)
