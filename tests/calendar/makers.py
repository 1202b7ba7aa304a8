"""Events of the calendar with as little said as a test needs."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from monitor.calendar.model import CalendarEvent, EventKind

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def wall(text: str, zone: str = "UTC") -> datetime:
    """A time as a clock in a zone shows it: `2026-03-29 02:30`."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def utc(text: str) -> datetime:
    """A time of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def event(start: str, end: str, zone: str = "UTC", **more: Any) -> CalendarEvent:
    """An event between two times on the wall of its zone."""
    made: dict[str, Any] = {
        "id": UUID(int=1),
        "tenant_id": UUID(int=2),
        "kind": EventKind.EVENT,
        "title": "an event",
        "start_time": wall(start, zone),
        "end_time": wall(end, zone),
        "time_zone": zone,
    }
    return CalendarEvent(**made | more)
