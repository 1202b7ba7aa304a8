"""What agents had spent of a period at each call of a model in the past, from the ledger."""

import bisect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import TextClause, text

from alerts.backtest.base import Wanted
from alerts.backtest.tracks import NEVER, EventTrack, times
from alerts.core.condition import BudgetLeaf
from alerts.core.labels import Labels, make_labels
from alerts.core.reading import Reading
from alerts.core.spending import bounds
from alerts.core.terms import SpendingPeriod, SpendingUnit
from alerts.sources.budgets import AMOUNT, COLUMNS, UNPRICED
from monitor.ids import from_microseconds, microseconds, uuid7_floor

_HOUR = timedelta(hours=1)
_BY_THE_CLOCK = (SpendingPeriod.WEEK, SpendingPeriod.MONTH)


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls that began at one time and were told of at another: what they cost, and of how many that is not known."""

    began: datetime
    seen: datetime
    amount: float
    unpriced: int = 0
    calls: int = 1


_Sum = tuple[int, float, int, int]
"""Since when, in microseconds: what was spent, of how many calls that is not known, how many calls there are."""


async def read(wanted: Wanted, leaf: BudgetLeaf) -> None:
    """Calls one by one from the start's hour on, and the sums of the hours before it in its period."""
    wanted.nothing(leaf)
    period_start = bounds(leaf.period, leaf.timezone, wanted.start)[0]
    first = max(period_start, wanted.start.replace(minute=0, second=0, microsecond=0))
    whole = period_start.replace(minute=0, second=0, microsecond=0)
    whole = whole if whole == period_start else whole + _HOUR
    given: dict[str, Any] = {"period": period_start, "whole": whole, "first": first, "end": wanted.end}
    given |= {"floor": uuid7_floor(period_start), "ceiling": uuid7_floor(wanted.end)}
    given |= {f"where_{name}": value for name, value in leaf.where}
    by_set: dict[tuple[UUID, Labels], list[Spent]] = defaultdict(list)
    if not leaf.by:
        # Nothing spent is known to be nothing.
        by_set |= {(agent, ()): [] for agent in wanted.agents}
    for row in await wanted.rows(_statement(leaf), given):
        labels = make_labels((name, getattr(row, COLUMNS[name])) for name in leaf.by)
        amount = 0.0 if row.amount is None else float(row.amount)
        by_set[row.agent_id, labels].append(Spent(row.began, row.seen, amount, row.unpriced, row.calls))
    for (agent, labels), spent in by_set.items():
        track = spent_track(leaf, spent, start=wanted.start, end=wanted.end)
        wanted.put(agent, leaf, track, labels)


def spent_track(leaf: BudgetLeaf, spent: Sequence[Spent], *, start: datetime, end: datetime) -> EventTrack[_Sum]:
    """Added up anew in each period between `start` and `end`."""
    periods = [bounds(leaf.period, leaf.timezone, start)[0]]
    while periods[-1] <= end:
        periods.append(bounds(leaf.period, leaf.timezone, periods[-1])[1])
    bound, at, facts, moved = leaf.limit * leaf.warn_at, list[int](), list[_Sum](), list[int]()
    # A tick just when a period begins is in it.
    begin = [(microseconds(one) - 1, number, None) for number, one in enumerate(periods)]
    moments: list[tuple[int, int, Spent | None]] = [*begin]
    for one in spent:
        of, seen_in = bisect.bisect_right(periods, one.began) - 1, bisect.bisect_right(periods, one.seen) - 1
        if of == seen_in >= 0:
            moments.append((microseconds(one.seen), of, one))
    for moment, number, call in sorted(moments, key=lambda each: (each[0], each[2] is not None)):
        if call is None:
            fact = (microseconds(periods[number]), 0.0, 0, 0)
        else:
            since, amount, unpriced, calls = facts[-1]
            fact = (since, amount + call.amount, unpriced + call.unpriced, calls + call.calls)
        if not facts or _stands(facts[-1], bound) != _stands(fact, bound):
            moved.append(moment)
        at.append(moment)
        facts.append(fact)
    told = times(moment for moment, _, call in moments if call is not None)
    ends = times(moment for moment, _, _ in begin[1:])
    by_the_clock = leaf.period in _BY_THE_CLOCK
    return EventTrack(
        np.array(at, np.int64),
        facts,
        _labelled if leaf.by else _reading,
        told_us=NEVER if by_the_clock else told,
        turns_us=NEVER if by_the_clock else ends,
        moved_us=times(moved),
    )


def _stands(fact: _Sum, bound: float) -> tuple[bool, bool]:
    """Whether anything is known, and whether it is too much."""
    return fact[3] > 0 and fact[2] == fact[3], fact[1] >= bound


def _reading(fact: _Sum, now: datetime) -> Reading:
    since, amount, unpriced, calls = fact
    unknown = calls > 0 and unpriced == calls
    return Reading(None if unknown else amount, max(1, calls), from_microseconds(since))


def _labelled(fact: _Sum, now: datetime) -> Reading | None:
    return _reading(fact, now) if fact[3] else None


def _statement(leaf: BudgetLeaf) -> TextClause:
    names = [COLUMNS[name] for name in leaf.by]
    picked = "".join(f", {name}" for name in names)
    asked = "".join(f" AND {COLUMNS[name]} = :where_{name}" for name, _ in leaf.where)
    unpriced = "0" if leaf.budget is SpendingUnit.TOKENS else "unpriced"
    return text(f"""
        SELECT agent_id, began, seen, amount, unpriced, calls {picked} FROM (
            SELECT agent_id, :whole AS began, :whole AS seen, sum({AMOUNT[leaf.budget]})::float8 AS amount,
                   sum({UNPRICED[leaf.budget]})::bigint AS unpriced, sum(calls)::bigint AS calls {picked}
            FROM usage_hours
            WHERE tenant_id = :tenant_id AND agent_id = ANY (:agents) AND hour >= :whole AND hour < :first {asked}
            GROUP BY agent_id {picked}
            UNION ALL
            SELECT agent_id, began, seen, amount, {unpriced}, 1 {picked}
            FROM (
                SELECT agent_id, started_at AS began, greatest(started_at, completed_at) AS seen,
                       ({AMOUNT[leaf.budget]})::float8 AS amount, (cost_usd IS NULL)::int AS unpriced,
                       coalesce(model, '') AS model, coalesce(provider, '') AS provider,
                       coalesce(user_ref, '') AS user_ref, coalesce(workflow, '') AS workflow,
                       coalesce(environment, '') AS environment
                FROM model_calls
                WHERE tenant_id = :tenant_id AND agent_id = ANY (:agents) AND id >= :floor AND id < :ceiling
                  AND (started_at >= :first OR started_at >= :period AND started_at < :whole)
                  AND started_at < :end) AS c
            WHERE true {asked}) AS spent
        ORDER BY seen LIMIT :at_most
    """)
