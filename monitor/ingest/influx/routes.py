"""POST /api/v2/write and /write, GET /ping and /health, answered as InfluxDB answers (http/write_handler.go of 2.x).

A line that cannot be read costs itself only, as in InfluxDB 3: the good ones are committed, and the answer is 400 with
the others named. Lines that are understood and not kept are a partial write, 422. Clients send neither again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from monitor.errors import MonitorError, RateLimited, Unauthenticated, Unreadable
from monitor.http import problems
from monitor.http.deps import key_of
from monitor.http.described import PUBLIC
from monitor.ingest.entry import BareRoute, entered
from monitor.ingest.influx.reader import Precision, Read, Reader
from monitor.ingest.payloads import Outcome
from monitor.ingest.service import THREAD_BYTES, Ingest
from monitor.principal import Principal

_V2 = {"ns": Precision(1, 1000), "us": Precision(1, 1), "ms": Precision(1000, 1), "s": Precision(1_000_000, 1)}
_V1 = {**_V2, "n": _V2["ns"], "u": _V2["us"], "m": Precision(60_000_000, 1), "h": Precision(3_600_000_000, 1)}
_CODES = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    413: "request too large",
    415: "unsupported media type",
    422: "unprocessable entity",
    429: "too many requests",
    503: "unavailable",
}
_NAMED = 100
"""Lines that an answer names at most; of the others it says how many there are."""
_SERVER = {"X-Influxdb-Build": "AgentMonitor", "X-Influxdb-Version": "v2.7.0"}
"""Whose API is spoken: clients look for it at /ping."""
_HEALTHY = {"name": "agent-monitor", "message": "ready for writes", "status": "pass", "checks": [], "version": "v2.7.0"}
_PASSED_ON = ("retry-after", "www-authenticate")

Endpoint = Callable[[Request], Awaitable[Response]]


def _failure(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    code = _CODES.get(status, "internal error")
    content = msgspec.json.encode({"code": code, "message": message})
    return _json(status, content, {**(headers or {}), "X-Platform-Error-Code": code})


def _failure_v1(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """As above, with what clients of InfluxDB 1 look for beside it."""
    code = _CODES.get(status, "internal error")
    content = msgspec.json.encode({"code": code, "message": message, "error": message})
    return _json(status, content, {**(headers or {}), "X-Platform-Error-Code": code})


def _json(status: int, content: bytes, headers: Mapping[str, str]) -> Response:
    return Response(content, status_code=status, headers=dict(headers), media_type="application/json; charset=utf-8")


def _passed_on(error: MonitorError) -> dict[str, str]:
    given = problems.of_error(error).headers
    return {name: given[name] for name in _PASSED_ON if name in given}


class WriteRoute(BareRoute):
    """A route whose errors are InfluxDB 2's."""

    @staticmethod
    def answer(error: MonitorError) -> Response:
        """The response for an error."""
        return _failure(error.status, error.message, _passed_on(error))


class WriteRouteV1(BareRoute):
    """A route whose errors are InfluxDB 1's, and 2's in its place."""

    @staticmethod
    def answer(error: MonitorError) -> Response:
        """The response for an error. InfluxDB 1 had no 429: Telegraf's output for it drops what is answered so."""
        status = 503 if isinstance(error, RateLimited) else error.status
        return _failure_v1(status, error.message, _passed_on(error))


def mount(routes: APIRouter, ingest: Ingest) -> None:
    """Add the addresses to the ingest routes."""
    reader = Reader(ingest.deps.settings.line_agent_tags)
    for path, endpoint, route, about in (
        ("/api/v2/write", _write(ingest, reader, _V2, "bucket", _failure), WriteRoute, _ABOUT_V2),
        ("/write", _write(ingest, reader, _V1, "db", _failure_v1), WriteRouteV1, _ABOUT_V1),
    ):
        routes.add_api_route(
            path,
            endpoint,
            methods=["POST"],
            status_code=204,
            name="post_write" if path == "/write" else "post_write_v2",
            summary="Take line protocol in",
            description=about,
            responses=_RESPONSES,
            response_class=Response,
            openapi_extra={"requestBody": _BODY, "parameters": _parameters(_V1 if path == "/write" else _V2)},
            route_class_override=route,
        )
    for method in ("GET", "HEAD"):
        routes.add_api_route(
            "/ping",
            _ping,
            methods=[method],
            status_code=204,
            name=f"{method.lower()}_influx_ping",
            summary="Whether clients of InfluxDB are answered",
            response_class=Response,
            include_in_schema=method == "GET",
            openapi_extra=PUBLIC,
        )
    routes.add_api_route(
        "/health", _health(ingest), methods=["GET"], name="influx_health", response_class=Response,
        summary="Whether line protocol is taken in", responses=_HEALTH, route_class_override=WriteRoute,
        openapi_extra=PUBLIC,
    )  # fmt: skip


async def _ping(_: Request) -> Response:
    return Response(status_code=204, headers=_SERVER)


def _health(ingest: Ingest) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        try:
            await ingest.deps.db.ping()
        except MonitorError as fault:
            said = {**_HEALTHY, "message": fault.message, "status": "fail"}
            return _json(fault.status, msgspec.json.encode(said), _SERVER)
        return _json(200, msgspec.json.encode(_HEALTHY), _SERVER)

    return endpoint


