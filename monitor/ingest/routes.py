"""POST /api/v1/logs, /metrics and /heartbeats, and the ping addresses.

These are the hot path: the endpoints stand in the OpenAPI document like all others, and are called with the bare
request, without the framework's dependency solving.
"""

from collections.abc import Awaitable, Callable

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.errors import UnsupportedMedia
from monitor.http import problems
from monitor.ingest import body, ping, schema, service
from monitor.ingest.body import Disconnected
from monitor.ingest.idempotency import Answered
from monitor.ingest.service import NONE_KEPT, Ingest
from monitor.principal import Principal
from monitor.principal import Scope as KeyScope

_JSON = "application/json"
_LINES = {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
_OPEN = {"", "text/plain"}
_PLAIN_ANSWERS = 1001

Take = Callable[[service.Request], Awaitable[Answered]]


class BareRoute(APIRoute):
    """A route whose endpoint gets the request and gives the response, with nothing in between."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint. A client that went away is not answered."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        try:
            response: Response = await self.endpoint(Request(scope, receive))
        except Disconnected:
            return
        await response(scope, receive, send)


def router(ingest: Ingest) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["ingest"], route_class=BareRoute)
    for path, take, name in (
        ("/api/v1/metrics", ingest.take_metrics, "metrics"),
        ("/api/v1/logs", ingest.take_logs, "logs"),
        ("/api/v1/heartbeats", ingest.take_beats, "heartbeats"),
    ):
        routes.add_api_route(
            path,
            _endpoint(ingest, take),
            methods=["POST"],
            status_code=202,
            name=f"post_{name}",
            summary=f"Take {name} in",
            description=schema.ABOUT[name],
            responses=schema.RESPONSES,
            response_class=Response,
            openapi_extra=schema.operation(name),
        )
    ping.mount(routes, ingest)
    return routes


def hot(routes: APIRouter) -> dict[tuple[str, str], ASGIApp]:
    """The posts among the routes, by method and path, to be called without the framework around them."""
    return {
        ("POST", route.path): problems.guarded(route.endpoint)
        for route in routes.routes
        if isinstance(route, BareRoute) and "{" not in route.path
    }


def _endpoint(ingest: Ingest, take: Take) -> Callable[[Request], Awaitable[Response]]:
    # The usual answer, everything kept, is the same bytes over and over.
    plain = [_plain(count) for count in range(_PLAIN_ANSWERS)]

    async def endpoint(request: Request) -> Response:
        principal = await admit(ingest, request)
        headers = request.headers
        lines, sniff = _media(headers.get("content-type", ""))
        with ingest.budget.lease() as lease:
            raw = await body.read(
                request.receive,
                lease,
                limit=ingest.deps.settings.body_limit,
                encoding=headers.get("content-encoding", ""),
                length=headers.get("content-length"),
            )
            answer = await take(
                service.Request(principal, request.scope["path"], raw, lines, sniff, headers.get("idempotency-key"))
            )
        if answer.status == NONE_KEPT:
            return problems.problem(NONE_KEPT, "invalid_input", "no row is kept: each is named", **answer.body)
        accepted: int = answer.body["accepted"]
        if not answer.body["rejected"] and len(answer.body) == 2 and accepted < _PLAIN_ANSWERS:
            return plain[accepted]
        return Response(service.encoded(answer), status_code=answer.status, media_type=_JSON)

    return endpoint


def _plain(accepted: int) -> Response:
    content = msgspec.json.encode({"accepted": accepted, "rejected": []})
    return Response(content, status_code=202, media_type=_JSON)


async def admit(ingest: Ingest, request: Request) -> Principal:
    """Who is asking, if it may send rows now: a valid key with the scope, within its rate, and room on the disk."""
    principal = await ingest.deps.authenticate(request)
    principal.require(KeyScope.INGEST)
    await ingest.gate.enter(principal.key_id or principal.user_id, now=ingest.deps.clock())
    ingest.disk.check()
    return principal


def _media(content_type: str) -> tuple[bool, bool]:
    """Whether the body is one object a line, and whether that is to be found out."""
    media = content_type.partition(";")[0].strip().lower()
    if media == _JSON:
        return False, False
    if media in _LINES:
        return True, False
    if media in _OPEN:
        return True, True
    raise UnsupportedMedia(f"the content type {media[:60]!r} is none of application/json, application/x-ndjson")
