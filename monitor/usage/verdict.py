"""Whether more may be spent of a budget: judged from where it stands. Pure, exact."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from monitor.usage.tables import BudgetScope, Period, Unit

_AT_LEAST = timedelta(minutes=1)
"""A rate of less time than this would be a guess."""


class Verdict(StrEnum):
    """What an agent that asks is told. `warn`: it may, and most is spent."""

    ALLOW = "allow"
    WARN = "warn"
    DENY = "deny"


_RANK = {Verdict.ALLOW: 0, Verdict.WARN: 1, Verdict.DENY: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A budget and where it stands. Amounts are in its unit.

    `reserved`: what is left of reservations that have not expired. `recent`: what was spent since `recent_since`.
    `exhausted_at`: when spending reached the limit, where it did.
    """

    id: UUID
    name: str
    scope: BudgetScope
    target: str
    agent: str | None
    unit: Unit
    period: Period
    timezone: str
    limit: Decimal
    warn_at: Decimal
    enabled: bool
    starts_at: datetime
    resets_at: datetime
    spent: Decimal
    reserved: Decimal
    recent: Decimal
    recent_since: datetime
    exhausted_at: datetime | None = None

    @property
    def whose(self) -> str | None:
        """The agent's external id, the model, the user or the workflow; None for the tenant."""
        return self.agent if self.scope is BudgetScope.AGENT else self.target or None

    @property
    def remaining(self) -> Decimal:
        """What may still be spent or reserved; zero where more was spent than the limit."""
        return max(Decimal(0), self.limit - self.spent - self.reserved)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a budget says. `remaining`: after what was asked for, where it is allowed."""

    standing: Standing
    verdict: Verdict
    remaining: Decimal
    exhausted_at: datetime | None


def judge(standing: Standing, wanted: Decimal, now: datetime) -> Judged:
    """Whether `wanted` more may be spent; with nothing wanted, whether anything may.

    Denied is what would pass the limit, counting what others have reserved; a budget is warned of from its share
    `warn_at` on.
    """
    left = standing.limit - standing.spent - standing.reserved
    if wanted > left or left <= 0:
        verdict, left = Verdict.DENY, max(Decimal(0), left)
    else:
        left -= wanted
        high = standing.limit - left >= standing.limit * standing.warn_at
        verdict = Verdict.WARN if high else Verdict.ALLOW
    return Judged(standing, verdict, left, forecast(standing, now))


def forecast(standing: Standing, now: datetime) -> datetime | None:
    """When spending reached the limit, or will at the rate of the last hour or two; None if not in this period."""
    if standing.spent >= standing.limit:
        return standing.exhausted_at
    since = now - max(standing.recent_since, standing.starts_at)
    rate = standing.recent / Decimal(max(since, _AT_LEAST).total_seconds())
    if rate <= 0:
        return None
    seconds = (standing.limit - standing.spent) / rate
    if seconds >= Decimal((standing.resets_at - now).total_seconds()):
        return None
    return now + timedelta(seconds=float(seconds))


def strictest(judged: Sequence[Judged]) -> Judged | None:
    """The one that counts: the hardest verdict, and among those the one with the smallest share left."""
    return min(judged, key=lambda each: (-_RANK[each.verdict], _share(each)), default=None)


def _share(judged: Judged) -> Decimal:
    return judged.remaining / judged.standing.limit if judged.standing.limit else Decimal(0)
