"""`/settings/prices` and `/settings/names`: what models cost, and what agents say that nobody understands."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from monitor.console.forms import Typed, body_of, done, given, tried
from monitor.console.page_routes import PageRoute, read_own_form
from monitor.console.settings_page import settings_page
from monitor.http.deps import Deps, Given, Reader, Writer
from monitor.http.paging import Cursor
from monitor.principal import Principal
from monitor.runs import unmapped_routes
from monitor.usage import routes as usage
from monitor.usage.bodies import NewPriceBody
from monitor.usage.prices import AMOUNTS

prices = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["usage"])
names = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["runs"])
_PATH = "/settings/prices"
_FIELDS = ("model", "provider", *AMOUNTS)
_ROWS = 50
_LONGEST_SEARCH = 200


@prices.get(_PATH)
async def show_prices(
    request: Request, deps: Given, principal: Reader, q: str = "", model: str = "", cursor: Cursor = None
) -> Response:
    """Prices by model, models without one, and a form for a price of the tenant's own, begun for `model`."""
    typed = Typed("price", {"model": model}) if model else None
    return await _show(request, deps, principal, typed, search=q, cursor=cursor)


async def _show(
    request: Request, deps: Deps, principal: Principal, typed: Typed | None = None, *, search: str = "",
    cursor: str | None = None,
) -> Response:  # fmt: skip
    wanted = search.strip().replace("\x00", "")[:_LONGEST_SEARCH]
    found = await usage.list_prices(deps, principal, limit=_ROWS, cursor=cursor, q=wanted or None)
    unpriced = await usage.list_unpriced(deps, principal)
    values = {"prices": found.items, "next": found.next, "q": wanted, "unpriced": unpriced["items"], "parts": AMOUNTS}
    return await settings_page(request, deps, principal, "prices", values, typed)


@prices.post(_PATH)
async def create_price(request: Request, deps: Given, principal: Writer) -> Response:
    """Keep a price of the tenant's own, from now on."""
    form = await read_own_form(request)

    async def do() -> None:
        await usage.create_price(deps, principal, body_of(NewPriceBody, given(form, *_FIELDS)))

    typed = await tried(request, "price", form, _FIELDS, do)
    return done(_PATH) if typed is None else await _show(request, deps, principal, typed)


@prices.post(_PATH + "/{price_id}/remove")
async def remove_price(request: Request, deps: Given, principal: Writer, price_id: UUID) -> Response:
    """Forget one of the tenant's own."""
    await read_own_form(request)
    await usage.delete_price(deps, principal, str(price_id))
    return done(_PATH)


@names.get("/settings/names")
async def show_names(request: Request, deps: Given, principal: Reader, cursor: Cursor = None) -> Response:
    """What arrived and could not be mapped."""
    found = await unmapped_routes.list_names(deps, principal, limit=_ROWS, cursor=cursor)
    return await settings_page(request, deps, principal, "names", {"names": found.items, "next": found.next})
