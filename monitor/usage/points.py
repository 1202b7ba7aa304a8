"""Calls as points of series, for rules and charts: `cost_usd` and `tokens` of an agent, by model. Pure."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from monitor.usage.ledger import Place, Posted

COST, TOKENS = "cost_usd", "tokens"


class UsagePoint(msgspec.Struct, frozen=True):
    """One point of a series whose points are summed (the kind `delta`). The tag `model` is left out where it is None.

    `metric` is `cost_usd` (unit USD) or `tokens` (unit tokens).
    """

    agent_id: UUID
    metric: str
    model: str | None
    at: datetime
    value: float


def points_of(posted: Posted) -> Iterator[UsagePoint]:
    """What calls come to, at the times when they began; zero where a call is no longer.

    A point of the same series and time takes the place of the one before, so that calls told again count once. Calls
    of one agent and model that begin in the same microsecond are one point, as far as they were put in together. What
    nobody knows the price of has no point of `cost_usd`.
    """
    tokens: defaultdict[Place, int] = defaultdict(int)
    cost: defaultdict[Place, Decimal] = defaultdict(Decimal)
    for place in posted.gone:
        tokens[place], cost[place] = 0, Decimal(0)
    for each in posted.calls:
        place = Place(each.call.agent_id, each.call.model, each.call.started_at)
        tokens[place] += each.call.tokens.total
        if each.cost_usd is not None:
            cost[place] += each.cost_usd
    for metric, values in ((TOKENS, tokens), (COST, cost)):
        for place, value in values.items():
            yield UsagePoint(place.agent_id, metric, place.model, place.at, float(value))
