"""The pages: the first one, the API's description; those of the other files beside them."""

import msgspec
from fastapi import APIRouter, Request, Response

from monitor.console import (
    account_pages,
    agent_pages,
    alert_pages,
    audit_pages,
    channel_pages,
    key_pages,
    member_pages,
    oidc_pages,
    price_pages,
    respond,
    retention_pages,
    rule_pages,
    sign_in,
    silence_pages,
    start_pages,
    static_files,
    trace_pages,
)
from monitor.console.board import read_board
from monitor.console.charts import read_charts
from monitor.console.docs import groups
from monitor.console.fleet import GROUPS, SORTS, wanted_of
from monitor.console.page_routes import PageRoute
from monitor.console.render import HEADERS, page
from monitor.console.shared import Shared
from monitor.console.shell import read_viewer
from monitor.http.deps import Deps, Given, Reader
from monitor.principal import Principal

router = APIRouter(include_in_schema=False)
pages = APIRouter(route_class=PageRoute)


@pages.get("/")
async def first_page(request: Request, deps: Given, principal: Reader) -> Response:
    """The fleet, what is wrong with it, and what was sent."""
    return await _board(request, deps, principal, "board.html")


@pages.get("/console/board")
async def content(request: Request, deps: Given, principal: Reader) -> Response:
    """The first page's content, for its script: the same for all of a tenant who look within a second."""
    wanted = wanted_of(request.query_params)
    boards: Shared = request.app.state.boards

    async def make() -> bytes:
        return bytes((await _board(request, deps, principal, "content.html")).body)

    body = await boards.get((principal.tenant_id, wanted), make)
    return Response(body, headers=HEADERS, media_type="text/html; charset=utf-8")


async def _board(request: Request, deps: Deps, principal: Principal, template: str) -> Response:
    wanted = wanted_of(request.query_params)
    async with deps.db.tenant(principal.tenant_id) as connection:
        board = await read_board(connection, principal.tenant_id, deps.clock(), settings=deps.settings, wanted=wanted)
        viewer = await read_viewer(connection, principal)
    values = {"board": board, "viewer": viewer, "sorts": SORTS, "kinds": GROUPS}
    return page(template, request, values, charts=True)


@pages.get("/console/chart.json")
async def chart(request: Request, deps: Given, principal: Reader, range: str = "1h") -> Response:  # noqa: A002
    """What the charts draw: the same for all of a tenant who look within ten seconds, as it reads much."""
    charts: Shared = request.app.state.charts

    async def make() -> bytes:
        drawn = await read_charts(deps.series, principal.tenant_id, deps.clock(), span=range)
        return msgspec.json.encode(drawn)

    body = await charts.get((principal.tenant_id, range), make)
    return Response(body, headers=HEADERS, media_type="application/json")


@pages.get("/docs")
async def docs(request: Request) -> Response:
    """The API, on a page that loads nothing from elsewhere."""
    api = request.app.openapi()
    return page("docs.html", request, {"api": api, "groups": groups(api)})


router.include_router(pages)
router.include_router(agent_pages.router)
router.include_router(alert_pages.router)
router.include_router(rule_pages.router)
router.include_router(silence_pages.router)
router.include_router(trace_pages.router)
router.include_router(start_pages.router)
for part in (member_pages, key_pages, channel_pages, retention_pages, audit_pages):
    router.include_router(part.router)
router.include_router(price_pages.prices)
router.include_router(price_pages.names)
router.include_router(sign_in.router)
router.include_router(oidc_pages.router)
router.include_router(account_pages.router)
router.include_router(respond.router)
router.include_router(static_files.router)
