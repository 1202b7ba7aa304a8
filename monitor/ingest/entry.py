"""How a request enters: admitted, its body read within the budget, without the framework around it.

The endpoints of ingest stand in the OpenAPI document like all others, and are called with the bare request, without
the framework's dependency solving. Each protocol has its own shape of errors: a subclass of BareRoute gives it.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.errors import MonitorError, UnsupportedMedia
from monitor.http import problems
from monitor.ingest import body
from monitor.principal import Principal
from monitor.principal import Scope as KeyScope

if TYPE_CHECKING:
    from monitor.ingest.service import Ingest

_JSON = "application/json"
_LINES = {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
_OPEN = {"", "text/plain"}


class BareRoute(APIRoute):
    """A route whose endpoint gets the request and gives the response, with nothing in between."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint. A client that went away is not answered."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        await self.bare()(scope, receive, send)

    def bare(self) -> ASGIApp:
        """The endpoint as an application of its own."""
        return problems.guarded(self.endpoint, self.answer)

    @staticmethod
    def answer(error: MonitorError) -> Response:
        """The response for an error, in the shape of the route's protocol."""
        return problems.of_error(error)


def hot(routes: APIRouter) -> dict[tuple[str, str], ASGIApp]:
    """The posts among the routes, by method and path, to be called without the framework around them."""
    return {
        ("POST", route.path): route.bare()
        for route in routes.routes
        if isinstance(route, BareRoute) and "POST" in (route.methods or ()) and "{" not in route.path
    }


async def admit(ingest: "Ingest", request: Request, *, key: str | None = None) -> Principal:
    """Who is asking, if it may send rows now: a valid key with the scope, within its rate and its tenant's
    quotas, room on the disk, and data that may be here.

    `key`: the API key, where a protocol has a place of its own for it.
    """
    deps = ingest.deps
    principal = await (deps.authenticate(request) if key is None else deps.authenticator.by_key(key))
    principal.require(KeyScope.INGEST)
    now = ingest.deps.clock()
    await ingest.gate.enter(principal.key_id or principal.user_id, now=now)
    ingest.disk.check()
    await ingest.residency.check(principal.tenant_id)
    await ingest.meter.enter(principal.tenant_id, now)
    return principal


class Entered(NamedTuple):
    """Who sent a body, and the body, decompressed."""

    principal: Principal
    body: bytes


@contextlib.asynccontextmanager
async def entered(ingest: "Ingest", request: Request, *, key: str | None = None) -> AsyncIterator[Entered]:
    """A request's sender and body. The body counts against the budget of all requests until the block ends.

    `key` is for `admit`. Raises what `admit` and `body.read` raise.
    """
    principal = await admit(ingest, request, key=key)
    headers = request.headers
    with ingest.budget.lease() as lease:
        raw = await body.read(
            request.receive,
            lease,
            limit=ingest.deps.settings.body_limit,
            encoding=headers.get("content-encoding", ""),
            length=headers.get("content-length"),
        )
        yield Entered(principal, raw)


def media(content_type: str) -> tuple[bool, bool]:
    """Whether a body is one object a line, and whether that is to be found out. Raises UnsupportedMedia."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _JSON:
        return False, False
    if kind in _LINES:
        return True, False
    if kind in _OPEN:
        return True, True
    raise UnsupportedMedia(f"the content type {kind[:60]!r} is none of application/json, application/x-ndjson")
