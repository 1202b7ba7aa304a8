"""Bodies of prices' and usage's routes. Money and other exact amounts are decimal text in answers."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from monitor.usage.prices import MAX_PRICE
from monitor.usage.pricing import MAX_TEXT, PLACES
from monitor.usage.tables import BudgetScope, Period, PriceSource, Unit
from monitor.usage.verdict import Verdict


def plain(amount: Decimal) -> str:
    """An amount as text, without zeros at its end and without an exponent."""
    return f"{amount.normalize():f}" if amount else "0"


def no_nul(text: str) -> str:
    """The text. Raises ValueError where PostgreSQL could not store it."""
    if "\x00" in text:
        raise ValueError("the character NUL cannot be stored")
    return text


def _places(amount: Decimal) -> Decimal:
    if amount != amount.quantize(PLACES):
        raise ValueError("at most ten decimal places")
    return amount


Exact = Annotated[Decimal, PlainSerializer(plain, return_type=str)]
PerMillion = Annotated[Decimal, Field(ge=0, le=MAX_PRICE, allow_inf_nan=False), AfterValidator(_places)]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(no_nul)]


class NewPriceBody(BaseModel):
    """What a model costs from a time on, in US dollars for a million tokens.

    A `model` that ends with `*` stands for all names that begin so. Without `valid_from` it is valid from now on.
    """

    model_config = ConfigDict(extra="forbid")

    model: Text
    valid_from: AwareDatetime | None = None
    input: PerMillion
    output: PerMillion
    cache_read: PerMillion | None = None
    cache_write: PerMillion | None = None
    reasoning: PerMillion | None = None
    provider: Text | None = None


class PriceBody(BaseModel):
    """A price. `source`: shipped with the product, imported for all tenants, or the tenant's own."""

    id: UUID
    model: str
    provider: str | None
    valid_from: datetime
    input: Exact
    output: Exact
    cache_read: Exact | None
    cache_write: Exact | None
    reasoning: Exact | None
    source: PriceSource


class MatchBody(BaseModel):
    """Which price a model's calls have, if any, and under which names it was looked for."""

    model: str
    names: list[str]
    price: PriceBody | None


class UnpricedBody(BaseModel):
    """Calls whose cost nobody knows. `model` is null where the calls name none."""

    model: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    first_seen_at: datetime
    last_seen_at: datetime


class UsageBody(BaseModel):
    """What calls come to. `at` is null without a step, a label is null where it was not asked for or is not known.

    `cost_usd` is that of the calls with a known price; `unpriced` is how many have none.
    """

    at: datetime | None
    agent: str | None
    model: str | None
    provider: str | None
    user: str | None
    workflow: str | None
    environment: str | None
    calls: int
    failed: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: Exact


MAX_AMOUNT = Decimal(10) ** 15
"""Dollars or tokens that a budget may be of."""
Amount = Annotated[Decimal, Field(ge=0, le=MAX_AMOUNT, allow_inf_nan=False), AfterValidator(_places)]
Share = Annotated[Decimal, Field(ge=0, le=1, decimal_places=4, allow_inf_nan=False)]


class NewBudgetBody(BaseModel):
    """How much may be spent in a period.

    `target`: the agent (its external id or UUID), the model, the user or the workflow, by `scope`. A model's name is
    taken without who serves it and without its release, as prices are looked up.
    """

    model_config = ConfigDict(extra="forbid")

    scope: BudgetScope
    target: Text | None = None
    unit: Unit = Unit.COST_USD
    period: Period
    timezone: Annotated[str, Field(max_length=64, description="IANA name: whose days, weeks and months")] = "UTC"
    limit: Amount
    warn_at: Annotated[Share, Field(description="the share of the limit from which on it warns")] = Decimal("0.8")
    name: Text | None = None
    enabled: bool = True


class BudgetChanges(BaseModel):
    """What may be changed. Another scope, unit or period is another budget."""

    model_config = ConfigDict(extra="forbid")

    limit: Amount = Decimal(0)
    warn_at: Share = Decimal("0.8")
    name: Text = ""
    enabled: bool = True


class BudgetBody(BaseModel):
    """A budget and where it stands in its period. `exhausted_at`: when it was, or will be at the recent rate."""

    id: UUID
    name: str
    scope: BudgetScope
    target: str | None
    unit: Unit
    period: Period
    timezone: str
    limit: Exact
    warn_at: Exact
    enabled: bool
    starts_at: datetime
    resets_at: datetime
    spent: Exact
    reserved: Exact
    remaining: Exact
    exhausted_at: datetime | None


class SaidBody(BaseModel):
    """What one budget says."""

    id: UUID
    name: str
    scope: BudgetScope
    target: str | None
    unit: Unit
    verdict: Verdict
    limit: Exact
    spent: Exact
    reserved: Exact
    remaining: Exact
    resets_at: datetime
    exhausted_at: datetime | None


class ReservationBody(BaseModel):
    """What was reserved, and until when, unless calls spend it or it is released before."""

    id: UUID
    expires_at: datetime


class VerdictBody(BaseModel):
    """The strictest verdict of all budgets in force, and that budget's figures; nulls where none is in force."""

    verdict: Verdict
    budget: UUID | None
    unit: Unit | None
    limit: Exact | None
    remaining: Exact | None
    resets_at: datetime | None
    exhausted_at: datetime | None
    reservation: ReservationBody | None
    budgets: list[SaidBody]
