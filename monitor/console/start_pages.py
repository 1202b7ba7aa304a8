"""`/start`: the way to the first message, and `/console/events`, which says when something happens."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from monitor.console.agent import path_of
from monitor.console.page_routes import PageRoute, read_own_form
from monitor.console.render import page
from monitor.console.shell import read_viewer
from monitor.console.watching import LASTS, Watches, look
from monitor.http.deps import Admin, Deps, Given, Reader
from monitor.identity import key_routes
from monitor.identity.key_routes import NewKeyBody
from monitor.principal import Principal, Scope

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["agents"])

_NOBODY = "am_…"
"""Where a key belongs and none is known."""


@router.get("/start")
async def start(request: Request, deps: Given, principal: Reader) -> Response:
    """What to send, ready to be copied, but for the key."""
    return await _show(request, deps, principal)


@router.post("/start")
async def make_key(request: Request, deps: Given, principal: Admin) -> Response:
    """Make a key that sends: this answer shows it in all that is to be copied, and no other does."""
    await read_own_form(request)
    made = await key_routes.create_key(deps, principal, NewKeyBody(name="first message", scopes=[Scope.INGEST]))
    return await _show(request, deps, principal, key=made.key)


async def _show(request: Request, deps: Deps, principal: Principal, *, key: str | None = None) -> Response:
    async with deps.db.tenant(principal.tenant_id) as connection:
        viewer = await read_viewer(connection, principal)
        last = await look(connection, principal.tenant_id)
    values = {
        "viewer": viewer, "made": key is not None, "key": key or _NOBODY, "url": deps.settings.public_url.rstrip("/"),
        "may_make": principal.may(Scope.ADMIN), "now": deps.clock(), "last": last,
        "last_path": None if last.agent is None else path_of(last.agent, last.agent_id or ""),
    }  # fmt: skip
    return page("start.html", request, values)


@router.get("/console/events")
async def events(
    request: Request, principal: Reader, lasts: Annotated[float, Query(ge=1, le=LASTS)] = LASTS
) -> Response:
    """Server-sent events: what is new at the tenant of whoever looks, for so many seconds."""
    watches: Watches = request.app.state.watches
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(
        watches.events(principal.tenant_id, lasts=lasts), media_type="text/event-stream", headers=headers
    )
