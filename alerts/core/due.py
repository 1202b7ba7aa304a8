"""What a condition reads, and when its verdict can change without new data."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import IntFlag
from functools import lru_cache

from alerts.core.condition import (
    All,
    AnomalyLeaf,
    Any,
    BudgetLeaf,
    BurnRateLeaf,
    CompareLeaf,
    Condition,
    DurationLeaf,
    ErrorGroupLeaf,
    HeartbeatLeaf,
    Leaf,
    LogLeaf,
    MetricLeaf,
    Not,
    RateLeaf,
    RepeatCallLeaf,
    ScheduleLeaf,
    StateLeaf,
    StatusLeaf,
    WindowLeaf,
)
from alerts.core.judge import heartbeat_limit
from alerts.core.reading import Reading, Readings
from alerts.core.state import AlertState
from alerts.core.terms import Op, Reducer, SpendingPeriod
from alerts.core.vocabulary import NoData, Phase

_READS_A_WINDOW = 30
_TICK = timedelta(microseconds=1)
_LOOKS_AGAIN = timedelta(minutes=5)


class Touched(IntFlag):
    """What new data an agent has sent: the bits of `touched.kinds`."""

    EXECUTION = 1
    LINE = 2
    METRIC = 4
    HEARTBEAT = 8
    AGENT = 16
    RUN = 32
    SPENDING = 64
    ERROR = 128
    SERIES = 256


def is_sifted(condition: Condition) -> bool:
    """Whether targets are judged in columns: one reading against a threshold, where nothing read says nothing."""
    return isinstance(condition, MetricLeaf) and not condition.by and condition.no_data is not NoData.ALERT


@lru_cache(maxsize=10_000)
def kinds_read(condition: Condition) -> Touched:
    """The kinds of new data that can change the verdict on a condition."""
    kinds = Touched(0)
    for leaf, negated in _signed(condition, negated=False):
        kinds |= _kinds_of(leaf, negated=negated)
    return kinds


def _kinds_of(leaf: Leaf, *, negated: bool) -> Touched:
    match leaf:
        case StatusLeaf() | RateLeaf() | BurnRateLeaf():
            return Touched.EXECUTION
        case LogLeaf():
            return Touched.EXECUTION | Touched.LINE
        case MetricLeaf() | AnomalyLeaf():
            return Touched.METRIC
        case HeartbeatLeaf():
            return Touched.HEARTBEAT
        case ScheduleLeaf():
            # AGENT: a schedule may have been set, changed or taken away.
            return Touched.EXECUTION | Touched.AGENT
        case DurationLeaf():
            # LINE: so a ping tells that a run starts.
            return Touched.RUN | Touched.LINE
        case RepeatCallLeaf():
            return Touched.RUN
        case BudgetLeaf(period=SpendingPeriod.HOUR | SpendingPeriod.DAY):
            return Touched.SPENDING
        case ErrorGroupLeaf():
            return Touched.ERROR
        case CompareLeaf() | BudgetLeaf():
            # Thousands of tasks or hours are looked at, and one more hardly changes what they come to: by the clock
            # only, but for the budgets of an hour or a day.
            return Touched(0)
        case StateLeaf():
            # Signs of life only put off what silence begins, and what fires is judged at every tick. AGENT: its
            # patience may have been changed.
            begins = Touched.HEARTBEAT | Touched.AGENT | Touched.RUN
            return begins | Touched.EXECUTION | Touched.LINE | Touched.METRIC if negated else begins


def next_due(
    condition: Condition,
    states: Iterable[AlertState],
    readings: Readings,
    *,
    now: datetime,
    interval: timedelta,
    since: datetime,
) -> datetime | None:
    """When to judge again if nothing new arrives: the first time at which the verdict can change by itself.

    `states` are those of all label sets after the step at `now`, `readings` what was read at `now`,
    `interval` the distance of two ticks. `since` is the later of the rule's and the agent's creation. None:
    never.
    """
    candidates: list[datetime] = []
    for state in states:
        if state.phase is not Phase.INACTIVE:
            return now + interval
        if state.latched_until is not None:
            candidates.append(max(state.latched_until, now + interval))
    for leaf, negated in _signed(condition, negated=False):
        sets = readings.get(leaf)
        if sets is None:
            return now + interval
        for reading in sets.values() or (Reading(),):
            candidates += _changes(leaf, reading, negated=negated, now=now, interval=interval, since=since)
    return min((at for at in candidates if at > now), default=None)


def _signed(condition: Condition, *, negated: bool) -> Iterator[tuple[Leaf, bool]]:
    """Every leaf, and whether it stands under an odd number of `not`."""
    match condition:
        case All(children) | Any(children):
            for child in children:
                yield from _signed(child, negated=negated)
        case Not(child):
            yield from _signed(child, negated=not negated)
        case _:
            yield condition, negated


def _changes(
    leaf: Leaf, reading: Reading, *, negated: bool, now: datetime, interval: timedelta, since: datetime
) -> Iterator[datetime]:
    """The times at which a leaf's verdict can change by itself; those that are past have had their effect."""
    match leaf:
        case StatusLeaf():
            return
        case HeartbeatLeaf():
            limit = heartbeat_limit(leaf, reading)
            if reading.last_at is not None and limit is not None:
                # Missed is *more* than the limit, so the limit itself would be a tick too early.
                yield reading.last_at + limit + _TICK
            elif leaf.no_data is NoData.ALERT and leaf.after is not None:
                yield since + leaf.after
        case CompareLeaf() | BudgetLeaf(period=SpendingPeriod.WEEK | SpendingPeriod.MONTH):
            yield now + max(_LOOKS_AGAIN, interval)
        case ErrorGroupLeaf(window=window):
            # What happened leaves the window: an end only, unless that is what is waited for.
            if reading.last_at is not None and negated:
                yield max(reading.last_at + window + _TICK, now + interval)
        case ScheduleLeaf() | DurationLeaf() | BudgetLeaf() | StateLeaf():
            if reading.changes_at is not None:
                # Past: what is to happen then has not been noticed yet.
                yield reading.changes_at if reading.changes_at > now else now + interval
        case _ if reading.count == 0:
            if leaf.no_data is NoData.ALERT:
                yield since + leaf.window
        case _:
            yield from _leaving(leaf, reading, negated=negated, now=now, interval=interval)


