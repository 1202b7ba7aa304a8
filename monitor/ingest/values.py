"""Single values of a row: times, numbers, texts, tags and details, checked and brought into shape.

A value that cannot be kept raises `Fault` with words that name it. What is kept in another shape than it was given
(a text that was cut, an integer that a float cannot hold) is told to `warn`.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from monitor.series.store import Tags

END = 253_402_300_800.0
"""The end of the year 9999 in Unix seconds."""
TEXT_LIMIT = 64 * 1024
NAME_LIMIT = 200
TAG_LIMIT = 1000
TAGS_LIMIT = 32
DEPTH_LIMIT = 100
FUTURE_US = 300_000_000
EXACT = 2**53
# Rows from before a partition's first day have nowhere to go: partitions.LAYOUTS reaches 31 days back.
REACH_US = 31 * 86_400_000_000

Warn = Callable[[str], None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SHAPE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_NAIVE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?", re.ASCII)
_UNFIT = re.compile("[\0\ud800-\udfff]")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_S = 366 * 86400.0


class Fault(ValueError):
    """Why a row or a part of it is not kept. The text names the field."""


class Window(NamedTuple):
    """When the request came in, and which times it may speak of. All in microseconds since the epoch."""

    now_us: int
    oldest_us: int
    newest_us: int

    @classmethod
    def of(cls, now_us: int, *, retention: float) -> "Window":
        """`retention` in seconds: older rows would be dropped at once."""
        return cls(now_us, now_us - min(int(retention * 1e6), REACH_US), now_us + FUTURE_US)

    def check(self, at_us: int, field: str) -> int:
        """The time itself, or Fault when it is too far ahead or too long ago."""
        if at_us > self.newest_us:
            raise Fault(f"{field}: more than 5 minutes in the future")
        if at_us < self.oldest_us:
            raise Fault(f"{field}: older than what is kept ({(self.now_us - self.oldest_us) / 86.4e9:g} days)")
        return at_us


def kind_of(value: object) -> str:
    """What a wrong value is, in JSON's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "a number"
    return "an array" if isinstance(value, list) else "an object"


def time_us(value: object, field: str) -> int:
    """Microseconds since the epoch from RFC 3339 text or Unix seconds. Finer digits are cut off, not rounded."""
    if type(value) is str:
        return _rfc3339(value, field)
    if type(value) is int:
        seconds: int | float = value
    elif type(value) is float and math.isfinite(value):
        seconds = value
    else:
        given = "not a finite number" if type(value) is float else f"not {kind_of(value)}"
        raise Fault(f"{field}: a time as RFC 3339 or Unix seconds is expected, {given}")
    if not 0 <= seconds < END:
        raise Fault(f"{field}: not a time between 1970 and 9999 in Unix seconds, not milliseconds")
    return seconds * 1_000_000 if type(seconds) is int else round(seconds * 1e6)


# Points of one message mostly carry the same few times.
@lru_cache(maxsize=4096)
def _rfc3339(value: str, field: str) -> int:
    if _SHAPE.fullmatch(value) is None:
        if _NAIVE.fullmatch(value) is not None:
            raise Fault(f"{field}: the time has no zone; end it with Z or an offset such as +02:00")
        raise Fault(f"{field}: not a time as RFC 3339 has it, such as 2026-01-31T12:00:00Z")
    try:
        at = datetime.fromisoformat(value.upper())
        at_us = (at - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError) as fault:
        raise Fault(f"{field}: there is no such time ({fault})") from None
    if at_us < 0:
        raise Fault(f"{field}: before 1970")
    return at_us


def number(value: object, field: str, warn: Warn) -> float:
    """A finite float. Booleans and texts are no numbers."""
    if type(value) is float:
        if math.isfinite(value):
            return value
        raise Fault(f"{field}: NaN, infinite or too large; a finite number is expected")
    if type(value) is not int:
        raise Fault(f"{field}: a number is expected, not {kind_of(value)}")
    if -EXACT <= value <= EXACT:
        return float(value)
    try:
        rounded = float(value)
    except OverflowError:
        raise Fault(f"{field}: too large; a finite number is expected") from None
    if int(rounded) != value:
        warn(f"{field}: an integer past 2^53, kept as the nearest float {rounded!r}")
    return rounded


