"""What a process knows of a tenant's quotas, and how many of its requests it may let through without asking."""

from dataclasses import dataclass
from datetime import datetime

from monitor.errors import QuotaExceeded
from monitor.usage.quota_tables import Resource
from monitor.usage.quotas import Limits

FRESH = 5.0
"""Seconds after which limits, and what others used, are read again of tenants that send."""
_NEAR = 0.95


@dataclass(slots=True, kw_only=True)
class Purse:
    """One tenant in one day. Times are of the monotonic clock, in seconds.

    `held`: requests taken from the day's rest and not let through yet. `owed`: let through and not counted yet, where
    there is no limit. `passed`: let through since the last settlement; `rate`: in the second before.
    """

    day: datetime
    ends: datetime
    limit: int | None = None
    used: int = 0
    held: int = 0
    owed: int = 0
    passed: int = 0
    rate: int = 0
    waiting: int = 0
    token_limit: int | None = None
    tokens: int = 0
    told: int = 0
    read_at: float = 0.0
    quiet: int = 0
    refusal: QuotaExceeded | None = None
    refused_at: float = 0.0

    def let_through(self, now: datetime) -> bool:
        """Count one request, if that can be done without asking."""
        if not self.read_at or now >= self.ends:
            return False
        if self.token_limit is not None and self.tokens + self.told >= self.token_limit:
            return False
        if self.limit is None:
            self.owed += 1
        elif self.held > 0:
            self.held -= 1
        else:
            return False
        self.passed += 1
        return True

    @property
    def spare(self) -> int:
        """What nobody is going to use here: it is given back."""
        return self.held if self.quiet or self.limit is None else 0

    @property
    def fresh(self) -> float:
        """Seconds for which what was read is good: shorter where few tokens are left, since others use them too."""
        near = self.token_limit is not None and self.tokens + self.told >= self.token_limit * _NEAR
        return 0.0 if near else FRESH

    @property
    def low(self) -> bool:
        """Whether a portion should be fetched before somebody waits for it."""
        return self.limit is not None and self.rate > 1 and self.held <= self.rate // 2

    def limited(self, limits: Limits) -> None:
        """Take over what limits the tenant."""
        requests, tokens = limits.get(Resource.REQUESTS), limits.get(Resource.TOKENS)
        self.limit = None if requests is None else requests.binding
        self.token_limit = None if tokens is None else tokens.binding