def _leaving(
    leaf: WindowLeaf, reading: Reading, *, negated: bool, now: datetime, interval: timedelta
) -> Iterator[datetime]:
    """When points leave a window that has some: soon one of them, and at the latest the last one."""
    soon = now + looks_again(leaf.short if isinstance(leaf, BurnRateLeaf) else leaf.window, interval)
    # A point exactly at the edge is still inside for a store that counts both edges.
    empty_at = soon if reading.last_at is None else reading.last_at + leaf.window + _TICK
    empty_at = empty_at if empty_at > now else soon
    if negated or leaf.no_data is NoData.ALERT:
        yield empty_at
    if negated or not only_falls(leaf):
        yield min(soon, empty_at)


def looks_again(window: timedelta, interval: timedelta) -> timedelta:
    """How long a window that has points may go unread while no new ones come."""
    return max(window / _READS_A_WINDOW, interval)


def only_falls(leaf: WindowLeaf) -> bool:
    """Whether points that leave the window can end a breach but never begin one."""
    match leaf:
        case LogLeaf() | RepeatCallLeaf():
            return True
        case MetricLeaf(reduce=Reducer.LAST):
            return True
        case MetricLeaf(reduce=Reducer.COUNT | Reducer.MAX, op=Op.GT | Op.GE):
            return True
        case MetricLeaf(reduce=Reducer.MIN, op=Op.LT | Op.LE):
            return True
        case _:
            return False
