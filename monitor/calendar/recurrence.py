"""Pure: when an event takes place.

A series goes by the clock on the wall in the event's time zone: every occurrence starts at the same time of day, and
ends at the same one, whatever the clocks do in between; the length follows from that. A time that the clocks skip is
as much later as they were put forward (02:30 becomes 03:30), one that comes twice is the first of the two. So a
shift ends exactly where the next one starts, on those days too.

Rules are those of RFC 5545, 3.3.10, as python-dateutil reads them, by the day or longer; `BYHOUR` makes several
occurrences of a day.
"""

from calendar import isleap, weekday
from collections.abc import Iterable, Iterator, Mapping
from datetime import MAXYEAR, UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from monitor.calendar.model import CalendarEvent, Occurrence, Override
from monitor.errors import InvalidInput
from monitor.zones import instants, zone_of

LONGEST = timedelta(days=366)
"""How long one occurrence may be."""
YEARS = (1970, 2200)
"""The years that the calendar has."""
_PARTS = (
    "FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY", "BYHOUR",
    "BYMINUTE", "BYSETPOS", "WKST",
)  # fmt: skip
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_TEXT_AT_MOST = 500
_A_DAY_AT_MOST = 24
_NUMBER_AT_MOST = 100_000
_MOMENT = timedelta(microseconds=1)
_MARGIN = timedelta(days=1)  # more than any change of any zone's clocks


def occurrences(event: CalendarEvent, start: datetime, end: datetime) -> list[Occurrence]:
    """Those that overlap the time from `start` up to `end`, by their start. Their number is at most 24 a day."""
    changed = {override.occurrence.astimezone(UTC): override for override in event.overrides}
    left_out = {at.astimezone(UTC) for at in event.exdates}
    usual = [one for one in _natural(event, start, end) if one.start not in changed]
    moved = [_moved(one, changed[at]) for at in changed if (one := _starting(event, at)) is not None]
    found = [one for one in usual if one.start not in left_out] + moved
    return sorted((one for one in found if one.start < end and one.end > start), key=lambda one: (one.start, one.index))


def active(events: Iterable[CalendarEvent], at: datetime) -> list[Occurrence]:
    """What takes place at a time: an occurrence holds its start, and no longer its end."""
    return [one for event in events for one in occurrences(event, at, at + _MOMENT)]


def check(event: CalendarEvent) -> None:
    """Raise InvalidInput, with the field's name as its path, for an event that cannot take place as it says."""
    zone = zone_of(event.time_zone, path="time_zone")
    for name, at in (("start_time", event.start_time), ("end_time", event.end_time)):
        if not YEARS[0] < at.year < YEARS[1]:
            raise InvalidInput(f"is not between {YEARS[0]} and {YEARS[1]}", path=name)
        if event.all_day and (_wall(at, zone).hour, _wall(at, zone).minute, _wall(at, zone).second) != (0, 0, 0):
            raise InvalidInput(f"an event of whole days starts and ends at midnight in {event.time_zone}", path=name)
    if not timedelta(0) < event.end_time - event.start_time <= LONGEST:
        raise InvalidInput(f"must be after start_time, by {LONGEST.days} days at most", path="end_time")
    if event.rrule is not None:
        _check_rule(event, event.rrule, zone)
    for index, at in enumerate(event.exdates):
        if _starting(event, at) is None:
            raise InvalidInput("no occurrence starts then", path=f"exdates[{index}]")
    for index, override in enumerate(event.overrides):
        natural = _starting(event, override.occurrence)
        if natural is None or override.occurrence in event.exdates:
            raise InvalidInput("no occurrence starts then", path=f"overrides[{index}].occurrence")
        moved = _moved(natural, override)
        if not timedelta(0) < moved.end - moved.start <= LONGEST:
            raise InvalidInput("must be after the occurrence's start", path=f"overrides[{index}].end_time")


def _check_rule(event: CalendarEvent, rule: str, zone: ZoneInfo) -> None:
    parts = _parts(rule)
    if parts.get("FREQ") not in _FREQUENCIES:
        raise InvalidInput(f"FREQ is one of {', '.join(_FREQUENCIES)}", path="rrule")
    for name in ("INTERVAL", "COUNT"):
        if name in parts and not (parts[name].isdecimal() and 0 < int(parts[name]) < _NUMBER_AT_MOST):
            raise InvalidInput(f"{name} is a number from 1 to {_NUMBER_AT_MOST - 1}", path="rrule")
    a_day = len(parts.get("BYHOUR", "").split(",")) * len(parts.get("BYMINUTE", "").split(","))
    if a_day > _A_DAY_AT_MOST:
        raise InvalidInput(f"makes {a_day} occurrences of one day; {_A_DAY_AT_MOST} are possible", path="rrule")
    first = _wall(event.start_time, zone)
    try:
        until = _until(parts.pop("UNTIL", None), zone)
        parts.pop("COUNT", None)
        found = _begins(parts, first) and (until is None or first <= until)
    except (ValueError, TypeError, KeyError, OverflowError) as fault:
        raise InvalidInput(f"is not a recurrence rule: {fault}", path="rrule") from None
    if not found:
        raise InvalidInput("must be the first occurrence of the rule", path="start_time")


