"""`/silences`: what nobody is told of for a while, what would be withheld before it is, and windows that recur."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response

from alerts import silence_routes
from alerts.muting_bodies import PreviewAnswer, PreviewBody, SilenceAnswer, SilenceBody
from alerts.silences import SilenceState
from monitor.calendar import routes as calendar
from monitor.calendar.model import EventKind
from monitor.console.forms import Typed, body_of, done, given, tried
from monitor.console.page_routes import PageRoute, read_own_form
from monitor.console.render import page
from monitor.console.shell import read_viewer
from monitor.errors import InvalidInput
from monitor.http.deps import Deps, Given, Reader, Responder
from monitor.principal import Principal, Scope
from monitor.series.routes import parse_span, parse_time

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["alerts"])

_A_PAGE = 50
_SHOWN = 50
_FORM = "silence"
_FIELDS = ("matchers", "starts_at", "ends_at", "comment")
_LONGEST = 2000
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
    here = f"/silences?state={state}"
    values = {
        "found": found, "state": state, "states": list(map(str, SilenceState)), "windows": windows.items,
        "more_windows": windows.next is not None, "first": here if cursor else None,
        "next": f"{here}&{urlencode({'cursor': found.next})}" if found.next else None,
    }  # fmt: skip
    return await _page("silences.html", request, deps, principal, values)


@router.get("/silences/new")
async def new_silence(request: Request, deps: Given, principal: Reader) -> Response:
    """The form; what the query string names is filled in."""
    asked = {name: said[:_LONGEST] for name, said in given(request.query_params, *_FIELDS).items()}
    return await _form(request, deps, principal, Typed(_FORM, {"ends_at": "+2h"} | asked))


@router.post("/silences/preview")
async def preview(request: Request, deps: Given, principal: Reader) -> Response:
    """What the matchers of the form would withhold."""
    form = await read_own_form(request)
    found: list[PreviewAnswer] = []

    async def ask() -> None:
        asked = PreviewBody(matchers=_matchers(form))
        found.append(await silence_routes.preview(deps, principal, asked, limit=_SHOWN))

    wrong = await tried(request, _FORM, form, _FIELDS, ask)
    return await _form(request, deps, principal, wrong or Typed(_FORM, form), told=found[0] if found else None)


@router.post("/silences")
async def create(request: Request, deps: Given, principal: Responder) -> Response:
    """Begin it, then show what is in force."""
    form = await read_own_form(request)
    made: list[SilenceAnswer] = []

    async def make() -> None:
        typed = given(form, *_FIELDS)
        for name, wanted in (("ends_at", "must be said: as in +2h"), ("comment", "must say why")):
            if name not in typed:
                raise InvalidInput(wanted, path=name)
        times = {name: _time(deps, typed, name) for name in ("starts_at", "ends_at")}
        body = body_of(SilenceBody, {"matchers": _matchers(form), "comment": typed["comment"]} | times)
        made.append(await silence_routes.create_silence(deps, principal, body, Response()))

    wrong = await tried(request, _FORM, form, _FIELDS, make)
    if wrong is not None:
        return await _form(request, deps, principal, wrong)
    return done(f"/silences?state={made[0].state}")


@router.post("/silences/{silence_id}/expire")
async def expire(request: Request, deps: Given, principal: Responder, silence_id: UUID) -> Response:
    """End it now, then show those that are over."""
    await read_own_form(request)
    await silence_routes.expire_silence(deps, principal, silence_id, Response())
    return done("/silences?state=expired")


async def _form(
    request: Request, deps: Deps, principal: Principal, typed: Typed, *, told: PreviewAnswer | None = None
) -> Response:
    values = {"typed": typed, "of": _FORM, "told": told, "lasts": _LASTS}
    return await _page("silence.html", request, deps, principal, values, status=typed.status)


async def _page(
    name: str, request: Request, deps: Deps, principal: Principal, values: dict[str, Any], *, status: int = 200
) -> Response:
    async with deps.db.tenant(principal.tenant_id) as connection:
        viewer = await read_viewer(connection, principal)
    known = {"viewer": viewer, "now": deps.clock(), "may_respond": principal.may(Scope.ALERTS)}
    return page(name, request, known | values, status=status)


def _matchers(form: Mapping[str, str]) -> list[str]:
    return [line.strip() for line in form.get("matchers", "").splitlines() if line.strip()]


def _time(deps: Deps, typed: Mapping[str, str], name: str) -> datetime | None:
    said = typed.get(name, "")
    if said.startswith("+"):
        return deps.clock() + parse_span(said[1:], path=name)
    return parse_time(said, now=deps.clock(), path=name) if said else None
