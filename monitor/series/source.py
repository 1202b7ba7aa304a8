"""Where history is read from: what `gather` needs of a store, and PostgreSQL's way of it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from monitor.series import stored
from monitor.series.columns import Cursor, Int, runs
from monitor.series.stored import DAY_US, HOUR_US, MINUTE_US, Span, Spans, Which, Who
from monitor.series.summaries import Points, Summaries

_HOUR_BITS = 22  # hours since the epoch fit until the year 2448
_TABLES = {HOUR_US: "rollups_hour", DAY_US: "rollups_day"}


class Fresh(NamedTuple):
    """What the rollups of a span may lack: points that were read already, and the hours, as `hour_keys`, that are
    to be read from single points."""

    points: Points
    dirty: Int


class Source(Protocol):
    """Some series' history. `who` are all of them; rows in answers are rows of it."""

    @property
    def who(self) -> Who:
        """The series."""
        ...

    async def fresh(self, span: Span) -> Fresh:
        """Asked first: what is rolled up after that may come twice, but nothing is missed."""
        ...

    async def points(self, which: Which) -> Points:
        """Single points other than the fresh ones; there may be more of them than was asked for."""
        ...

    async def rollups(self, width: int, which: Which, *, scalars: Sequence[str], histograms: bool) -> Summaries:
        """Minutes, hours or days by their width, with these columns (see stored.SCALARS); the others say nothing.

        `which` speaks of whole hours where the width is a minute.
        """
        ...


def hour_keys(series: Int, at: Int) -> Int:
    """One number for a series' row and the hour of a time."""
    return (series << _HOUR_BITS) | at // HOUR_US


def rows_and_hours(keys: Int) -> tuple[Int, Int]:
    """Rows and hours, in microseconds, of such numbers."""
    return keys >> _HOUR_BITS, (keys & ((1 << _HOUR_BITS) - 1)) * HOUR_US


class PostgresSource:
    """Within one transaction: samples of open hours, chunks and rollups of closed ones. An hour with samples still in
    it is dirty."""

    def __init__(self, cur: Cursor, who: Who) -> None:
        """Which rows may be seen is the connection's business."""
        self._cur = cur
        self.who = who

    async def fresh(self, span: Span) -> Fresh:
        """Samples."""
        found = Points.join([await stored.samples(self._cur, self.who, span)])
        keys = hour_keys(found.series, found.at)
        return Fresh(found, keys[runs(keys)])

    async def points(self, which: Which) -> Points:
        """Chunks, which are whole hours."""
        if isinstance(which, Spans):
            which = Spans([(low // HOUR_US * HOUR_US, high) for low, high in which.spans])
            if len(self.who.ids) >= stored.MANY and not await stored.any_chunks(self._cur, which):
                return Points.join([])
        return await stored.chunks(self._cur, self.who, which)

    async def rollups(self, width: int, which: Which, *, scalars: Sequence[str], histograms: bool) -> Summaries:
        """One statement."""
        if width == MINUTE_US:
            return await stored.minutes(self._cur, self.who, which)
        return await stored.rollups(self._cur, _TABLES[width], self.who, which, scalars=scalars, histograms=histograms)
