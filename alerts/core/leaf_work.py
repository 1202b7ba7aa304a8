"""Leaves about what agents do and spend, from JSON: one function for each key that says which leaf it is."""

from alerts.core.condition import (
    CALL_LABELS,
    DEFAULT_COMPARE_WINDOW,
    DEFAULT_ERROR_WINDOW,
    DEFAULT_REPEAT_WINDOW,
    DEFAULT_SAMPLE,
    BudgetLeaf,
    CompareLeaf,
    DurationLeaf,
    ErrorGroupLeaf,
    Leaf,
    RepeatCallLeaf,
    StateLeaf,
)
from alerts.core.fields import Fields, check_choice
from alerts.core.terms import AgentState, Compared, ErrorNews, Side, SpendingPeriod, SpendingUnit
from alerts.core.vocabulary import NoData

_CALLS_AT_MOST = 10_000
_SAMPLE_AT_LEAST, _SAMPLE_AT_MOST = 5, 5_000
_VALUES = (Compared.DURATION, Compared.TOKENS, Compared.COST)


def duration(fields: Fields) -> Leaf:
    """`{"duration":"running"}`."""
    fields.allow(("duration", "longer_than", "task_type"))
    if fields.raw["duration"] != "running":
        raise fields.fault("duration", 'must be "running"')
    task_type = fields.text("task_type", at_most=200) if fields.has("task_type") else None
    return DurationLeaf(fields.duration("longer_than"), task_type)


def budget(fields: Fields) -> Leaf:
    """`{"budget":"cost_usd"}`."""
    fields.allow(("budget", "period", "limit", "warn_at", "timezone", "by", "where"))
    return BudgetLeaf(
        budget=fields.choice("budget", SpendingUnit),
        limit=fields.positive("limit"),
        period=fields.choice("period", SpendingPeriod, SpendingPeriod.DAY),
        warn_at=fields.positive("warn_at", default=1.0, at_most=1.0),
        timezone=fields.zone("timezone"),
        by=fields.names("by", known=CALL_LABELS),
        where=fields.pairs("where", known=CALL_LABELS),
    )


def repeat_call(fields: Fields) -> Leaf:
    """`{"repeat_call":5}`."""
    fields.allow(("repeat_call", "window", "by", "no_data"))
    times = fields.whole("repeat_call", default=0, at_most=_CALLS_AT_MOST)
    if times < 2:
        raise fields.fault("repeat_call", f"must be from 2 to {_CALLS_AT_MOST}")
    return RepeatCallLeaf(
        times=times,
        window=fields.duration("window", DEFAULT_REPEAT_WINDOW),
        by=fields.names("by", known=("tool",)),
        no_data=fields.choice("no_data", NoData, NoData.OK),
    )


def error(fields: Fields) -> Leaf:
    """`{"error":"new"}`."""
    fields.allow(("error", "since", "window"))
    error = fields.choice("error", ErrorNews)
    since = None
    if fields.has("since") and fields.raw["since"] != "version":
        since = fields.duration("since")
    if fields.has("since") and error is ErrorNews.REGRESSED:
        raise fields.fault("since", "has no meaning for what has come again")
    return ErrorGroupLeaf(error, since, fields.duration("window", DEFAULT_ERROR_WINDOW))


def compare(fields: Fields) -> Leaf:
    """`{"compare":"version"}`."""
    fields.allow(("compare", "metric", "rate", "threshold", "window", "min_count", "environment"))
    compare = fields.choice("compare", Side)
    of = Compared.ERROR_RATE
    if fields.has("rate"):
        if fields.raw["rate"] != "error":
            raise fields.fault("rate", 'must be "error"')
        if fields.has("metric"):
            raise fields.fault("rate", "cannot stand beside metric")
    else:
        of = check_choice(fields.require("metric"), fields.at("metric"), _VALUES)
    threshold = fields.number("threshold") if fields.has("threshold") else 0.0
    if threshold < 0 or (of is Compared.ERROR_RATE and threshold >= 1):
        share = "from 0 to less than 1" if of is Compared.ERROR_RATE else "0 or more"
        raise fields.fault("threshold", f"must be {share}: how much worse, as a share")
    min_count = fields.whole("min_count", default=DEFAULT_SAMPLE, at_most=_SAMPLE_AT_MOST)
    if min_count < _SAMPLE_AT_LEAST:
        raise fields.fault("min_count", f"must be {_SAMPLE_AT_LEAST} or more: fewer tasks say nothing")
    return CompareLeaf(
        compare=compare,
        of=of,
        threshold=threshold,
        window=fields.duration("window", DEFAULT_COMPARE_WINDOW),
        min_count=min_count,
        environment=fields.text("environment", at_most=200) if fields.has("environment") else None,
    )


def state(fields: Fields) -> Leaf:
    """`{"state":"stalled"}`."""
    fields.allow(("state",))
    return StateLeaf(fields.choice("state", AgentState))
