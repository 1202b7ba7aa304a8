"""POST /v1/traces, /v1/metrics and /v1/logs: OTLP over HTTP."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.errors import MonitorError, UnsupportedMedia
from monitor.http import problems
from monitor.ingest.entry import BareRoute, entered
from monitor.ingest.otlp import protocol
from monitor.ingest.otlp.protocol import SIGNALS, Encoding, Signal
from monitor.ingest.otlp.taking import Taking
from monitor.ingest.service import Ingest

_ENCODINGS = {encoding.value: encoding for encoding in Encoding}
# What a value that is refused and a thing that is not found are here: neither has a status of its own.
_STATUSES = {404: 400, 409: 400, 422: 400}


def mount(routes: APIRouter, ingest: Ingest) -> None:
    """Add the routes of the three signals to the ingest routes."""
    taking = Taking(ingest)
    for signal in SIGNALS:
        routes.add_api_route(
            signal.path,
            _endpoint(taking, signal),
            methods=["POST"],
            name=f"post_otlp_{signal.name}",
            summary=f"Take OpenTelemetry {signal.name} in",
            description=f"OTLP/HTTP: an Export{signal.service.rpartition('.')[2]}Request, as protobuf or as JSON.",
            responses=_RESPONSES,
            response_class=Response,
            openapi_extra={"requestBody": {"required": True, "content": _BODY}},
            route_class_override=OtlpRoute,
        )


class OtlpRoute(BareRoute):
    """A route whose errors are a `google.rpc.Status` in the request's encoding."""

    def bare(self) -> ASGIApp:
        """One application for each encoding, since an error does not know how the request was spelled."""
        apps = {encoding: problems.guarded(self.endpoint, partial(_failure, encoding)) for encoding in Encoding}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await apps[_encoding(scope) or Encoding.JSON](scope, receive, send)

        return app


def _endpoint(taking: Taking, signal: Signal) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        async with entered(taking.ingest, request) as (principal, body):
            encoding = _encoding(request.scope)
            if encoding is None:
                raise UnsupportedMedia(f"the content type is none of {', '.join(Encoding)}")
            outcome = await taking.take(signal, principal, body, encoding)
        return Response(protocol.success(signal, outcome, encoding), media_type=encoding.value)

    return endpoint


def _encoding(scope: Scope) -> Encoding | None:
    """How the request is spelled, if it is in one of the two ways."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            return _ENCODINGS.get(value.decode("latin-1").partition(";")[0].strip().lower())
    return None


def _failure(encoding: Encoding, error: MonitorError) -> Response:
    status = _STATUSES.get(error.status, error.status)
    given = problems.of_error(error).headers
    kept = {name: given[name] for name in ("retry-after", "www-authenticate") if name in given}
    content = protocol.failure(status, error.message, encoding)
    return Response(content, status_code=status, headers=kept, media_type=encoding.value)


def _content(about: str) -> dict[str, Any]:
    return {
        encoding.value: {"schema": {"type": "object" if encoding is Encoding.JSON else "string", "description": about}}
        for encoding in Encoding
    }


_BODY = _content("the request, in the encoding of its Content-Type")
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Committed; `partial_success` names what is not kept", "content": _content("the answer")},
    **{
        status: {"description": about, "content": _content("a google.rpc.Status")}
        for status, about in {
            400: "The body cannot be read; sending it again does not help",
            401: "No valid key",
            403: "The key lacks the scope, or the tenant is suspended",
            413: "Too large after decompression",
            415: "A content type or encoding that is not read",
            421: "Another region takes this",
            429: "Too many requests with this key; see Retry-After",
            503: "Full, or the database is away; see Retry-After",
        }.items()
    },
}
