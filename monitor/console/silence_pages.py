"""`/silences`: what nobody is told of for a while, what would be withheld before it is, and windows that recur."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from alerts import silence_routes
from alerts.muting_bodies import PreviewBody, SilenceBody
from alerts.silences import SilenceState
from monitor.calendar import routes as calendar
from monitor.calendar.model import EventKind
from monitor.console.page_routes import PageRoute, read_own_form
from monitor.console.render import page
from monitor.console.shell import read_viewer
from monitor.errors import InvalidInput, MonitorError
from monitor.http.deps import Deps, Given, Reader, Responder
from monitor.principal import Principal, Scope
from monitor.series.routes import parse_span, parse_time

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["alerts"])

_A_PAGE = 50
_SHOWN = 50
_FIELDS = ("matchers", "starts", "ends", "comment")
_LASTS = ("+30m", "+2h", "+8h", "+1d", "+7d")


@router.get("/silences")
async def list_silences(
    request: Request, deps: Given, principal: Reader, state: str = "active", cursor: str | None = None
) -> Response:
    """The silences that are in force, wait, or are over; and the maintenance windows beside them."""
    if state not in set(SilenceState):
        raise InvalidInput(f"must be one of {', '.join(SilenceState)}", path="state")
    found = await silence_routes.list_silences(deps, principal, _A_PAGE, cursor, SilenceState(state))
    windows = await calendar.list_events(deps, principal, 100, kind=EventKind.MAINTENANCE)
    values = {
        "found": found, "state": state, "states": list(map(str, SilenceState)), "first": cursor is None,
        "windows": windows.items, "more_windows": windows.next is not None,
    }  # fmt: skip
    return await _page("silences.html", request, deps, principal, values)


@router.get("/silences/new")
async def new_silence(request: Request, deps: Given, principal: Reader) -> Response:
    """The form; what the query string names is filled in."""
    given = {name: request.query_params.get(name, "")[:2000] for name in _FIELDS}
    return await _form(request, deps, principal, given | {"ends": given["ends"] or "+2h"})


@router.post("/silences/preview")
async def preview(request: Request, deps: Given, principal: Reader) -> Response:
    """What the matchers of the form would withhold."""
    form = await read_own_form(request)
    try:
        asked = PreviewBody(matchers=_matchers(form))
        told = await silence_routes.preview(deps, principal, asked, limit=_SHOWN)
    except InvalidInput as fault:
        return await _form(request, deps, principal, form, fault=fault)
    return await _form(request, deps, principal, form, told=told)


@router.post("/silences")
async def create(request: Request, deps: Given, principal: Responder) -> Response:
    """Begin it, then show what is in force."""
    form = await read_own_form(request)
    try:
        starts = _time(deps, form, "starts")
        ends = _time(deps, form, "ends")
        if ends is None:
            raise InvalidInput("must be said: as in +2h", path="ends")
        if not form.get("comment", "").strip():
            raise InvalidInput("must say why", path="comment")
        body = SilenceBody(matchers=_matchers(form), starts_at=starts, ends_at=ends, comment=form["comment"].strip())
        made = await silence_routes.create_silence(deps, principal, body, Response())
    except ValidationError as fault:
        first = fault.errors()[0]
        wrong = InvalidInput(str(first["msg"]), path=str(first["loc"][0]))
        return await _form(request, deps, principal, form, fault=wrong)
    except InvalidInput as fault:
        return await _form(request, deps, principal, form, fault=fault)
    return RedirectResponse(f"/silences?state={made.state}", status_code=303)


@router.post("/silences/{silence_id}/expire")
async def expire(request: Request, deps: Given, principal: Responder, silence_id: UUID) -> Response:
    """End it now, then show those that are over."""
    await read_own_form(request)
    await silence_routes.expire_silence(deps, principal, silence_id, Response())
    return RedirectResponse("/silences?state=expired", status_code=303)


async def _form(
    request: Request,
    deps: Deps,
    principal: Principal,
    given: dict[str, str],
    *,
    told: Any = None,
    fault: MonitorError | None = None,
) -> Response:
    path = fault.path if isinstance(fault, InvalidInput) else None
    values = {
        "given": {name: given.get(name, "") for name in _FIELDS}, "told": told, "lasts": _LASTS,
        "wrong": None if fault is None else fault.message,
        "at": {"starts_at": "starts", "ends_at": "ends"}.get(path or "", (path or "").partition("[")[0]),
    }  # fmt: skip
    return await _page("silence.html", request, deps, principal, values, status=200 if fault is None else fault.status)


async def _page(
    name: str, request: Request, deps: Deps, principal: Principal, values: dict[str, Any], *, status: int = 200
) -> Response:
    async with deps.db.tenant(principal.tenant_id) as connection:
        viewer = await read_viewer(connection, principal)
    known = {"viewer": viewer, "now": deps.clock(), "may_respond": principal.may(Scope.ALERTS)}
    return page(name, request, known | values, status=status)


def _matchers(form: dict[str, str]) -> list[str]:
    return [line.strip() for line in form.get("matchers", "").splitlines() if line.strip()]


def _time(deps: Deps, form: dict[str, str], name: str) -> datetime | None:
    said = form.get(name, "").strip()
    if said.startswith("+"):
        return deps.clock() + parse_span(said[1:], path=name)
    return parse_time(said, now=deps.clock(), path=name) if said else None
