"""The pages: the first one, an alert's, the API's description; those of the other files beside them."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from alerts import responses
from alerts.alert_routes import by_of
from monitor.console import (
    account_pages,
    agent_pages,
    oidc_pages,
    respond,
    sign_in,
    start_pages,
    static_files,
    store,
    trace_pages,
)
from monitor.console.board import read_board
from monitor.console.charts import read_charts
from monitor.console.docs import groups
from monitor.console.fleet import GROUPS, SORTS, wanted_of
from monitor.console.page_routes import PageRoute, read_own_form
from monitor.console.render import HEADERS, page
from monitor.console.shared import Shared
from monitor.console.shell import read_viewer
from monitor.errors import InvalidInput
from monitor.http.deps import Deps, Given, Reader, Responder
from monitor.principal import Principal, Scope

_LONGEST_COMMENT = 2000
_SPANS = {
    "30 minutes": timedelta(minutes=30),
    "1 hour": timedelta(hours=1),
    "4 hours": timedelta(hours=4),
    "8 hours": timedelta(hours=8),
    "1 day": timedelta(days=1),
    "3 days": timedelta(days=3),
    "1 week": timedelta(days=7),
}
"""How long an alert can be snoozed from its page."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What people say about an alert. `lasts`: one of _SPANS; `ends`: the snooze that there is."""

    comment: str | None
    lasts: str
    ends: bool


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


@pages.get("/alerts/{alert_id}")
async def alert(request: Request, deps: Given, principal: Reader, alert_id: UUID) -> Response:
    """One alert with its timeline and messages."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        values = {
            "alert": await store.get_alert(connection, tenant_id, alert_id),
            "events": await responses.list_events(connection, tenant_id, alert_id),
            "messages": await store.list_messages(connection, tenant_id, limit=20, alert_id=alert_id),
            "viewer": await read_viewer(connection, principal),
            "row": await responses.get_alert(connection, tenant_id, alert_id),
        }
    known = {"now": deps.clock(), "may_respond": principal.may(Scope.ALERTS), "spans": list(_SPANS)}
    return page("alert.html", request, known | values)


@pages.post("/alerts/{alert_id}/acknowledge")
async def acknowledge(request: Request, deps: Given, principal: Responder, alert_id: UUID) -> Response:
    """Say that somebody has it, then show the alert."""
    form = await _read(request)
    async with deps.db.tenant(principal.tenant_id) as connection:
        await responses.acknowledge(connection, by_of(deps, principal), alert_id, said=form.comment)
    return RedirectResponse(f"/alerts/{alert_id}", status_code=303)


@pages.post("/alerts/{alert_id}/snooze")
async def snooze(request: Request, deps: Given, principal: Responder, alert_id: UUID) -> Response:
    """Say nothing about an alert for a while, or end that, then show it."""
    form = await _read(request)
    if form.lasts not in _SPANS and not form.ends:
        raise InvalidInput(f"must be one of {', '.join(_SPANS)}", path="for")
    until = None if form.ends else deps.clock() + _SPANS[form.lasts]
    async with deps.db.tenant(principal.tenant_id) as connection:
        await responses.snooze(connection, by_of(deps, principal), alert_id, until=until, said=form.comment)
    return RedirectResponse(f"/alerts/{alert_id}", status_code=303)


@pages.post("/alerts/{alert_id}/comment")
async def comment(request: Request, deps: Given, principal: Responder, alert_id: UUID) -> Response:
    """Say something about an alert, then show it."""
    form = await _read(request)
    if form.comment is not None:
        async with deps.db.tenant(principal.tenant_id) as connection:
            await responses.comment(connection, by_of(deps, principal), alert_id, form.comment)
    return RedirectResponse(f"/alerts/{alert_id}", status_code=303)


@pages.post("/alerts/{alert_id}/resolve")
async def resolve(request: Request, deps: Given, principal: Responder, alert_id: UUID) -> Response:
    """Close an alert by hand, then show it."""
    form = await _read(request)
    async with deps.db.tenant(principal.tenant_id) as connection:
        await responses.resolve(connection, by_of(deps, principal), alert_id, said=form.comment)
    return RedirectResponse(f"/alerts/{alert_id}", status_code=303)


async def _read(request: Request) -> _Form:
    """Read a posted form. Raises TooLarge, InvalidInput, Forbidden without the token that its page gave it."""
    form = await read_own_form(request)
    said = form.get("comment", "").strip().replace("\x00", "\ufffd")
    if len(said) > _LONGEST_COMMENT:
        raise InvalidInput(f"must have at most {_LONGEST_COMMENT} characters", path="comment")
    return _Form(said or None, form.get("for", ""), ends="end" in form)


router.include_router(pages)
router.include_router(agent_pages.router)
router.include_router(trace_pages.router)
router.include_router(start_pages.router)
router.include_router(sign_in.router)
router.include_router(oidc_pages.router)
router.include_router(account_pages.router)
router.include_router(respond.router)
router.include_router(static_files.router)
