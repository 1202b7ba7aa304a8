"""Identifiers: UUIDv7 (RFC 9562, 5.7) whose order is the order of time to the microsecond.

The 12 bits of `rand_a` carry the microsecond within the millisecond (RFC 9562, 6.2 method 3), so sorting by
id is sorting by time, and `id >= uuid7_floor(t)` prunes partitions.
"""

import hashlib
import itertools
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)

PLATFORM_TENANT = UUID("00000000-0000-7000-8000-000000000000")
"""Owner of what belongs to everybody: predefined agent types, system alerts."""


def microseconds(at: datetime) -> int:
    """Whole microseconds since the Unix epoch, exact (floats are not, past 2^53 ns)."""
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + timedelta(microseconds=value)


# Ids of one microsecond sort in the order in which this process made them (RFC 9562, 6.2 method 1).
_made = itertools.count()


def _compose(at_us: int, tail: int) -> UUID:
    millis, micros = divmod(at_us, 1000)
    # 1000 microseconds spread over 4096 steps, so that the order of ids is the order of microseconds.
    fraction = micros * 4096 // 1000
    return UUID(int=(millis << 80) | (fraction << 64) | _VERSION_AND_VARIANT | tail)


def uuid7(at: datetime) -> UUID:
    """A new id for something that happened at `at`."""
    return uuid7_us(microseconds(at))


def uuid7_us(at_us: int) -> UUID:
    """As `uuid7`, for microseconds since the epoch."""
    # Ids have to differ, not to be hard to guess: no system call for each.
    return _compose(at_us, (next(_made) & 0x3FFFFF) << 40 | random.getrandbits(40))


def uuid7_named(at_us: int, name: str) -> UUID:
    """The same id for the same time and name, for a caller's own identifiers."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return _compose(at_us, int.from_bytes(digest) & ((1 << 62) - 1))


def uuid7_floor(at: datetime) -> UUID:
    """The smallest id of `at`: a bound for ranges, never an id of a row. Ids begin in 1970."""
    return _compose(max(0, microseconds(at)), 0)


def uuid7_time(value: UUID) -> datetime:
    """When an id was made, to the microsecond (rounded up within its 1/4096 of a millisecond)."""
    millis = value.int >> 80
    fraction = (value.int >> 64) & 0xFFF
    return from_microseconds(millis * 1000 + -(-fraction * 1000 // 4096))
