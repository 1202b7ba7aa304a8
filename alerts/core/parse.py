"""Conditions from JSON and back. Every fault is told with its path: `conditions.all[1].window: …`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from alerts.core.condition import (
    DEFAULT_GRACE,
    DEFAULT_RATE_WINDOW,
    DEFAULT_WINDOW,
    All,
    Any,
    Condition,
    ConditionError,
    ExecutionStatus,
    HeartbeatLeaf,
    Leaf,
    LogLeaf,
    LogLevel,
    MetricLeaf,
    Not,
    Op,
    RateLeaf,
    Reducer,
    ScheduleLeaf,
    StatusLeaf,
)
from alerts.core.duration import format_duration
from alerts.core.fields import Fields, check_label, check_list
from alerts.core.vocabulary import NoData

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

MAX_DEPTH = 8
MAX_LEAVES = 20
RESERVED_TAGS = ("tenant", "agent")

_COUNT_AT_MOST = 1_000_000
_BY_AT_MOST = 8


@dataclass(slots=True)
class _Tally:
    leaves: int = 0


def parse_condition(raw: object, path: str = "conditions") -> Condition:
    """The condition that a JSON value stands for. Raises ConditionError with the path of the first fault."""
    return _parse(raw, path, depth=1, tally=_Tally())


def _parse(raw: object, path: str, *, depth: int, tally: _Tally) -> Condition:
    fields = Fields(raw, path)
    if depth > MAX_DEPTH:
        raise ConditionError(path, f"is nested deeper than {MAX_DEPTH} levels")
    head = _head(fields)
    if head in _LEAVES:
        tally.leaves += 1
        if tally.leaves > MAX_LEAVES:
            raise ConditionError(path, f"a condition may have at most {MAX_LEAVES} leaves")
        return _LEAVES[head](fields)
    fields.allow((head,))
    inner = fields.at(head)
    if head == "not":
        return Not(_parse(fields.require(head), inner, depth=depth + 1, tally=tally))
    # Not bounded here: the 21st leaf is refused under its own path.
    entries = check_list(fields.require(head), inner, at_most=_COUNT_AT_MOST)
    children = tuple(
        _parse(entry, f"{inner}[{index}]", depth=depth + 1, tally=tally) for index, entry in enumerate(entries)
    )
    return All(children) if head == "all" else Any(children)


def _head(fields: Fields) -> str:
    """The one key that says which condition this is."""
    heads = [name for name in fields.raw if name in _HEADS]
    if not heads:
        fields.allow(_HEADS)
        raise ConditionError(fields.path, f"must have one of the keys {', '.join(_HEADS)}")
    if len(heads) > 1:
        raise ConditionError(fields.at(heads[1]), f"cannot stand beside {heads[0]}; use all or any")
    return str(heads[0])


def _status(fields: Fields) -> Leaf:
    fields.allow(("status", "consecutive_failures"))
    status = fields.choice("status", ExecutionStatus)
    failures = fields.whole("consecutive_failures", default=1, at_most=_COUNT_AT_MOST)
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
        by=_by(fields),
        where=fields.pairs("where", reserved=RESERVED_TAGS),
        min_count=fields.whole("min_count", default=1, at_most=_COUNT_AT_MOST),
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
        min_count=fields.whole("min_count", default=1, at_most=_COUNT_AT_MOST),
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
        count=fields.whole("count", default=1, at_most=_COUNT_AT_MOST),
        no_data=fields.choice("no_data", NoData, NoData.KEEP),
    )


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


def _by(fields: Fields) -> tuple[str, ...]:
    if not fields.has("by"):
        return ()
    path = fields.at("by")
    names: list[str] = []
    for index, entry in enumerate(check_list(fields.raw["by"], path, at_most=_BY_AT_MOST)):
        name = check_label(entry, f"{path}[{index}]", reserved=RESERVED_TAGS)
        if name in names:
            raise ConditionError(f"{path}[{index}]", "is there twice")
        names.append(name)
    return tuple(names)


_LEAVES: dict[str, Callable[[Fields], Leaf]] = {
    "status": _status,
    "metric": _metric,
    "rate": _rate,
    "heartbeat": _heartbeat,
    "schedule": _schedule,
    "log": _log,
}
_HEADS = (*_LEAVES, "all", "any", "not")


def to_json(condition: Condition) -> dict[str, Json]:
    """The JSON of a condition, defaults written out; `parse_condition` makes the same of it again."""
    match condition:
        case All(children):
            return {"all": [to_json(child) for child in children]}
        case Any(children):
            return {"any": [to_json(child) for child in children]}
        case Not(child):
            return {"not": to_json(child)}
        case StatusLeaf(status, failures):
            return {"status": status, "consecutive_failures": failures}
        case HeartbeatLeaf(after, no_data):
            limit: dict[str, Json] = {} if after is None else {"after": format_duration(after)}
            return {"heartbeat": "missed", **limit, "no_data": no_data}
        case ScheduleLeaf(grace):
            return {"schedule": "missed", "grace": format_duration(grace)}
        case LogLeaf():
            return _log_json(condition)
        case RateLeaf():
            return {"rate": condition.rate, **_comparison_json(condition)}
        case MetricLeaf():
            return _metric_json(condition)


def _log_json(leaf: LogLeaf) -> dict[str, Json]:
    level: dict[str, Json] = {} if leaf.level is None else {"level": leaf.level}
    return {
        "log": {"contains": leaf.contains, **level},
        "window": format_duration(leaf.window),
        "count": leaf.count,
        "no_data": leaf.no_data,
    }


def _metric_json(leaf: MetricLeaf) -> dict[str, Json]:
    value: dict[str, Json] = {"metric": leaf.metric, "reduce": leaf.reduce, **_comparison_json(leaf)}
    if leaf.by:
        value["by"] = list(leaf.by)
    if leaf.where:
        value["where"] = dict(leaf.where)
    return value


def _comparison_json(leaf: MetricLeaf | RateLeaf) -> dict[str, Json]:
    recover: dict[str, Json] = {} if leaf.recover is None else {"recover": leaf.recover}
    return {
        "window": format_duration(leaf.window),
        "op": leaf.op,
        "threshold": leaf.threshold,
        **recover,
        "min_count": leaf.min_count,
        "no_data": leaf.no_data,
    }
