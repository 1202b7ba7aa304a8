"""How far each import is, and what it could not bring."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_OBJECT, ZERO, Base, Json, TenantMixin, Timestamps


class Import(TenantMixin, Timestamps, Base):
    """How far one table of another platform's database is brought here. `source` tells databases apart.

    `reached`: the key of the last row, as texts. `notes`: what was left out or stored otherwise: why, how often, and
    the keys of the first rows.
    """

    __tablename__ = "imports"
    source: Mapped[str] = mapped_column(primary_key=True)
    source_table: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[str]
    reached: Mapped[list[Any] | None] = mapped_column(JSONB)
    rows_read: Mapped[int] = mapped_column(server_default=ZERO)
    rows_kept: Mapped[int] = mapped_column(server_default=ZERO)
    notes: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    completed_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("document IN ('000', '001', '002', '003', '004')", name="document"),
        CheckConstraint("rows_read >= rows_kept AND rows_kept >= 0", name="rows"),
    )
