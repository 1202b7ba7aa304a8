"""`/api/v1/prices` and `/api/v1/usage`."""

from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import AfterValidator

from monitor.errors import InvalidInput, NotFound, Unreadable
from monitor.http.deps import Given, Reader, Writer
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.series.routes import parse_time
from monitor.usage import hours, prices
from monitor.usage.bodies import MatchBody, NewPriceBody, PriceBody, UnpricedBody, UsageBody, no_nul, plain
from monitor.usage.hours import Label, Step
from monitor.usage.prices import Listed, key_of
from monitor.usage.pricing import find, forms
from monitor.usage.tables import PriceSource

router = APIRouter(prefix="/api/v1", tags=["usage"])

NoNul = AfterValidator(lambda text: text if text is None else no_nul(text))
LONGEST = timedelta(days=400)
MOST_ROWS = 10_000
UNPRICED = 1_000


@router.get("/prices")
async def list_prices(
    deps: Given,
    principal: Reader,
    limit: Limit = 100,
    cursor: Cursor = None,
    q: Annotated[str | None, Query(max_length=200, description="part of the model's name"), NoNul] = None,
) -> Page[PriceBody]:
    """What models cost, by model: the tenant's own prices and those for everybody."""
    after = _after(decode(cursor, parts=2))
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await prices.list_prices(connection, principal.tenant_id, limit=limit, after=after, search=q)
    found = page(rows, limit, lambda row: [row.model, str(row.id)])
    return Page[PriceBody](items=[PriceBody(**asdict(row)) for row in found["items"]], next=found["next"])


@router.post("/prices", status_code=201)
async def create_price(deps: Given, principal: Writer, body: NewPriceBody) -> PriceBody:
    """Keep a price of the tenant's own. Calls since `valid_from` are priced anew within moments; given costs stay."""
    now = deps.clock()
    values = body.model_dump() | {"model": key_of(body.model), "valid_from": body.valid_from or now}
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await prices.insert_price(
            connection, principal.tenant_id, uuid7(now), Listed(**values), source=PriceSource.TENANT
        )
        await deps.audit(
            connection, principal, "price.created", resource=("price", str(row.id)), new=_plain(asdict(row))
        )
    return PriceBody(**asdict(row))


@router.get("/prices/match")
async def match_price(
    deps: Given,
    principal: Reader,
    model: Annotated[str, Query(min_length=1, max_length=1000), NoNul],
    at: str = "now",
) -> MatchBody:
    """Which price the calls of a model have that begin at a time."""
    when = parse_time(at, now=deps.clock(), path="at")
    async with deps.db.tenant(principal.tenant_id) as connection:
        known = await prices.for_models(connection, principal.tenant_id, [model])
        found = find(known, model, when)
        row = None if found is None else await prices.get_price(connection, principal.tenant_id, found.id)
    return MatchBody(model=model, names=list(forms(model)), price=None if row is None else PriceBody(**asdict(row)))


@router.get("/prices/unpriced")
async def list_unpriced(deps: Given, principal: Reader) -> dict[str, list[UnpricedBody]]:
    """Models that calls were made of and nobody knows the price of, those with most calls first."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await prices.list_unpriced(connection, principal.tenant_id, at_most=UNPRICED)
    return {"items": [UnpricedBody(**asdict(row)) for row in rows]}


@router.delete("/prices/{price_id}", status_code=204)
async def delete_price(deps: Given, principal: Writer, price_id: str) -> None:
    """Forget one of the tenant's own prices. Its calls are priced anew, by what is valid without it."""
    known = uuid_of(price_id)
    if known is None:
        raise NotFound("there is no such price of this tenant's own")
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await prices.delete_price(connection, principal.tenant_id, known)
        await deps.audit(
            connection, principal, "price.deleted", resource=("price", str(row.id)), old=_plain(asdict(row))
        )


@router.get("/usage")
async def read_usage(
    deps: Given,
    principal: Reader,
    by: Annotated[str, Query(description="agent, model, provider, user, workflow, environment: any, with commas")] = "",
    start: str = "-24h",
    end: str = "now",
    step: Step | None = None,
    timezone: Annotated[str, Query(max_length=64, description="IANA name, for the days of step=1d")] = "UTC",
) -> dict[str, list[UsageBody]]:
    """Calls, tokens and cost of the whole hours that begin between two times, by labels and time."""
    now = deps.clock()
    low, high = parse_time(start, now=now, path="start"), parse_time(end, now=now, path="end")
    if not low < high <= low + LONGEST:
        raise InvalidInput("must lie before end, by 400 days at most", path="start")
    labels = _labels(by)
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await hours.read(
            connection, principal.tenant_id, by=labels, start=low, end=high, step=step, timezone=zone(timezone),
            at_most=MOST_ROWS + 1,
        )  # fmt: skip
    if len(rows) > MOST_ROWS:
        raise InvalidInput(f"this would be more than {MOST_ROWS} rows: ask for less time, or by less", path="by")
    nothing: dict[str, Any] = dict.fromkeys(Label)
    return {"items": [UsageBody(**{**nothing, **row}) for row in rows]}


def _after(key: list[str] | None) -> tuple[str, UUID] | None:
    if key is None:
        return None
    last = uuid_of(key[1])
    if last is None or "\x00" in key[0]:
        raise Unreadable("cursor is not one that was given out")
    return key[0], last


def _labels(by: str) -> list[Label]:
    names = dict.fromkeys(part.strip() for part in by.split(",") if part.strip())
    try:
        return [Label(name) for name in names]
    except ValueError:
        raise InvalidInput(f"is one or several of {', '.join(Label)}", path="by") from None


def zone(name: str) -> str:
    """The name of a time zone. Raises InvalidInput."""
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, KeyError):
        raise InvalidInput("an IANA name such as Europe/Berlin is expected", path="timezone") from None


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: plain(value)
        if isinstance(value, Decimal)
        else value.isoformat()
        if isinstance(value, datetime)
        else str(value)
        if isinstance(value, UUID)
        else value
        for name, value in values.items()
    }
