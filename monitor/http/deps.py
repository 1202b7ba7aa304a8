"""What routes are made with, and who is asking.

A slice's routes are plain functions on its `router`. They get what they need by the types of their parameters:
`Given` is the application's `Deps`, and `Sender` (ingests), `Reader`, `Writer`, `Executor` (sets going), `Responder`
(acknowledges and silences) or `Admin` is the principal who asks, authenticated and holding that scope. Who may not
read, write or set going everything may be granted it for one slice: the first tag of the route is whose it is.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.datastructures import Headers

from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import MonitorError, Unauthenticated
from monitor.live import Live
from monitor.principal import Origin, Principal, Scope, Verb
from monitor.series.store import SeriesStore
from monitor.settings import Settings

SESSION_COOKIE = "agent_monitor_session"
LONGEST_AGENT = 500
"""Characters of what a client calls itself that are kept."""


class Authenticator(Protocol):
    """Turns credentials into a principal. Implemented by identity; answers are cached for at most a second."""

    async def by_key(self, key: str) -> Principal:
        """The principal of an API key. Raises Unauthenticated."""
        ...

    async def by_session(self, cookie: str) -> Principal:
        """The principal of a browser's session cookie. Raises Unauthenticated."""
        ...

    async def end_session(self, cookie: str) -> tuple[Principal, UUID] | None:
        """End the session of a cookie; who it was, and which. None where there is none."""
        ...

    def forget_session(self, token_hash: str) -> None:
        """Have a session that was revoked looked up again at once."""
        ...


class Audit(Protocol):
    """Adds a row to the audit trail in the caller's transaction. Implemented by the audit slice."""

    async def __call__(
        self,
        connection: AsyncConnection,
        principal: Principal,
        action: str,
        *,
        resource: tuple[str, str],
        old: Mapping[str, Any] | None = None,
        new: Mapping[str, Any] | None = None,
    ) -> None:
        """Record `action` (as in `agent.updated`) on `resource` (type, id), with values before and after."""
        ...

    async def failed(
        self, db: Database, principal: Principal, action: str, *, resource: tuple[str, str | None], error: MonitorError
    ) -> None:
        """Record an attempt that came to nothing, in a transaction of its own."""
        ...


class Letters(Protocol):
    """Sends a mail of a few lines. Implemented by monitor.letters."""

    async def __call__(self, to: str, subject: str, text: str) -> None:
        """Hand it over, now. Raises ChannelError."""
        ...


def key_of(headers: Headers) -> str | None:
    """The API key in a request: Bearer, Token, X-API-Key, or the password of HTTP basic."""
    given = headers.get("authorization")
    if given is None:
        return headers.get("x-api-key")
    scheme, _, rest = given.partition(" ")
    scheme = scheme.lower()
    if scheme in {"bearer", "token"}:
        return rest.strip()
    if scheme == "basic":
        try:
            decoded = base64.b64decode(rest, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Unauthenticated("the Authorization header is not valid HTTP basic") from None
        return decoded.partition(":")[2]
    raise Unauthenticated("the Authorization header is none of Bearer, Token and Basic")


def origin_of(request: Request) -> Origin:
    """Where a request came from, as far as it can be known. A proxy on this machine says for whom it asks."""
    peer = _address(request.client.host if request.client is not None else "")
    if peer is not None and peer.is_loopback:
        peer = _address(request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()) or peer
    agent = request.headers.get("user-agent")
    return Origin(None if peer is None else str(peer), None if agent is None else agent[:LONGEST_AGENT])


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:  # a socket in the file system, or no connection at all
        return None


@dataclass(frozen=True, slots=True)
class Deps:
    """Made once by a composition root and handed to every router."""

    settings: Settings
    db: Database
    series: SeriesStore
    authenticator: Authenticator
    audit: Audit
    clock: Clock
    registry: CollectorRegistry
    live: Live = field(default_factory=Live)
    letters: Letters | None = None

    async def close(self) -> None:
        """Close the connections, when nobody needs them any more."""
        await self.live.close()
        await self.series.close()
        await self.db.close()

    async def authenticate(self, request: Request) -> Principal:
        """Who is asking: an API key first, else a session cookie. Raises Unauthenticated."""
        key = key_of(request.headers)
        if key is not None:
            return await self.authenticator.by_key(key)
        cookie = request.cookies.get(SESSION_COOKIE)
        if cookie is None:
            raise Unauthenticated("no API key: send Authorization: Bearer am_…")
        return await self.authenticator.by_session(cookie)

    async def identify(self, request: Request) -> Principal:
        """Who is asking, and from where: for whatever the audit trail tells of. Raises Unauthenticated.

        Kept as `request.state.principal` too: the trail tells of requests that are refused after this.
        """
        found = await self.authenticate(request)
        principal: Principal = replace(found, origin=origin_of(request))
        request.state.principal = principal
        return principal


async def _given(request: Request) -> Deps:
    deps: Deps = request.app.state.deps
    return deps


Given = Annotated[Deps, Depends(_given)]


def _holding(scope: Scope, verb: Verb | None = None) -> Any:
    async def check(request: Request, deps: Given) -> Principal:
        principal = await deps.identify(request)
        tags = request.scope["route"].tags
        principal.require(scope, f"{tags[0]}:{verb}" if verb and tags else None)
        return principal

    return Depends(check)


Sender = Annotated[Principal, _holding(Scope.INGEST)]
Reader = Annotated[Principal, _holding(Scope.READ, Verb.READ)]
Writer = Annotated[Principal, _holding(Scope.WRITE, Verb.WRITE)]
Executor = Annotated[Principal, _holding(Scope.WRITE, Verb.EXECUTE)]
Responder = Annotated[Principal, _holding(Scope.ALERTS)]
Admin = Annotated[Principal, _holding(Scope.ADMIN)]
