"""POST /api/v1/logs, /metrics and /heartbeats, the ping addresses, and the routes of other protocols.

These are the hot path: see entry.py.
"""

from collections.abc import Awaitable, Callable

import msgspec
from fastapi import APIRouter, Request, Response

from monitor.http import problems
from monitor.ingest import body, ping, schema, service, usage
from monitor.ingest.conversations import routes as conversations
from monitor.ingest.entry import BareRoute, admit, media
from monitor.ingest.idempotency import Answered
from monitor.ingest.influx import routes as influx
from monitor.ingest.otlp import routes as otlp
from monitor.ingest.prometheus import routes as prometheus
from monitor.ingest.runs import routes as runs
from monitor.ingest.service import NONE_KEPT, Ingest

_JSON = "application/json"
_PLAIN_ANSWERS = 1001

Take = Callable[[service.Request], Awaitable[Answered]]


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
    otlp.mount(routes, ingest)
    influx.mount(routes, ingest)
    prometheus.mount(routes, ingest)
    runs.mount(routes, ingest)
    usage.mount(routes, ingest)
    conversations.mount(routes, ingest)
    return routes


def _endpoint(ingest: Ingest, take: Take) -> Callable[[Request], Awaitable[Response]]:
    # The usual answer, everything kept, is the same bytes over and over.
    plain = [_plain(count) for count in range(_PLAIN_ANSWERS)]

    async def endpoint(request: Request) -> Response:
        principal = await admit(ingest, request)
        # Read once: Starlette's headers are searched from the start for each name.
        headers = {name: value.decode("latin-1") for name, value in request.scope["headers"]}
        lines, sniff = media(headers.get(b"content-type", ""))
        with ingest.budget.lease() as lease:
            raw = await body.read(
                request.receive,
                lease,
                limit=ingest.deps.settings.body_limit,
                encoding=headers.get(b"content-encoding", ""),
                length=headers.get(b"content-length"),
            )
            answer = await take(
                service.Request(principal, request.scope["path"], raw, lines, sniff, headers.get(b"idempotency-key"))
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
