"""Quotas: when a period begins and ends, how much is left, how much of it a process may take at once. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from monitor.errors import QuotaExceeded
from monitor.usage.quota_tables import Resource

SHARE = 16
"""What several collectors hold at one time is left alone by the others: each takes a part of the rest this small."""


class State(StrEnum):
    """How a quota stands. `warned`: most of it is used. `unlimited`: there is no limit, or it is not enforced."""

    UNLIMITED = "unlimited"
    OPEN = "open"
    WARNED = "warned"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A quota in its period. `limit` None: none. `resets_at` None: what is used stays used until it is given up."""

    resource: Resource
    limit: int | None
    used: int
    enforced: bool = True
    warn_at: Decimal = Decimal("0.8")
    said_by: str = "none"
    starts_at: datetime | None = None
    resets_at: datetime | None = None

    @property
    def remaining(self) -> int | None:
        """What may still be used; None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.used)

    @property
    def state(self) -> State:
        """How it stands."""
        if self.limit is None or not self.enforced:
            return State.UNLIMITED
        if self.used >= self.limit:
            return State.EXHAUSTED
        return State.WARNED if self.used >= self.limit * self.warn_at else State.OPEN


def period(resource: Resource, now: datetime) -> tuple[datetime | None, datetime | None]:
    """When the period of a resource that holds `now` begins and ends, by the calendar of UTC."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match resource:
        case Resource.REQUESTS:
            return day, day + timedelta(days=1)
        case Resource.TOKENS:
            first = day.replace(day=1)
            # 32 days after the first of a month lie in the next one.
            return first, (first + timedelta(days=32)).replace(day=1)
        case Resource.AGENTS:
            return None, None


def portion(remaining: int, *, waiting: int, rate: int) -> int:
    """How many requests a process takes from a day's rest at once.

    As many as wait, and beyond that what it lets through in two seconds, but a small part of the rest only: what one
    holds the others cannot use, and what a killed one held is lost until the day ends. `rate` is requests a second.
    """
    return max(1, waiting, min(2 * rate, remaining // SHARE))


def refusal(standing: Standing, now: datetime) -> QuotaExceeded:
    """What somebody is told whose quota is used up."""
    limit, used = standing.limit or 0, standing.used
    said = f"the tenant's limit {standing.resource} is used up: {used} of {limit}"
    wait = None
    if standing.resets_at is not None:
        wait = (standing.resets_at - now).total_seconds()
        said += f"; it resets at {standing.resets_at:%Y-%m-%dT%H:%M:%SZ}"
    return QuotaExceeded(
        said, quota=str(standing.resource), limit=limit, used=used, resets_at=standing.resets_at, retry_after=wait
    )
