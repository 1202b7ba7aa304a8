"""Periods in which spending is added up, and what it will come to. Pure."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.core.condition import BudgetLeaf
from alerts.core.describe import amount
from alerts.core.terms import SpendingPeriod, SpendingUnit

_HOUR = timedelta(hours=1)
_AT_LEAST = timedelta(minutes=1)
"""A rate of less time than this would be a guess."""


def bounds(period: SpendingPeriod, zone: str, now: datetime) -> tuple[datetime, datetime]:
    """When the period began that `now` is in, and when the next one will, in UTC. Weeks begin on Monday."""
    local = now.astimezone(ZoneInfo(zone))
    past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    if period is SpendingPeriod.HOUR:
        start = now.astimezone(UTC) - past
        return start, start + _HOUR
    # Without a zone: midnights are those of the calendar, however the clocks are changed in between; of two, the first.
    day = local.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0, fold=0)
    match period:
        case SpendingPeriod.DAY:
            first, after = day, day + timedelta(days=1)
        case SpendingPeriod.WEEK:
            first = day - timedelta(days=day.weekday())
            after = first + timedelta(days=7)
        case _:
            first = day.replace(day=1)
            after = (first + timedelta(days=31)).replace(day=1)
    starts, ends = (wall.replace(tzinfo=local.tzinfo).astimezone(UTC) for wall in (first, after))
    return starts, ends


def recent_since(start: datetime, now: datetime) -> datetime:
    """From when on spending tells how fast it goes: the last whole hour and what there is of this one."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return max(start, hour - _HOUR)


def forecast(leaf: BudgetLeaf, spent: float, recent: float, *, start: datetime, end: datetime, now: datetime) -> str:
    """What spending will come to if it goes on as in the last hour or two, in plain words."""
    rate = recent / max(now - recent_since(start, now), _AT_LEAST).total_seconds()
    left = leaf.limit - spent
    if left <= 0:
        return f"the limit is passed; the next {leaf.period} begins {_time(end)}"
    if rate > 0 and left / rate < (end - now).total_seconds():
        return f"at this rate the limit is reached {_time(now + timedelta(seconds=left / rate))}"
    comes_to = spent + rate * (end - now).total_seconds()
    rounded = round(comes_to, 4 if leaf.budget is SpendingUnit.COST_USD else 0)
    return f"at this rate it comes to {amount(rounded, leaf.budget)} when the {leaf.period} ends"


def _time(at: datetime) -> str:
    return f"on {at.astimezone(UTC):%Y-%m-%d at %H:%M} UTC"