def _begins(parts: Mapping[str, str], first: datetime) -> bool:
    """Whether a rule takes place at its start.

    dateutil looks for the first occurrence up to the last year that there is, which takes minutes where there is none
    (30 February). So it is asked in one of the last 28 years, the one that has the same days of the week.
    """
    days = (isleap(first.year), weekday(first.year, 1, 1))
    year = next(year for year in range(MAXYEAR - 27, MAXYEAR + 1) if (isleap(year), weekday(year, 1, 1)) == days)
    moved = first.replace(year=year)
    found: datetime | None = next(iter(_dateutil(parts, moved)), None)
    return found == moved


def _dateutil(parts: Mapping[str, str], first: datetime) -> Iterable[datetime]:
    found: Iterable[datetime] = rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=first)
    return found


def _starting(event: CalendarEvent, at: datetime) -> Occurrence | None:
    """The occurrence that starts at a time, by the rule alone."""
    return next((one for one in _natural(event, at, at + _MOMENT) if one.start == at), None)


def _moved(one: Occurrence, override: Override) -> Occurrence:
    start, end = override.start_time or one.start, override.end_time or one.end
    return Occurrence(one.event, start.astimezone(UTC), end.astimezone(UTC), one.index, override)


def _natural(event: CalendarEvent, start: datetime, end: datetime) -> Iterator[Occurrence]:
    """Occurrences by the rule alone, among them all that overlap the time from `start` up to `end`."""
    if event.rrule is None:
        yield Occurrence(event, event.start_time.astimezone(UTC), event.end_time.astimezone(UTC))
        return
    zone = zone_of(event.time_zone, path="time_zone")
    first = _wall(event.start_time, zone)
    length = _wall(event.end_time, zone) - first
    earliest, latest = _wall(start, zone) - length - _MARGIN, _wall(end, zone) + _MARGIN
    for year in range(max(earliest.year, first.year, YEARS[0]), min(latest.year, YEARS[1]) + 1):
        before, walls = _year(event.rrule, first, zone, year)
        for index, wall in enumerate(walls, before):
            if earliest <= wall <= latest:
                yield _at(event, wall, length, zone, index=index)


def _at(event: CalendarEvent, wall: datetime, length: timedelta, zone: ZoneInfo, *, index: int) -> Occurrence:
    start, end = instants(wall, zone)[0], instants(wall + length, zone)[0]
    # From a skipped 02:30 to 03:00: it has moved to where it would be over already.
    return Occurrence(event, start, end if end > start else start + length, index)


@lru_cache(maxsize=10_000)
def _year(rule: str, first: datetime, zone: ZoneInfo, year: int) -> tuple[int, tuple[datetime, ...]]:
    """Wall times of one year at which a rule takes place, and how many it has before them."""
    parts = _parts(rule)
    count = int(parts.pop("COUNT", "0")) or None
    until = _until(parts.pop("UNTIL", None), zone)
    before, found = 0, list[datetime]()
    for index, wall in enumerate(_dateutil(parts, first)):
        if wall.year > year or (until is not None and wall > until) or index == count:
            break
        if wall.year == year:
            found.append(wall)
        else:
            before += 1
    return before, tuple(found)


def _parts(rule: str) -> dict[str, str]:
    """The parts of a rule by name. Raises InvalidInput for one that is not a list of parts that are known."""
    if len(rule) > _TEXT_AT_MOST or not rule.isascii():
        raise InvalidInput("is too long, or has characters that no rule has", path="rrule")
    parts: dict[str, str] = {}
    for part in rule.upper().removeprefix("RRULE:").split(";"):
        name, _, value = part.partition("=")
        if name not in _PARTS or name in parts or not value:
            raise InvalidInput(f"{part!r} is not known; known are {', '.join(_PARTS)}, each once", path="rrule")
        parts[name] = value
    return parts


def _until(text: str | None, zone: ZoneInfo) -> datetime | None:
    """The last wall time at which a rule may take place. Raises ValueError."""
    if text is None:
        return None
    if len(text) == len("20260101"):
        return datetime.strptime(text + "T235959", "%Y%m%dT%H%M%S")  # noqa: DTZ007 - a time on the wall has no zone
    if text.endswith("Z"):
        return _wall(datetime.strptime(text + "+0000", "%Y%m%dT%H%M%SZ%z"), zone)
    return datetime.strptime(text, "%Y%m%dT%H%M%S")  # noqa: DTZ007 - as above


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)
