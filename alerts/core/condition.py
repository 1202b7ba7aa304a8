"""What a rule reads and against what: frozen leaves and their `all`, `any` and `not`. Parsed in parse.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from alerts.core.labels import Labels
from alerts.core.terms import (
    AgentState,
    Compared,
    Direction,
    ErrorNews,
    ExecutionStatus,
    LogLevel,
    Op,
    Reducer,
    Side,
    SpendingPeriod,
    SpendingUnit,
)
from alerts.core.vocabulary import NoData

DEFAULT_WINDOW = timedelta(minutes=5)
DEFAULT_RATE_WINDOW = timedelta(minutes=15)
DEFAULT_GRACE = timedelta(minutes=10)
DEFAULT_LONG, DEFAULT_SHORT = timedelta(hours=1), timedelta(minutes=5)
DEFAULT_FACTOR = 14.4
"""At which two percent of a month's errors are made in an hour."""
DEFAULT_REPEAT_WINDOW = timedelta(minutes=10)
DEFAULT_BASELINE = timedelta(days=7)
DEFAULT_SIGMA = 4.0
DEFAULT_ERROR_WINDOW = timedelta(hours=1)
DEFAULT_COMPARE_WINDOW = timedelta(days=7)
DEFAULT_SAMPLE = 30

CALL_LABELS = ("model", "provider", "user", "workflow", "environment")
"""What calls of models are told apart by, in the ledger."""


class ConditionError(ValueError):
    """A rule that cannot be: `path` is where the fault is (`conditions.all[1].window`), `message` what."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass(frozen=True, slots=True)
class StatusLeaf:
    """The newest executions, `consecutive_failures` of them in a row, ended with `status`.

    More than one in a row can be asked of errors only: anything else resets the streak.
    """

    status: ExecutionStatus
    consecutive_failures: int = 1


@dataclass(frozen=True, slots=True)
class MetricLeaf:
    """The points of a metric in a window, reduced, against a threshold; one label set per value of `by`.

    `recover` (hysteresis) lies on the healthy side of `threshold`, or is None. `where` are tags that a point
    must have. With fewer points than `min_count` the verdict is UNKNOWN.
    """

    metric: str
    threshold: float
    reduce: Reducer = Reducer.MEAN
    window: timedelta = DEFAULT_WINDOW
    op: Op = Op.GT
    recover: float | None = None
    by: tuple[str, ...] = ()
    where: Labels = ()
    min_count: int = 1
    no_data: NoData = NoData.KEEP


@dataclass(frozen=True, slots=True)
class RateLeaf:
    """The share (0 to 1) of the executions completed in a window that ended with status `rate`."""

    rate: ExecutionStatus
    threshold: float
    window: timedelta = DEFAULT_RATE_WINDOW
    op: Op = Op.GT
    recover: float | None = None
    min_count: int = 1
    no_data: NoData = NoData.KEEP


@dataclass(frozen=True, slots=True)
class HeartbeatLeaf:
    """No heartbeat for longer than `after`; None: for longer than the agent's learned interval allows."""

    after: timedelta | None = None
    no_data: NoData = NoData.KEEP


@dataclass(frozen=True, slots=True)
class ScheduleLeaf:
    """The newest run that was due and is decided did not come within `grace`: a newer one in time ends that."""

    grace: timedelta = DEFAULT_GRACE


@dataclass(frozen=True, slots=True)
class LogLeaf:
    """At least `count` log rows in a window whose message contains a text (case-sensitive).

    `level`: only lines of this level or a more urgent one; None: rows of any kind and level.
    """

    contains: str
    level: LogLevel | None = None
    window: timedelta = DEFAULT_WINDOW
    count: int = 1
    no_data: NoData = NoData.KEEP


@dataclass(frozen=True, slots=True)
class DurationLeaf:
    """A task, or a run that a ping started, has been running for longer than `longer_than`.

    `task_type`: only tasks of this type; None: any of them, and what pings started.
    """

    longer_than: timedelta
    task_type: str | None = None


@dataclass(frozen=True, slots=True)
class BudgetLeaf:
    """Calls of models since the period of `timezone`'s calendar began come to `warn_at` of `limit`, or more.

    Each agent's own, or those of each value of `by`. `where`: values that calls must have. Both speak of CALL_LABELS.
    """

    budget: SpendingUnit
    limit: float
    period: SpendingPeriod = SpendingPeriod.DAY
    warn_at: float = 1.0
    timezone: str = "UTC"
    by: tuple[str, ...] = ()
    where: Labels = ()


