"""Pure: when an agent is due, from a cron expression and a time zone.

An expression has five fields (minute, hour, day of month, month, day of week) as APScheduler's
`CronTrigger.from_crontab` reads them, but for the days of the week, which are cron's own: 0 and 7 are Sunday. A day
must match both its fields, where both are given.

Daylight saving. A schedule for certain hours goes by the clock on the wall: a time that the clocks skip is called
once, as much later as they were put forward (02:30 becomes 03:30), and a time that comes twice is called the first
time only. A schedule for every hour goes by time that passes: it neither calls for an hour that is skipped nor
leaves one out that comes twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from monitor.errors import InvalidInput
from monitor.zones import instants, zone_of

MOST = 200
"""Characters of an expression."""
_YEARS = 8  # from one 29 February to the next, around a year such as 2100
_NEAR = timedelta(hours=4)
_TICK = timedelta(microseconds=1)
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression in a time zone. Made by `parse`."""

    cron: str
    zone: ZoneInfo
    _trigger: Any = field(compare=False, repr=False)
    _hourly: bool = field(compare=False, repr=False)

    def after(self, at: datetime) -> datetime | None:
        """The first time later than `at`, in UTC; None when there is none in the years that the calendar has."""
        wall = at.astimezone(self.zone).replace(tzinfo=None)
        best: datetime | None = None
        # Near a change of the clocks, walls before this one may stand for later times, and the other way round.
        start = wall - _NEAR if self._changes(at) else wall
        for candidate in self._walls(start):
            if best is not None and candidate > best.astimezone(self.zone).replace(tzinfo=None) + _NEAR:
                break
            for instant in self._instants(candidate):
                if instant > at and (best is None or instant < best):
                    best = instant
            if best is not None and not self._changes(best):
                break
        return best

    def between(self, start: datetime, end: datetime, *, at_most: int) -> list[datetime]:
        """The newest times from `start` to `end`, both included, oldest first: however long that is."""
        reach = timedelta(hours=1)
        while True:
            first = max(start, end - reach)
            found: list[datetime] = []
            moment = self.after(first - _TICK)
            while moment is not None and moment <= end:
                found.append(moment)
                moment = self.after(moment)
            if len(found) >= at_most or first == start:
                return found[-at_most:]
            reach *= 4

    def _walls(self, start: datetime) -> Iterator[datetime]:
        """Wall times from `start` on that match, in their order."""
        moment = self._trigger.get_next_fire_time(None, start.replace(tzinfo=UTC))
        while moment is not None:
            yield moment.replace(tzinfo=None)
            moment = self._trigger.get_next_fire_time(None, moment + _TICK)

    def _instants(self, wall: datetime) -> Iterator[datetime]:
        """The times that a wall time stands for: none or one where the clocks skip it, one or both where it repeats."""
        first, second = instants(wall, self.zone)
        if first > second:  # skipped: the offset before the change puts it as much later
            if not self._hourly:
                yield first
            return
        yield first
        if second > first and self._hourly:
            yield second

    def _changes(self, at: datetime) -> bool:
        """Whether the clocks are put forward or back near a time."""
        offsets = {(at + step).astimezone(self.zone).utcoffset() for step in (-_NEAR, timedelta(0), _NEAR)}
        return len(offsets) > 1


def parse(cron: str, timezone: str = "UTC", *, now: datetime) -> Schedule:
    """The schedule that an expression and an IANA time zone stand for.

    Raises InvalidInput with the path `schedule` or `timezone`; also for one that is never due.
    """
    zone = zone_of(timezone, path="timezone")
    found = _parse(cron, zone)
    years = f"{now.year}-{now.year + _YEARS}"
    soon = Schedule(cron, zone, _trigger(cron, year=years), found._hourly)
    if soon.after(now) is None:
        raise InvalidInput("is never due", path="schedule")
    return found


@lru_cache(maxsize=10_000)
def stored(cron: str, timezone: str) -> Schedule:
    """A schedule that was checked when it was set."""
    return _parse(cron, zone_of(timezone, path="timezone"))


def _parse(cron: str, zone: ZoneInfo) -> Schedule:
    return Schedule(cron, zone, _trigger(cron), _every_hour(cron))


def _every_hour(cron: str) -> bool:
    return cron.split()[1] == "*"


def _trigger(cron: str, *, year: str | None = None) -> Any:
    parts = cron.split()
    if len(cron) > MOST or not cron.isascii() or len(parts) != 5:
        raise InvalidInput("five cron fields are expected: minute hour day month weekday", path="schedule")
    minute, hour, day, month, weekday = parts
    try:
        return CronTrigger(
            minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday), year=year, timezone=UTC
        )
    except ValueError as fault:
        raise InvalidInput(str(fault), path="schedule") from None


def _weekdays(text: str) -> str:
    """cron's days of the week as a list of names, which mean the same to everybody. Raises ValueError."""
    if text == "*":
        return text
    found: set[int] = set()
    for part in text.lower().split(","):
        span, _, step = part.partition("/")
        low, dash, high = span.partition("-")
        if span == "*":
            first, last = 0, 6
        else:
            first = _weekday(low)
            last = _weekday(high, ends=True) if dash else 6 if step else first
        if first > last or ("/" in part and not 0 < int(step or 0) <= 7):
            raise ValueError(f"the days of the week {part!r} are none")
        found |= {day % 7 for day in range(first, last + 1, int(step or 1))}
    return ",".join(_DAYS[day] for day in sorted(found))


def _weekday(text: str, *, ends: bool = False) -> int:
    if text in _DAYS:
        # Sunday ends a week as well as it begins one: sat-sun.
        return 7 if ends and text == "sun" else _DAYS.index(text)
    if text.isdecimal() and int(text) <= 7:
        return int(text)
    raise ValueError(f"{text!r} is not a day of the week: 0 to 7 or sun to sat are expected")
