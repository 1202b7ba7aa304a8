"""Signing in as whom a provider of OpenID Connect says: the way there and back."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from itsdangerous import BadData, URLSafeTimedSerializer

from monitor.console.page_routes import PageRoute
from monitor.console.sign_in_page import sign_in_page
from monitor.errors import Forbidden, NotFound, Unauthenticated, Unavailable
from monitor.http.deps import Deps, Given, origin_of
from monitor.identity import vouched
from monitor.identity.browser import Signs, local_path, set_session
from monitor.identity.oidc import Provider, Way
from monitor.identity.session_routes import leave

router = APIRouter(route_class=PageRoute, include_in_schema=False)

WAY_COOKIE = "agent_monitor_oidc"
_PATH = "/sign-in/oidc"
_SECONDS = 600
"""How long the way there and back may take."""


async def _provider(request: Request) -> Provider:
    found: Provider | None = request.app.state.provider
    if found is None:
        raise NotFound("single sign-on is not set up here")
    return found


Asked = Annotated[Provider, Depends(_provider)]


@router.get(_PATH)
async def leave_for(
    request: Request,
    deps: Given,
    signing: Signs,
    provider: Asked,
    *,
    next: str = "/",  # noqa: A002
    tenant: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Send the browser to the provider, with what ties its way back to it in a cookie."""
    await signing.attempts.enter(origin_of(request).address, None, what="oidc", now=deps.clock())
    try:
        url, way = await provider.leave(_back(deps))
    except Unavailable as fault:
        return _refused(request, fault)
    answer = RedirectResponse(url, status_code=303)
    said = [way.state, way.nonce, way.verifier, local_path(next), tenant]
    answer.set_cookie(
        WAY_COOKIE,
        str(_signer(deps).dumps(said)),
        max_age=_SECONDS,
        path=_PATH,
        httponly=True,
        samesite="lax",  # the provider sends them back from another site
        secure=deps.settings.public_url.startswith("https:"),
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


@router.get(f"{_PATH}/callback")
async def come_back(
    request: Request,
    deps: Given,
    signing: Signs,
    provider: Asked,
    *,
    state: str = "",
    code: str = "",
    error: str = "",
    iss: str = "",
) -> Response:
    """Begin the session of whom the provider vouches for, in the browser that left and in no other, once."""
    origin = origin_of(request)
    await signing.attempts.enter(origin.address, None, what="oidc", now=deps.clock())
    try:
        way, going_to, tenant = _way(request, deps, state)
        if error:
            raise Unauthenticated(f"the provider refused: {error[:100]}")
        if not code or (iss and iss != provider.issuer):
            raise Unauthenticated("this is no answer of the provider")
        claims = await provider.come_back(way, code, _back(deps))
        made = await vouched.sign_in(signing, claims, tenant=tenant or None, origin=origin)
    except (Unauthenticated, Unavailable) as fault:
        return _refused(request, fault)
    await leave(request, deps)
    answer = RedirectResponse(going_to, status_code=303)
    set_session(answer, made, deps.settings)
    answer.delete_cookie(WAY_COOKIE, path=_PATH)
    return answer


def _way(request: Request, deps: Deps, state: str) -> tuple[Way, str, str]:
    """What this browser left with. Raises Unauthenticated for another one, or after too long."""
    try:
        said = _signer(deps).loads(request.cookies.get(WAY_COOKIE, ""), max_age=_SECONDS)
        way, going_to, tenant = Way(*said[:3]), str(said[3]), str(said[4])
    except BadData:
        raise Unauthenticated("this took too long, or began in another browser: try again") from None
    if not hmac.compare_digest(way.state.encode(), state.encode()):
        raise Unauthenticated("this began in another browser: try again")
    return way, local_path(going_to), tenant


def _refused(request: Request, fault: Unauthenticated | Unavailable) -> Response:
    answer = sign_in_page(
        request, detail=f"{fault.message[:1].upper()}{fault.message[1:]}.", wrong=True, status=fault.status
    )
    answer.delete_cookie(WAY_COOKIE, path=_PATH)
    return answer


def _back(deps: Deps) -> str:
    return f"{deps.settings.public_url.rstrip('/')}{_PATH}/callback"


def _signer(deps: Deps) -> URLSafeTimedSerializer:
    ring = list(reversed(deps.settings.secret_keys))
    if not ring:
        raise Forbidden("single sign-on is not set up: AGENT_MONITOR_SECRET_KEYS is empty")
    return URLSafeTimedSerializer(ring, salt="oidc")
