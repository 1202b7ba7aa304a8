"""The pages: the first one, an alert's, signing in and out, the API's description."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.console import static_files, store
from monitor.console.board import read_board
from monitor.console.charts import read_charts
from monitor.console.docs import groups
from monitor.console.render import csrf_of, page
from monitor.errors import Forbidden, MonitorError, Unauthenticated
from monitor.http.deps import SESSION_COOKIE, Deps
from monitor.identity.keys import SESSION_SECONDS
from monitor.identity.store import get_tenant
from monitor.principal import Principal, Scope

Respond = Callable[[Principal, UUID], Awaitable[object]]
"""Acknowledges or resolves an alert for somebody."""

_LARGEST_FORM = 10_000


class PageRoute(APIRoute):
    """A route whose errors are pages, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with our own errors shown."""
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handle(request)
            except Unauthenticated as error:
                first = SESSION_COOKIE not in request.cookies and request.url.path != "/sign-in"
                heading = "You are not signed in" if first else "Sign in again"
                detail = "This page is for people who watch the fleet." if first else f"{error.message.capitalize()}."
                return page("sign_in.html", request, {"heading": heading, "detail": detail}, status=401)
            except MonitorError as error:
                if error.status == 500:
                    raise
                values = {"heading": error.message.capitalize(), "detail": "Nothing was changed."}
                return page("fault.html", request, values, status=error.status)

        return shown


async def _form(request: Request) -> dict[str, str]:
    """The fields of a posted form whose token is right. Raises Forbidden."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            raise Forbidden("the form is too large")
    fields = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    if fields.get("csrf") != csrf_of(request):
        raise Forbidden("the form is too old: go back, load the page again and repeat")
    return fields


class _Pages:
    """What all pages need."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def reader(self, request: Request, scope: Scope = Scope.READ) -> Principal:
        """Who is looking. Raises Unauthenticated."""
        principal = await self._deps.authenticate(request)
        principal.require(scope)
        return principal

    async def board(self, request: Request, template: str) -> Response:
        """The first page, or only its content."""
        principal = await self.reader(request)
        now, settings = self._deps.clock(), self._deps.settings
        async with self._deps.db.tenant(principal.tenant_id) as connection:
            board = await read_board(connection, principal.tenant_id, now, settings=settings)
            tenant = await _name(connection, principal)
        values = {"board": board, "tenant": tenant, "url": settings.public_url.rstrip("/")}
        return page(template, request, values, charts=True)

    async def alert(self, request: Request, alert_id: UUID) -> Response:
        """One alert with its timeline and messages."""
        principal = await self.reader(request)
        async with self._deps.db.tenant(principal.tenant_id) as connection:
            values = {
                "alert": await store.get_alert(connection, principal.tenant_id, alert_id),
                "events": await store.list_events(connection, principal.tenant_id, alert_id),
                "messages": await store.list_messages(connection, principal.tenant_id, limit=20, alert_id=alert_id),
                "tenant": await _name(connection, principal),
            }
        return page("alert.html", request, {"now": self._deps.clock(), **values})

    async def respond(self, request: Request, alert_id: UUID, act: Respond) -> Response:
        """Do something about an alert, then show it."""
        principal = await self.reader(request, Scope.ALERTS)
        await _form(request)
        await act(principal, alert_id)
        return RedirectResponse(f"/alerts/{alert_id}", status_code=303)


async def _name(connection: AsyncConnection, principal: Principal) -> str:
    return (await get_tenant(connection, principal.tenant_id)).name


def router(deps: Deps, *, acknowledge: Respond, resolve: Respond) -> APIRouter:
    """The pages and their files."""
    routes = APIRouter(include_in_schema=False)
    routes.include_router(_board(deps))
    routes.include_router(_alert(deps, acknowledge, resolve))
    routes.include_router(_session(deps))
    routes.include_router(static_files.router())
    return routes


def _board(deps: Deps) -> APIRouter:
    routes, pages = APIRouter(route_class=PageRoute), _Pages(deps)

    @routes.get("/")
    async def first_page(request: Request) -> Response:
        return await pages.board(request, "board.html")

    @routes.get("/console/board")
    async def content(request: Request) -> Response:
        return await pages.board(request, "content.html")

    @routes.get("/console/chart.json")
    async def chart(request: Request, range: str = "1h") -> dict[str, Any]:  # noqa: A002
        principal = await pages.reader(request)
        return await read_charts(deps.series, principal.tenant_id, deps.clock(), span=range)

    @routes.get("/docs")
    async def docs(request: Request) -> Response:
        api = request.app.openapi()
        return page("docs.html", request, {"api": api, "groups": groups(api)})

    return routes


def _alert(deps: Deps, acknowledge: Respond, resolve: Respond) -> APIRouter:
    routes, pages = APIRouter(prefix="/alerts/{alert_id}", route_class=PageRoute), _Pages(deps)

    @routes.get("")
    async def alert(request: Request, alert_id: UUID) -> Response:
        return await pages.alert(request, alert_id)

    @routes.post("/acknowledge")
    async def acknowledged(request: Request, alert_id: UUID) -> Response:
        return await pages.respond(request, alert_id, acknowledge)

    @routes.post("/resolve")
    async def resolved(request: Request, alert_id: UUID) -> Response:
        return await pages.respond(request, alert_id, resolve)

    return routes


def _session(deps: Deps) -> APIRouter:
    routes = APIRouter(route_class=PageRoute)

    @routes.get("/sign-in")
    async def sign_in(request: Request, token: str = "") -> Response:
        cookie = deps.authenticator.session(token)
        await deps.authenticator.by_session(cookie)
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            SESSION_COOKIE,
            cookie,
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="lax",
            secure=deps.settings.public_url.startswith("https:"),
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @routes.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        await _form(request)
        answer = RedirectResponse("/", status_code=303)
        answer.delete_cookie(SESSION_COOKIE)
        return answer

    return routes