@dataclass(frozen=True, slots=True)
class BurnRateLeaf:
    """Executions fail more than `factor` times as often as `objective` allows, over a long and a short window alike.

    `objective` is the share (0 to 1) of executions that may be expected to do well. The long window says that it is
    serious, the short one that it goes on. Source: The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-
    Rate Alerts".
    """

    burn_rate: ExecutionStatus
    objective: float
    long: timedelta = DEFAULT_LONG
    short: timedelta = DEFAULT_SHORT
    factor: float = DEFAULT_FACTOR
    min_count: int = 1
    no_data: NoData = NoData.KEEP

    @property
    def window(self) -> timedelta:
        """The one that has all of the executions."""
        return self.long


@dataclass(frozen=True, slots=True)
class RepeatCallLeaf:
    """One tool was called `times` times or more in a window, with the same arguments.

    Calls whose arguments are not known are never the same. `by` is `("tool",)` for one label set a tool.
    Whoever calls nothing repeats nothing: unless said otherwise an empty window ends it.
    """

    times: int
    window: timedelta = DEFAULT_REPEAT_WINDOW
    by: tuple[str, ...] = ()
    no_data: NoData = NoData.OK


@dataclass(frozen=True, slots=True)
class AnomalyLeaf:
    """A metric is more than `sigma` deviations away from what it was at the same hour of earlier days.

    What was usual is the median of the `baseline`'s windows in that hour (UTC), and a deviation their median absolute
    deviation, scaled so that it is the standard deviation of normally distributed values.
    """

    metric: str
    reduce: Reducer = Reducer.MEAN
    window: timedelta = DEFAULT_WINDOW
    baseline: timedelta = DEFAULT_BASELINE
    sigma: float = DEFAULT_SIGMA
    direction: Direction = Direction.BOTH
    by: tuple[str, ...] = ()
    where: Labels = ()
    min_count: int = 1
    no_data: NoData = NoData.KEEP


@dataclass(frozen=True, slots=True)
class ErrorGroupLeaf:
    """The agent failed in a window with an error that is new, or that was resolved and has come again.

    `since` of a new one: seen no earlier than so long ago; None: never before the agent's version that it happened to.
    What people ignore or resolve is neither.
    """

    error: ErrorNews
    since: timedelta | None = None
    window: timedelta = DEFAULT_ERROR_WINDOW


@dataclass(frozen=True, slots=True)
class CompareLeaf:
    """The newest version or model of an agent does worse than the one before, by more than chance and `threshold`.

    `of` is compared over the finished tasks of a window; `threshold` is a share of tasks (0 to 1) where that is the
    rate of errors, and otherwise how much larger the median is, as a share of the earlier one. Each side has at least
    `min_count` tasks, or the verdict is UNKNOWN. `environment`: only tasks of this one.
    """

    compare: Side
    of: Compared
    threshold: float = 0.0
    window: timedelta = DEFAULT_COMPARE_WINDOW
    min_count: int = DEFAULT_SAMPLE
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class StateLeaf:
    """The agent is in a state in which nobody wants it."""

    state: AgentState


@dataclass(frozen=True, slots=True)
class All:
    """Breached when every child is."""

    children: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Breached when one child is."""

    children: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Breached when the child is OK, and OK when it is breached."""

    child: "Condition"


WindowLeaf: TypeAlias = MetricLeaf | RateLeaf | LogLeaf | BurnRateLeaf | RepeatCallLeaf | AnomalyLeaf
"""Leaves that read what lies in a window: one that is empty says what `no_data` says."""

FactLeaf: TypeAlias = StatusLeaf | ScheduleLeaf | DurationLeaf | BudgetLeaf | ErrorGroupLeaf | CompareLeaf | StateLeaf
"""Leaves that read how something stands, which may be that nothing is known of it."""

Leaf: TypeAlias = HeartbeatLeaf | FactLeaf | WindowLeaf
LabelLeaf: TypeAlias = MetricLeaf | BudgetLeaf | RepeatCallLeaf | AnomalyLeaf
"""Leaves that may have a label set for each value of their `by`."""

Condition: TypeAlias = Leaf | All | Any | Not


def leaves(condition: Condition) -> tuple[Leaf, ...]:
    """The different leaves of a condition, in the order in which they are written."""
    return tuple(dict.fromkeys(_walk(condition)))


def _walk(condition: Condition) -> Iterator[Leaf]:
    match condition:
        case All(children) | Any(children):
            for child in children:
                yield from _walk(child)
        case Not(child):
            yield from _walk(child)
        case _:
            yield condition
