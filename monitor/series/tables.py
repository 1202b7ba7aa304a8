"""Tables of history: series and exemplars on every store; samples, chunks and rollups where PostgreSQL is the store;
where InfluxDB is, points that wait for it and what of it must be rolled up."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_OBJECT, NOW, Base, HotTenantMixin, Json, TenantMixin

_INT2 = ARRAY(SmallInteger)
_INT4 = ARRAY(Integer)
_FLOAT8 = ARRAY(DOUBLE_PRECISION)
_TIMES = ARRAY(TIMESTAMP(timezone=True))


class Series(TenantMixin, Base):
    """All values with the same agent, metric and tags. `kind` and `unit` are fixed by the first point."""

    __tablename__ = "series"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    agent_id: Mapped[UUID]
    metric: Mapped[str]
    tags: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    tags_hash: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str] = mapped_column(server_default="gauge")
    unit: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (
        UniqueConstraint("tenant_id", "agent_id", "metric", "tags_hash"),
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        CheckConstraint("kind IN ('gauge', 'counter', 'delta')", name="kind"),
        Index(None, "tenant_id", "metric"),
        {"info": {"note": "ids are unique across tenants, so that one read can serve all of them"}},
    )


class Sample(HotTenantMixin, Base):
    """A raw point of an open hour, or one that came late. Closed hours move to sample_chunks: a row here that is
    older than the open hour is work for compaction. Partitioned by day of `at`."""

    __tablename__ = "samples"
    series_id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    value: Mapped[float]
    __table_args__ = (
        Index(
            "samples_at_idx",
            "at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
        ),
        {"postgresql_partition_by": "RANGE (at)"},
    )


class SampleChunk(HotTenantMixin, Base):
    """All points of one series in one closed hour, in order. Partitioned by day of `hour`.

    `t` is microseconds from the middle of the hour, so that it fits 32 bits.
    """

    __tablename__ = "sample_chunks"
    series_id: Mapped[int] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    t: Mapped[list[int]] = mapped_column(_INT4)
    v: Mapped[list[float]] = mapped_column(_FLOAT8)
    __table_args__ = (
        Index("sample_chunks_hour_idx", "hour", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
        {"postgresql_partition_by": "RANGE (hour)"},
    )


class RollupMinute(HotTenantMixin, Base):
    """The minutes of one series in one closed hour, folded into arrays. Partitioned by day of `hour`.

    `minute` is 0..59. Where every minute has one point, `count`, `min` and `max` are null: the counts are 1 and the
    others equal `sum`.
    """

    __tablename__ = "rollups_minute"
    series_id: Mapped[int] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    minute: Mapped[list[int]] = mapped_column(_INT2)
    sum: Mapped[list[float]] = mapped_column(_FLOAT8)
    count: Mapped[list[int] | None] = mapped_column(_INT4)
    min: Mapped[list[float] | None] = mapped_column(_FLOAT8)
    max: Mapped[list[float] | None] = mapped_column(_FLOAT8)
    __table_args__ = ({"postgresql_partition_by": "RANGE (hour)"},)


class _Rollup(HotTenantMixin):
    """One span of one series: moments, ends, what a counter rose by, and a logarithmic histogram.

    `sum_sq` is the sum of squares about the mean (a sum of plain squares loses all digits where the mean is large).
    `first` and `increase` are null unless the series is a counter. `histogram` is bytes and not arrays because it is
    a third of the size, and reading 30 days of 200 agents is four times as fast; see monitor/series/histogram.py.
    """

    series_id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    count: Mapped[int]
    sum: Mapped[float]
    sum_sq: Mapped[float]
    min: Mapped[float]
    max: Mapped[float]
    first: Mapped[float | None]
    last: Mapped[float]
    last_at: Mapped[datetime]
    increase: Mapped[float | None]
    histogram: Mapped[bytes] = mapped_column(LargeBinary)


class RollupHour(_Rollup, Base):
    """Closed hours. Partitioned by month of `at`."""

    __tablename__ = "rollups_hour"
    __table_args__ = ({"postgresql_partition_by": "RANGE (at)"},)


class RollupDay(_Rollup, Base):
    """Days, recomputed from their hours. Partitioned by year of `at`."""

    __tablename__ = "rollups_day"
    __table_args__ = ({"postgresql_partition_by": "RANGE (at)"},)


class ExemplarRow(HotTenantMixin, Base):
    """A single measurement of a metric and the trace that it was made in. Partitioned by day of `id`, which carries
    its time and is made of what it says."""

    __tablename__ = "exemplars"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID]
    metric: Mapped[str]
    tags: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    value: Mapped[float]
    trace_id: Mapped[str]
    span_id: Mapped[str | None]
    attributes: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    __table_args__ = (
        Index(None, "tenant_id", "metric", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )


class Spool(HotTenantMixin, Base):
    """Points that were taken in while InfluxDB could not take them: one transaction's, in columns of one length.

    They go there in order of `id`. A tenant's rows here are older than whatever it sends next: until the last one is
    gone, new points queue behind them.
    """

    __tablename__ = "spool"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    points: Mapped[int]
    series_ids: Mapped[list[int]]
    at: Mapped[list[datetime]] = mapped_column(_TIMES)
    values: Mapped[list[float]] = mapped_column(_FLOAT8)
    __table_args__ = (Index(None, "id"),)


class RollupDirty(HotTenantMixin, Base):
    """An hour of a series to which points in InfluxDB were added when it was over: its rollups may lack them.

    `marks` counts how often: what has been rolled up is taken off the list only if nothing came meanwhile.
    """

    __tablename__ = "rollup_dirty"
    series_id: Mapped[int] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    marks: Mapped[int] = mapped_column(server_default=text("1"))


class RollupProgress(Base):
    """How far the points in InfluxDB are rolled up: everything before `until`, but for what is dirty. No tenant's.

    `level`: `hour` stands for minutes too, which are written with their hour; `day`.
    """

    __tablename__ = "rollup_progress"
    level: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]
    __table_args__ = (CheckConstraint("level IN ('hour', 'day')", name="level"),)


class SeriesCopy(HotTenantMixin, Base):
    """A day of a tenant that `agent-monitor series copy` has copied: an interrupted copy goes on behind it.

    Taken away when the copy is complete. `source`: the store that is copied from.
    """

    __tablename__ = "series_copies"
    source: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[datetime] = mapped_column(primary_key=True)
