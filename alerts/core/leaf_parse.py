"""Leaves from JSON: one function for each key that says which leaf it is."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from alerts.core import leaf_work
from alerts.core.condition import (
    DEFAULT_BASELINE,
    DEFAULT_FACTOR,
    DEFAULT_GRACE,
    DEFAULT_LONG,
    DEFAULT_RATE_WINDOW,
    DEFAULT_SHORT,
    DEFAULT_SIGMA,
    DEFAULT_WINDOW,
    AnomalyLeaf,
    BurnRateLeaf,
    HeartbeatLeaf,
    Leaf,
    LogLeaf,
    MetricLeaf,
    RateLeaf,
    ScheduleLeaf,
    StatusLeaf,
)
from alerts.core.fields import Fields
from alerts.core.terms import (
    Direction,
    ExecutionStatus,
    LogLevel,
    Op,
    Reducer,
)
from alerts.core.unusual import VALUES_NEEDED, values_of
from alerts.core.vocabulary import NoData

RESERVED_TAGS = ("tenant", "agent")
COUNT_AT_MOST = 1_000_000

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


def _status(fields: Fields) -> Leaf:
    fields.allow(("status", "consecutive_failures"))
    status = fields.choice("status", ExecutionStatus)
    failures = fields.whole("consecutive_failures", default=1, at_most=COUNT_AT_MOST)
    if failures > 1 and status is not ExecutionStatus.ERROR:
        raise fields.fault("consecutive_failures", "counts errors: only status error can have it above 1")
    return StatusLeaf(status, failures)


def _metric(fields: Fields) -> Leaf:
    fields.allow(("metric", "reduce", "window", "op", "threshold", "recover", "by", "where", "min_count", "no_data"))
    metric = fields.text("metric", at_most=200)
    op, threshold, recover = _comparison(fields)
    return MetricLeaf(
        metric=metric,
        reduce=fields.choice("reduce", Reducer, Reducer.MEAN),
        window=fields.duration("window", DEFAULT_WINDOW),
        op=op,
        threshold=threshold,
        recover=recover,
        by=fields.names("by", reserved=RESERVED_TAGS),
        where=fields.pairs("where", reserved=RESERVED_TAGS),
        min_count=fields.whole("min_count", default=1, at_most=COUNT_AT_MOST),
        no_data=fields.choice("no_data", NoData, NoData.KEEP),
    )


def _rate(fields: Fields) -> Leaf:
    fields.allow(("rate", "window", "op", "threshold", "recover", "min_count", "no_data"))
    rate = fields.choice("rate", ExecutionStatus)
    op, threshold, recover = _comparison(fields)
    for name, value in (("threshold", threshold), ("recover", recover)):
        if value is not None and not 0 <= value <= 1:
            raise fields.fault(name, "is a share: it must be from 0 to 1")
    return RateLeaf(
        rate=rate,
        window=fields.duration("window", DEFAULT_RATE_WINDOW),
        op=op,
        threshold=threshold,
        recover=recover,
        min_count=fields.whole("min_count", default=1, at_most=COUNT_AT_MOST),
        no_data=fields.choice("no_data", NoData, NoData.KEEP),
    )


def _heartbeat(fields: Fields) -> Leaf:
    fields.allow(("heartbeat", "after", "no_data"))
    if fields.raw["heartbeat"] != "missed":
        raise fields.fault("heartbeat", 'must be "missed"')
    after = fields.maybe_duration("after")
    no_data = fields.choice("no_data", NoData, NoData.KEEP)
    if no_data is NoData.ALERT and after is None:
        raise fields.fault("no_data", "alert needs `after`: nothing is learned before the first heartbeat")
    return HeartbeatLeaf(after, no_data)


def _schedule(fields: Fields) -> Leaf:
    fields.allow(("schedule", "grace"))
    if fields.raw["schedule"] != "missed":
        raise fields.fault("schedule", 'must be "missed"')
    return ScheduleLeaf(fields.duration("grace", DEFAULT_GRACE))


def _log(fields: Fields) -> Leaf:
    fields.allow(("log", "window", "count", "no_data"))
    match = Fields(fields.require("log"), fields.at("log"))
    match.allow(("contains", "level"))
    return LogLeaf(
        contains=match.text("contains", at_most=1000),
        level=match.choice("level", LogLevel) if match.has("level") else None,
        window=fields.duration("window", DEFAULT_WINDOW),
        count=fields.whole("count", default=1, at_most=COUNT_AT_MOST),
        no_data=fields.choice("no_data", NoData, NoData.KEEP),
    )


def _burn_rate(fields: Fields) -> Leaf:
    fields.allow(("burn_rate", "objective", "long", "short", "factor", "min_count", "no_data"))
    leaf = BurnRateLeaf(
        burn_rate=fields.choice("burn_rate", ExecutionStatus),
        objective=fields.positive("objective"),
        long=fields.duration("long", DEFAULT_LONG),
        short=fields.duration("short", DEFAULT_SHORT),
        factor=fields.positive("factor", default=DEFAULT_FACTOR),
        min_count=fields.whole("min_count", default=1, at_most=COUNT_AT_MOST),
        no_data=fields.choice("no_data", NoData, NoData.KEEP),
    )
    if leaf.burn_rate is ExecutionStatus.SUCCESS:
        raise fields.fault("burn_rate", "must be error or warning: success burns nothing")
    if leaf.objective >= 1:
        raise fields.fault("objective", "must be below 1: an objective of everything leaves nothing to burn")
    if leaf.short >= leaf.long:
        raise fields.fault("short", "must be shorter than long")
    # All of the executions failing burns 1 / (1 - objective) times as fast as allowed.
    if leaf.factor * (1 - leaf.objective) >= 1:
        raise fields.fault("factor", "can never be reached: not even if every execution failed")
    return leaf


def _anomaly(fields: Fields) -> Leaf:
    fields.allow(
        ("anomaly", "reduce", "window", "baseline", "sigma", "direction", "by", "where", "min_count", "no_data")
    )
    leaf = AnomalyLeaf(
        metric=fields.text("anomaly", at_most=200),
        reduce=fields.choice("reduce", Reducer, Reducer.MEAN),
        window=fields.duration("window", DEFAULT_WINDOW),
        baseline=fields.duration("baseline", DEFAULT_BASELINE, at_least=3 * _DAY),
        sigma=fields.positive("sigma", default=DEFAULT_SIGMA, at_most=1000.0),
        direction=fields.choice("direction", Direction, Direction.BOTH),
        by=fields.names("by", reserved=RESERVED_TAGS),
        where=fields.pairs("where", reserved=RESERVED_TAGS),
        min_count=fields.whole("min_count", default=1, at_most=COUNT_AT_MOST),
        no_data=fields.choice("no_data", NoData, NoData.KEEP),
    )
    if _HOUR % leaf.window:
        raise fields.fault("window", "must divide an hour: 1m, 5m, 10m, 15m, 20m, 30m or 1h")
    if leaf.baseline % _DAY:
        raise fields.fault("baseline", "must be whole days")
    if values_of(leaf) < VALUES_NEEDED:
        raise fields.fault("baseline", f"has {values_of(leaf)} windows to compare with; at least {VALUES_NEEDED} it is")
    return leaf


def _comparison(fields: Fields) -> tuple[Op, float, float | None]:
    op = fields.choice("op", Op, Op.GT)
    threshold = fields.number("threshold")
    recover = fields.maybe_number("recover")
    if recover is None:
        return op, threshold, None
    match op:
        case Op.GT | Op.GE if recover > threshold:
            raise fields.fault("recover", f"must not be above the threshold when op is {op}")
        case Op.LT | Op.LE if recover < threshold:
            raise fields.fault("recover", f"must not be below the threshold when op is {op}")
        case Op.EQ | Op.NE:
            raise fields.fault("recover", f"has no meaning when op is {op}")
        case _:
            return op, threshold, recover


LEAVES: Final[dict[str, Callable[[Fields], Leaf]]] = {
    "status": _status,
    "metric": _metric,
    "rate": _rate,
    "heartbeat": _heartbeat,
    "schedule": _schedule,
    "log": _log,
    "duration": leaf_work.duration,
    "budget": leaf_work.budget,
    "burn_rate": _burn_rate,
    "repeat_call": leaf_work.repeat_call,
    "anomaly": _anomaly,
    "error": leaf_work.error,
    "compare": leaf_work.compare,
    "state": leaf_work.state,
}
"""How a leaf is read, by the key that says which one it is."""

BESIDE: Final = {"compare": ("metric", "rate")}
"""Keys that say no more which leaf it is where another one stands beside them."""
