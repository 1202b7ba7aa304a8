"""Numbers and times as a page shows them: short, with units. Pure."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

_STEPS = ((86400, "d"), (3600, "h"), (60, "min"))


def span(length: timedelta) -> str:
    """A length in the largest unit of which it has two, or in days: `45 s`, `90 s`, `12 min`, `3 h`, `1 d`."""
    seconds = max(0, int(length.total_seconds()))
    for size, unit in _STEPS:
        if seconds >= 2 * size or (size == 86400 and seconds >= size):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def ago(at: datetime | None, now: datetime) -> str:
    """How long since: `3 min ago`, `just now`, or a dash for never."""
    if at is None:
        return "–"
    return "just now" if now - at < timedelta(seconds=2) else f"{span(now - at)} ago"


def milliseconds(value: float | None) -> str:
    """A duration given in milliseconds: `842 ms`, `3.1 s`, `4 min`."""
    if value is None:
        return "–"
    if value < 1000:
        return f"{value:.0f} ms"
    return f"{value / 1000:.1f} s" if value < 120_000 else span(timedelta(milliseconds=value))


def number(value: float | None) -> str:
    """A value as a person reads it: whole where it is whole, else three significant digits."""
    if value is None:
        return "–"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.3g}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 alert`, `2 alerts`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def clock(at: datetime) -> str:
    """A moment in full, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def money(amount: Decimal | None) -> str:
    """An exact amount, without zeros at its end; a dash for none."""
    if amount is None:
        return "–"
    return f"{amount.normalize():f}" if amount else "0"


def plain_json(value: Any) -> str:
    """A value as it is written in JSON; a text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