def seconds(value: object, field: str) -> float:
    """A length of time in seconds, from a number of seconds or text such as 90s, 5m."""
    if type(value) is str and (match := _DURATION.fullmatch(value)) is not None:
        given = float(match[1]) * _UNITS[match[2]]
    elif type(value) is int or type(value) is float:
        given = value
    else:
        raise Fault(f"{field}: a number of seconds or text such as 90s is expected")
    if not 0 < given <= _LONGEST_S:
        raise Fault(f"{field}: more than 0 and at most a year is expected")
    return float(given)


def clean(value: str) -> str:
    """The text without NUL and lone surrogates, which PostgreSQL cannot hold: U+FFFD stands in their place."""
    return value if value.isprintable() else _UNFIT.sub("\ufffd", value)


def text(value: object, field: str, warn: Warn, *, limit: int = TEXT_LIMIT) -> str:
    """A text, cleaned, and cut with a marker where it is longer than `limit` bytes of UTF-8."""
    if type(value) is not str:
        raise Fault(f"{field}: text is expected, not {kind_of(value)}")
    value = clean(value)
    # A character is at most four bytes: short texts need no encoding to know that they fit.
    if len(value) * 4 <= limit or (len(value) <= limit and len(value.encode()) <= limit):
        return value
    kept = value[:limit].encode()[:limit].decode(errors="ignore")
    cut = len(value) - len(kept)
    warn(f"{field}: cut by {cut} characters")
    return f"{kept}… [cut {cut} characters]"


def name(value: object, field: str, *, limit: int = NAME_LIMIT) -> str:
    """A short text that identifies something: never cut or changed, refused instead."""
    if type(value) is not str:
        raise Fault(f"{field}: missing" if value is None else f"{field}: text is expected, not {kind_of(value)}")
    if not 0 < len(value) <= limit:
        raise Fault(f"{field}: 1 to {limit} characters are expected, not {len(value)}")
    if _UNFIT.search(value) is not None:
        raise Fault(f"{field}: holds a NUL or half a surrogate pair")
    return value


def tags(value: object) -> Tags:
    """Flat text to text, sorted by name, without empty values."""
    if value is None:
        return ()
    if type(value) is not dict:
        raise Fault(f"tags: an object is expected, not {kind_of(value)}")
    kept: list[tuple[str, str]] = []
    for key, given in value.items():
        if type(given) is not str:
            raise Fault(f"tags.{name(key, 'tags')}: text is expected, not {kind_of(given)}")
        if not given:
            continue
        if key in {"tenant", "agent"} or key.startswith("_"):
            raise Fault(f"tags.{clean(key[:NAME_LIMIT])}: a reserved name")
        if len(given) > TAG_LIMIT:
            raise Fault(f"tags.{name(key, 'tags')}: at most {TAG_LIMIT} characters are expected, not {len(given)}")
        kept.append((name(key, "tags"), clean(given)))
    if len(kept) > TAGS_LIMIT:
        raise Fault(f"tags: at most {TAGS_LIMIT} are expected, not {len(kept)}")
    kept.sort()
    return tuple(kept)


def details(value: dict[str, Any], warn: Warn) -> bytes:
    """Details as JSON that PostgreSQL takes: no NUL, no half surrogates, finite numbers, long texts cut."""
    return body(value, "details", warn)


def body(value: object, field: str, warn: Warn) -> bytes:
    """As `details`, for anything that JSON can hold."""
    encoded = b""
    try:
        encoded = msgspec.json.encode(value)
    except (UnicodeEncodeError, RecursionError, OverflowError, ValueError):
        fit = False
    else:
        nested = encoded.count(b"{") + encoded.count(b"[")
        # `null` may be a NaN: the encoder writes it for one.
        fit = len(encoded) <= TEXT_LIMIT and nested <= DEPTH_LIMIT and b"\\u0000" not in encoded
        fit = fit and b"null" not in encoded
    if fit:
        return encoded
    return msgspec.json.encode(_mended(value, field, warn, DEPTH_LIMIT))


def _mended(value: object, field: str, warn: Warn, depth: int) -> object:
    if depth == 0:
        raise Fault(f"{field.partition('.')[0]}: nested deeper than {DEPTH_LIMIT}")
    if isinstance(value, str):
        return text(value, field, warn)
    if isinstance(value, dict):
        return {
            text(key, field, warn): _mended(item, f"{field}.{clean(key[:40])}", warn, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_mended(item, field, warn, depth - 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise Fault(f"{field}: NaN, infinite or too large; a finite number is expected")
    return value
