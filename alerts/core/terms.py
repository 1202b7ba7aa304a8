"""The words that conditions are made of, each one an enumeration."""

from enum import StrEnum


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
    """How the points of a window become one value: in conditions, in queries and in the stores.

    Percentiles are nearest-rank (inverted CDF). `increase` is what a counter rose by, resets counted from zero, or
    the sum of a delta; `rate` is that per second. Neither exists for a gauge.
    """

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


class SpendingUnit(StrEnum):
    """What is counted of calls of models."""

    TOKENS = "tokens"
    COST_USD = "cost_usd"


class SpendingPeriod(StrEnum):
    """How long spending is added up before it begins anew, by the calendar. Weeks begin on Monday."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Direction(StrEnum):
    """On which side of the usual a value is worth telling."""

    ABOVE = "above"
    BELOW = "below"
    BOTH = "both"


class ErrorNews(StrEnum):
    """What is worth telling of a group of errors. Regressed: people said that it is resolved, and it came again."""

    NEW = "new"
    REGRESSED = "regressed"


class Side(StrEnum):
    """By what the tasks of an agent are told apart when one lot is compared with the other."""

    VERSION = "version"
    MODEL = "model"


class Compared(StrEnum):
    """What is compared: the share of tasks that fail, or a value of each task."""

    ERROR_RATE = "error_rate"
    DURATION = "duration_ms"
    TOKENS = "tokens"
    COST = "cost_usd"


class AgentState(StrEnum):
    """States of an agent that a rule can wait for."""

    BLOCKED = "blocked"
    STALLED = "stalled"
    DEAD = "dead"
