"""Ping addresses: a job that can only fetch a URL tells that it started, ended well, or failed.

A ping is a heartbeat; one that ends a run is an execution too, and one that starts a run is a line. The end of a run
that was started by a ping gets its duration.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import select

from monitor.agents.tables import Agent, AgentLog
from monitor.db import Database
from monitor.errors import InvalidInput, NotFound
from monitor.http.described import PUBLIC, answer
from monitor.identity.tables import Tenant
from monitor.ingest import body
from monitor.ingest.payloads import BeatIn, LogIn
from monitor.ingest.service import Ingest
from monitor.principal import Principal, Scope, TenantStatus

BODY_LIMIT = 10_000
CACHE_SECONDS = 0.9
CACHE_SIZE = 50_000
_RECENT = 20
_MARK = "ping"
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Committed", "content": {"text/plain": {"schema": {"type": "string", "enum": ["OK"]}}}},
    **{status: answer(status) for status in (403, 421, 422, 429, 503)},
    404: answer(404, "No such address"),
}


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    agent: str
    read_at: float


class Tokens:
    """Looks ping tokens up through the doorman's door; remembers them for under a second."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[str, _Known] = {}

    async def find(self, token: str) -> _Known:
        """Whose token it is. Raises NotFound."""
        elapsed = asyncio.get_running_loop().time()
        known = self._known.get(token)
        if known is not None and elapsed - known.read_at <= CACHE_SECONDS:
            return known
        query = (
            select(Agent.tenant_id, Agent.id, Agent.external_id, Tenant.status)
            .join(Tenant, Tenant.id == Agent.tenant_id)
            .where(Agent.ping_token == token, Agent.deleted_at.is_(None), Tenant.status != TenantStatus.DELETED)
        )
        async with self._db.doorman() as connection:
            row = (await connection.execute(query)).one_or_none()
        self._known.pop(token, None)
        if row is None:
            raise NotFound("there is no such ping address")
        principal = Principal(
            tenant_id=row.tenant_id,
            tenant_status=TenantStatus(row.status),
            scopes=frozenset({Scope.INGEST}),
            agent_id=row.id,
        )
        if len(self._known) >= CACHE_SIZE:
            self._known.clear()
        known = self._known[token] = _Known(principal, row.external_id, elapsed)
        return known


def mount(routes: APIRouter, ingest: Ingest) -> None:
    """Add the addresses to the ingest routes."""
    endpoint = _endpoint(ingest, Tokens(ingest.deps.db))
    for path, about in (
        ("/ping/{token}", "The run ended well, or the agent is alive."),
        ("/ping/{token}/{signal}", "`start`, `fail`, or the exit code of the run: 0 to 255, 0 is success."),
    ):
        for method in ("GET", "POST", "HEAD"):
            routes.add_api_route(
                path,
                endpoint,
                methods=[method],
                name=f"{method.lower()}_ping",
                summary="Ping",
                description=about + " The first 10 kB of a body are kept as the message.",
                responses=_RESPONSES,
                response_class=Response,
                include_in_schema=method != "HEAD",
                openapi_extra=PUBLIC | {"parameters": _parameters(path)},
            )


def _parameters(path: str) -> list[dict[str, Any]]:
    names = ["token", "signal"] if "signal" in path else ["token"]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _endpoint(ingest: Ingest, tokens: Tokens) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        known = await tokens.find(request.path_params["token"])
        known.principal.require(Scope.INGEST)
        now = ingest.deps.clock()
        await ingest.gate.enter(known.principal.agent_id, now=now)
        ingest.disk.check()
        await ingest.residency.check(known.principal.tenant_id)
        signal = request.path_params.get("signal", "0")
        code = _exit_code(signal)
        raw = await body.read_start(request.receive, BODY_LIMIT) if request.method == "POST" else b""
        message = raw.decode(errors="replace").strip() or None
        if signal == "start":
            log = LogIn(kind="line", status="success", message=message or "started", details={_MARK: "start"})
        else:
            started = await _started_at(ingest.deps.db, known.principal)
            log = LogIn(
                status="error" if code else "success",
                message=message or (f"exit code {code}" if signal not in {"0", "fail"} else None),
                details={_MARK: "fail"} if signal == "fail" else {_MARK: "end", "exit_code": code},
                started_at=None if started is None else started.timestamp(),
                completed_at=None if started is None else now.timestamp(),
            )
        await ingest.accept_run(known.principal, known.agent, log, BeatIn(status="active"))
        return Response("OK", media_type="text/plain")

    return endpoint


def _exit_code(signal: str) -> int:
    if signal in {"start", "fail"}:
        return int(signal == "fail")
    if signal.isascii() and signal.isdigit() and len(signal) <= 3 and int(signal) <= 255:
        return int(signal)
    raise InvalidInput("start, fail or an exit code from 0 to 255 is expected", path="signal")


async def _started_at(db: Database, principal: Principal) -> datetime | None:
    """When the run began that ends now: the newest `start` since the last end, if there is one."""
    query = (
        select(AgentLog.received_at, AgentLog.details)
        .where(AgentLog.tenant_id == principal.tenant_id, AgentLog.agent_id == principal.agent_id)
        .order_by(AgentLog.id.desc())
        .limit(_RECENT)
    )
    async with db.tenant(principal.tenant_id) as connection:
        for received_at, details in await connection.execute(query):
            mark = (details or {}).get(_MARK)
            if mark is not None:
                began: datetime = received_at
                return began if mark == "start" else None
    return None
