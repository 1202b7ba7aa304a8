"""`/api/v1/sign-in`, `/sign-out` and `/sessions`: coming in by password, going, and who is in."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from monitor.errors import Forbidden
from monitor.http.deps import SESSION_COOKIE, Given, Reader, origin_of
from monitor.http.described import PUBLIC, answers
from monitor.identity import session_store
from monitor.identity.browser import Signs, refuse_foreign, set_session
from monitor.identity.digests import digest
from monitor.identity.passwords import LONGEST
from monitor.identity.session_store import SessionRow, SessionStatus
from monitor.principal import Principal, Scope


class SignInBody(BaseModel):
    """Who comes. `login`: email address or username; `tenant`: a slug, for members of several."""

    model_config = ConfigDict(extra="forbid")

    login: Annotated[str, Field(min_length=1, max_length=320)]
    password: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    tenant: Annotated[str | None, Field(max_length=100)] = None


class SignedInBody(BaseModel):
    """Who came. The cookie is the session."""

    tenant_id: UUID
    user_id: UUID
    session_id: UUID
    expires_at: datetime


class SessionBody(BaseModel):
    """A session. `current`: the one that asks."""

    id: UUID
    user_id: UUID
    email: str
    method: str
    status: SessionStatus
    device_info: dict[str, Any]
    ip_address: str | None
    started_at: datetime
    last_activity_at: datetime
    expires_at: datetime
    current: bool


router = APIRouter(prefix="/api/v1", tags=["identity"])


@router.post("/sign-in", openapi_extra=PUBLIC, responses=answers(400, 401, 403, 422, 429, 503))
async def sign_in(request: Request, response: Response, deps: Given, signing: Signs, body: SignInBody) -> SignedInBody:
    """Begin a session, which the cookie in the answer stands for. What was wrong is not told."""
    refuse_foreign(request, deps.settings)
    made = await signing.by_password(body.login, body.password, tenant=body.tenant, origin=origin_of(request))
    await leave(request, deps)
    set_session(response, made, deps.settings)
    return SignedInBody(tenant_id=made.tenant_id, user_id=made.user_id, session_id=made.id, expires_at=made.expires_at)


@router.post("/sign-out", status_code=204, openapi_extra=PUBLIC, responses=answers(403, 503))
async def sign_out(request: Request, deps: Given) -> Response:
    """End the session whose cookie this request carries, for good."""
    refuse_foreign(request, deps.settings)
    await leave(request, deps)
    response = Response(status_code=204)
    response.delete_cookie(SESSION_COOKIE)
    return response


async def leave(request: Request, deps: Given) -> None:
    """End the session that a browser sends the cookie of, if there is one."""
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is None:
        return
    ended = await deps.authenticator.end_session(cookie)
    if ended is not None:
        principal, session_id = ended
        async with deps.db.tenant(principal.tenant_id) as connection:
            await deps.audit(connection, principal, "session.ended", resource=("session", str(session_id)))


@router.get("/sessions")
async def list_sessions(
    request: Request,
    deps: Given,
    principal: Reader,
    *,
    mine: Annotated[bool, Query(description="an administrator's own alone")] = False,
) -> dict[str, list[SessionBody]]:
    """Who is signed in, and from where: one's own sessions, to administrators all of the tenant. Newest first."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await session_store.list_sessions(
            connection, principal.tenant_id, user_id=_whose(principal, mine=mine), now=deps.clock()
        )
    current = digest(request.cookies.get(SESSION_COOKIE, ""))
    return {"items": [_body(row, current=row.token_hash == current) for row in rows]}


@router.delete("/sessions/{session_id}", status_code=204)
async def revoke_session(deps: Given, principal: Reader, session_id: UUID) -> None:
    """End a session, one's own or, as an administrator, anybody's in the tenant; effective within a second."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await session_store.revoke_session(
            connection, principal.tenant_id, session_id, user_id=_whose(principal, mine=False), now=deps.clock()
        )
        await deps.audit(
            connection, principal, "session.revoked", resource=("session", str(row.id)),
            old={"user_id": str(row.user_id), "status": row.status.value},
        )  # fmt: skip
    deps.authenticator.forget_session(row.token_hash)


def _whose(principal: Principal, *, mine: bool) -> UUID | None:
    """Whose sessions somebody may see: None for everybody's. Raises Forbidden for a key that is nobody's."""
    if principal.may(Scope.ADMIN) and not mine:
        return None
    if principal.user_id is None or principal.key_id is not None:
        raise Forbidden("a key has no sessions: it may see those of the tenant with the scope 'admin'")
    return principal.user_id


def _body(row: SessionRow, *, current: bool) -> SessionBody:
    return SessionBody(
        id=row.id,
        user_id=row.user_id,
        email=row.email,
        method=row.method,
        status=row.status,
        device_info=row.device_info,
        ip_address=row.ip_address,
        started_at=row.started_at,
        last_activity_at=row.last_activity_at,
        expires_at=row.expires_at,
        current=current,
    )
