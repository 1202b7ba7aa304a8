"""Errors become answers here and nowhere else: RFC 9457 problem+json on the native API."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.errors import InvalidInput, Misdirected, MonitorError, QuotaExceeded, TenantMissing, Unreadable

_log = structlog.get_logger(__name__)
MEDIA = "application/problem+json"
TITLES = {
    400: "The request cannot be read",
    401: "A valid API key is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Not a method of this address",
    409: "Conflict",
    410: "Gone",
    412: "Changed since it was read",
    413: "Too large",
    415: "Unsupported media type",
    421: "Another region takes this",
    422: "A value is wrong",
    429: "Too many requests",
    500: "Internal error",
    503: "Try again",
}


def problem(status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """An answer of media type application/problem+json; `more` are its extension members."""
    body = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "code": code}
    return Response(
        msgspec.json.encode({**body, "detail": detail, **more}),
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA,
    )


def of_error(error: MonitorError, **more: Any) -> Response:
    """The answer for one of our own errors, with Retry-After where the error has one."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        # Whole seconds, rounded up: a fraction is not allowed in the header.
        headers["Retry-After"] = str(max(1, -int(-error.retry_after // 1)))
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="agent-monitor"'
    if isinstance(error, InvalidInput) and error.path is not None:
        more["path"] = error.path
    if isinstance(error, InvalidInput) and error.faults:
        more["errors"] = list(error.faults)
    if isinstance(error, QuotaExceeded):
        more |= {"quota": error.quota, "limit": error.limit, "used": error.used, "resets_at": error.resets_at}
    if isinstance(error, Misdirected):
        more |= {"region": error.region, "endpoint": error.endpoint}
    return problem(error.status, error.code, error.message, headers=headers, **more)


def install(app: FastAPI) -> None:
    """Register the handlers."""

    @app.exception_handler(MonitorError)
    async def _known(request: Request, error: MonitorError) -> Response:
        error = _told(request, error)
        await audit_refusal(request, error)
        return of_error(error)

    @app.exception_handler(RequestValidationError)
    async def _pydantic(request: Request, error: RequestValidationError) -> Response:
        faults = [
            {"path": ".".join(str(part) for part in fault["loc"] if part != "body"), "error": fault["msg"]}
            for fault in error.errors()
        ]
        unreadable = any(fault["type"] == "json_invalid" for fault in error.errors())
        status, code = (400, "unreadable") if unreadable else (422, "invalid_input")
        detail = "; ".join(
            f"{fault['path']}: {fault['error']}" if fault["path"] else fault["error"] for fault in faults
        )
        await audit_refusal(request, Unreadable(detail) if unreadable else InvalidInput(detail))
        return problem(status, code, detail, errors=faults)

    @app.exception_handler(HTTPException)
    async def _starlette(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, "http_error", str(error.detail), headers=error.headers)

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> Response:
        return of_error(_unexpected(request, error))


_CHANGES = {"POST", "PUT", "PATCH", "DELETE"}
_NOUN = re.compile(r"(?:/api/v\d)?/([\w-]+)")


async def audit_refusal(request: Request, error: MonitorError) -> None:
    """Tell the audit trail of a change that was refused to somebody known. Faults of ours are logged instead."""
    principal = getattr(request.state, "principal", None)
    if principal is None or request.method not in _CHANGES or error.status >= 500:
        return
    path = request.scope["route"].path
    noun = _NOUN.match(path)
    what = (noun[1] if noun else path).removesuffix("s").replace("-", "_")
    which = next(iter(request.path_params.values()), None)
    deps = request.app.state.deps
    try:
        await deps.audit.failed(
            deps.db, principal, f"{request.method} {path}", resource=(what, None if which is None else str(which)),
            error=error,
        )  # fmt: skip
    except MonitorError as fault:
        _log.warning("a refused change is not in the audit trail", path=path, error=fault.message)


def guarded(
    endpoint: Callable[[Request], Awaitable[Response]], answer: Callable[[MonitorError], Response] | None = None
) -> ASGIApp:
    """An endpoint as an application of its own, with no framework around it; its errors are answered as all are, or by
    `answer` where its protocol has a shape for them. A client that went away is not answered.
    """
    shape = answer or of_error

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except ClientDisconnect:
            return
        except MonitorError as error:
            response = shape(_told(request, error))
        except Exception as error:  # noqa: BLE001 - one of the three places: what the framework does for the others
            response = shape(_unexpected(request, error))
        await response(scope, receive, send)

    return app


def _told(request: Request, error: MonitorError) -> MonitorError:
    """The error as the caller may hear it: a fault of ours is logged, and nothing of it told."""
    if isinstance(error, TenantMissing) or error.status == 500:
        return _unexpected(request, error)
    return error


def _unexpected(request: Request, error: Exception) -> MonitorError:
    _log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    return MonitorError("This is a fault of Agent Monitor; it has been logged.")


def uuid_of(text: str) -> UUID | None:
    """The UUID that a path's part spells, or None: then it is an external id."""
    try:
        return UUID(text)
    except ValueError:
        return None
