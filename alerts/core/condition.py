"""What a rule reads and against what: frozen leaves and their `all`, `any` and `not`. Parsed in parse.py."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

from alerts.core.labels import Labels
from alerts.core.vocabulary import NoData

DEFAULT_WINDOW = timedelta(minutes=5)
DEFAULT_RATE_WINDOW = timedelta(minutes=15)
DEFAULT_GRACE = timedelta(minutes=10)


class ConditionError(ValueError):
    """A rule that cannot be: `path` is where the fault is (`conditions.all[1].window`), `message` what."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class ExecutionStatus(StrEnum):
    """How an execution ended."""

    ERROR = "error"
    WARNING = "warning"
    SUCCESS = "success"


class LogLevel(StrEnum):
    """Level of a log line; the order of the members is the order of urgency."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class Reducer(StrEnum):
    """How the points of a window become one value. Percentiles are nearest-rank (inverted CDF)."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    LAST = "last"
    RATE = "rate"
    INCREASE = "increase"
    P50 = "p50"
    P90 = "p90"
    P95 = "p95"
    P99 = "p99"
    STDDEV = "stddev"


class Op(StrEnum):
    """How a value is compared with the threshold; true means breached."""

    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    EQ = "=="
    NE = "!="

    def holds(self, value: float, bound: float) -> bool:
        """Whether `value <op> bound` is true."""
        match self:
            case Op.GT:
                return value > bound
            case Op.GE:
                return value >= bound
            case Op.LT:
                return value < bound
            case Op.LE:
                return value <= bound
            case Op.EQ:
                return value == bound
            case Op.NE:
                return value != bound


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


WindowLeaf: TypeAlias = MetricLeaf | RateLeaf | LogLeaf
Leaf: TypeAlias = StatusLeaf | HeartbeatLeaf | ScheduleLeaf | WindowLeaf
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
