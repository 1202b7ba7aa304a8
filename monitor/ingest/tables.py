"""Table of requests that may be repeated: the same Idempotency-Key gets the same answer for 24 hours."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import NOW, Base, HotTenantMixin, Json


class IdempotencyKey(HotTenantMixin, Base):
    """One answered request, written in the transaction that kept its rows."""

    __tablename__ = "idempotency_keys"
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[Json]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (Index(None, "created_at"),)
