"""How foreign text, numbers and times are written in messages, so that nothing in them can mislead."""

import math
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

# Characters that turn the direction of writing or cannot be seen: with them a name can pose as another one.
_INVISIBLE = frozenset([0x061C, 0x200B, 0x200E, 0x200F, 0xFEFF, *range(0x202A, 0x202F), *range(0x2060, 0x2070)])
_LINK_LIMIT = 2000


def one_line(given: str, limit: int) -> str:
    """Foreign text on one line: no control or direction characters, runs of space as one, cut with `…`."""
    # Only the beginning is looked at: a text of megabytes must not cost more than its limit.
    return _cut(" ".join(_clean(given[: limit * 4]).split()), limit, cut=len(given) > limit * 4)


def paragraph(given: str, limit: int) -> str:
    """Foreign text on several lines: as `one_line`, but line ends and indentation are kept."""
    lines = given[: limit * 4].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return _cut("\n".join(_clean(line).rstrip() for line in lines).strip("\n"), limit, cut=len(given) > limit * 4)


def number(value: float) -> str:
    """Six significant digits; whole numbers without a point or exponent."""
    if math.isfinite(value) and abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return f"{value:.6g}"


def moment(at: datetime) -> str:
    """UTC to the second: `2026-11-22T18:35:33Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(span: timedelta) -> str:
    """The one or two units that matter: `45s`, `12m`, `1h 5m`, `3d 2h`."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m"
    large, small, names = (seconds // 3600, seconds // 60 % 60, "hm")
    if large >= 24:
        large, small, names = (large // 24, large % 24, "dh")
    return f"{large}{names[0]} {small}{names[1]}" if small else f"{large}{names[0]}"


def labels(given: Mapping[str, str], limit: int) -> str:
    """`env=prod, model=opus`, sorted by name."""
    return one_line(", ".join(f"{name}={value}" for name, value in sorted(given.items())), limit)


def is_link(url: str) -> bool:
    """Whether an address may be made clickable: http(s) with a host, nothing invisible, no spaces."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = url == one_line(url, _LINK_LIMIT) and not any(c in url for c in " \"'<>|\\")
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname)


def address(url: str) -> str:
    """A web address as text; at most 2,000 characters."""
    return one_line(url, _LINK_LIMIT)


def _clean(given: str) -> str:
    if given.isascii() and given.isprintable():
        return given
    return "".join(_character(c) for c in given)


def _character(c: str) -> str:
    if ord(c) in _INVISIBLE:
        return ""
    match unicodedata.category(c):
        case "Cc" | "Zl" | "Zp":
            return " "
        case "Cs":  # half of a surrogate pair: UTF-8 cannot carry it
            return "\ufffd"
    return c


def _cut(given: str, limit: int, *, cut: bool) -> str:
    return given[: limit - 1].rstrip() + "…" if cut or len(given) > limit else given