def _write(
    ingest: Ingest, reader: Reader, precisions: Mapping[str, Precision], named: str, fail: Callable[..., Response]
) -> Endpoint:
    """`named`: the parameter whose value is the agent of lines that name none."""

    async def endpoint(request: Request) -> Response:
        query = request.query_params
        async with entered(ingest, request, key=_key(request)) as (principal, body):
            precision = precisions.get(query.get("precision") or "ns")
            if precision is None:
                raise Unreadable(f"invalid precision; valid precision units are {', '.join(precisions)}")
            read = await _read(ingest, reader, principal, body, precision, query.get(named, ""))
            await _keep(ingest, principal, read)
        return _answer(read, fail)

    return endpoint


def _key(request: Request) -> str | None:
    """The key where InfluxDB's clients put it: after `Token`, alone or behind a user's name, or in the query as `p`."""
    given = key_of(request.headers)
    if given is None:
        given = request.query_params.get("p")
    if given is None:
        raise Unauthenticated("unauthorized access: no API key")
    return given.rpartition(":")[2]


async def _read(
    ingest: Ingest, reader: Reader, principal: Principal, body: bytes, precision: Precision, default: str
) -> Read:
    window = ingest.window()

    def read() -> Read:
        return reader.read(body, principal.tenant_id, precision=precision, default=default, window=window)

    return await asyncio.to_thread(read) if len(body) > THREAD_BYTES else read()


async def _keep(ingest: Ingest, principal: Principal, read: Read) -> None:
    """Commit points, then log lines. When only the second fails, sending all of it again doubles neither."""
    outcome = read.outcome
    await ingest.keep_points(principal, read.points, outcome)
    if read.logs:
        inner = Outcome()
        await ingest.keep_logs(principal, read.logs, inner)
        outcome.rejected += [fault for fault in inner.rejected if fault not in outcome.rejected]
        outcome.warnings += inner.warnings
        outcome.accepted += inner.accepted
    refused = len(outcome.rejected) + len(read.unparsable)
    ingest.metrics.rows("line", accepted=outcome.accepted, rejected=refused)
    if outcome.warnings:
        ingest.metrics.shortened.inc(len(outcome.warnings))


def _answer(read: Read, fail: Callable[..., Response]) -> Response:
    outcome = read.outcome
    headers = _warnings(outcome) if outcome.warnings else None
    if not outcome.rejected and not read.unparsable:
        return Response(status_code=204, headers=headers)
    rejected = [f"line {index + 1}: {error}" for index, error in sorted(outcome.rejected)]
    dropped = len({index for index, _ in outcome.rejected} | {index for index, _ in read.unparsable})
    partial = f"partial write: {_named(rejected)} dropped={dropped}"
    if not read.unparsable:
        return fail(422, f"failure writing points to database: {partial}", headers)
    unread = _named([f"{error} (line {index + 1})" for index, error in read.unparsable], "\n")
    return fail(400, f"{unread}\n{partial}" if rejected else f"{unread}\npartial write: dropped={dropped}", headers)


def _named(faults: list[str], between: str = "; ") -> str:
    more = len(faults) - _NAMED
    return between.join([*faults[:_NAMED], f"and {more} more"] if more > 0 else faults)


def _warnings(outcome: Outcome) -> dict[str, str]:
    """What is kept in another shape than it was sent. An answer without a body has room for it in a header only."""
    said = "; ".join(f"line {index + 1}: {text}" for index, text in outcome.warnings[:5])
    return {"X-Agent-Monitor-Warning": f"{len(outcome.warnings)}: {said}".encode("ascii", "backslashreplace").decode()}


def _parameters(precisions: Mapping[str, Precision]) -> list[dict[str, Any]]:
    name = "db" if precisions is _V1 else "bucket"
    units = {"name": "precision", "in": "query", "schema": {"type": "string", "enum": [*precisions], "default": "ns"}}
    about = "the agent of lines that name none"
    return [units, {"name": name, "in": "query", "schema": {"type": "string"}, "description": about}]


_ABOUT_V2 = "As InfluxDB 2. `bucket` names the agent of lines that have none of the tags of LINE_AGENT_TAGS."
_ABOUT_V1 = "As InfluxDB 1; the key is the password `p`, of any user `u`. `db` stands for the bucket of InfluxDB 2."
_BODY = {"required": True, "content": {"text/plain": {"schema": {"type": "string", "format": "line protocol"}}}}
_ERROR = {"application/json": {"schema": {"type": "object", "required": ["code", "message"]}}}
_SAID = {"application/json": {"schema": {"type": "object", "required": ["name", "status"]}}}
_HEALTH: dict[int | str, dict[str, Any]] = {
    200: {"description": "It is taken in", "content": _SAID},
    503: {"description": "The database does not answer", "content": _SAID},
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    204: {"description": "All of it is committed"},
    **{
        status: {"description": about, "content": _ERROR}
        for status, about in {
            400: "Some lines cannot be read, each is named; the others are committed",
            401: "No valid key",
            403: "The key lacks the scope, or the tenant is suspended",
            413: "Too large after decompression, or too many lines",
            415: "A content encoding that is not read",
            421: "Another region takes this",
            422: "Some lines are not kept, each is named; the others are committed",
            429: "Too many requests with this key; see Retry-After",
            503: "Full, or the database is away; see Retry-After",
        }.items()
    },
}
