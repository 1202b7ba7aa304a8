"""The table of maintenance: what was last done to which relation."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import Base


class MaintenanceRun(Base):
    """The last time that a task was done to a table or an index. Nobody's but the owner's."""

    __tablename__ = "maintenance_runs"
    task: Mapped[str] = mapped_column(primary_key=True)
    relation: Mapped[str] = mapped_column(primary_key=True)
    completed_at: Mapped[datetime]
    seconds: Mapped[float]
    bytes_before: Mapped[int]
    bytes_after: Mapped[int]
    __table_args__ = (CheckConstraint("task IN ('vacuum', 'analyze', 'reindex')", name="task"),)
