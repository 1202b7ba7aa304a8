"""Signing in and out in a browser."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from monitor.console.asking import Asked, ask_page, read_answer
from monitor.console.page_routes import PageRoute, read_own_form
from monitor.console.sign_in_page import sign_in_page
from monitor.errors import Gone, InvalidInput, MonitorError, NotFound, RateLimited, Unauthenticated
from monitor.http.deps import SESSION_COOKIE, Deps, Given, origin_of
from monitor.identity.browser import Signs, local_path, set_session
from monitor.identity.passwords import LONGEST
from monitor.identity.session_routes import leave
from monitor.identity.sessions import NewSession
from monitor.identity.signing import Signing

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/sign-in")
async def ask(request: Request, deps: Given, signing: Signs, token: str = "", next: str = "/") -> Response:  # noqa: A002
    """The form; with the token of a link from `agent-monitor sign-in`, whose session it would begin, and a button."""
    if not token:
        return sign_in_page(request, going_to=next)
    try:
        person, place = await signing.read_link(token)
    except (Gone, NotFound, Unauthenticated) as fault:
        return _refused(request, fault)
    return ask_page(request, deps, Asked(f"Sign in to {place.name}", "Sign in", detail=f"As {person.email}."))


@router.post("/sign-in")
async def sign_in(request: Request, deps: Given, signing: Signs, token: str = "", next: str = "/") -> Response:  # noqa: A002
    """Begin a session with a password, or with the token of a link, then go where somebody wanted to."""
    form = await read_answer(request, deps)
    if not token:
        return await _by_password(request, deps, signing, form)
    try:
        made = await signing.by_link(token, origin=origin_of(request))
    except (Gone, NotFound, Unauthenticated) as fault:
        return _refused(request, fault)
    return await _enter(request, deps, made, local_path(next))


async def _by_password(request: Request, deps: Deps, signing: Signing, form: dict[str, str]) -> Response:
    login, password, tenant = form.get("login", "")[:320], form.get("password", ""), form.get("tenant") or None
    going_to = local_path(form.get("next"))
    try:
        if len(password) > LONGEST:
            raise Unauthenticated("the name or the password is wrong")
        made = await signing.by_password(login, password, tenant=tenant, origin=origin_of(request))
    except (Unauthenticated, InvalidInput, RateLimited) as fault:
        asks = tenant is not None or isinstance(fault, InvalidInput)
        answer = sign_in_page(
            request, detail=_said(fault), going_to=going_to, login=login, tenants=asks, wrong=True, status=fault.status
        )
        if fault.retry_after is not None:
            answer.headers["Retry-After"] = str(round(fault.retry_after))
        return answer
    return await _enter(request, deps, made, going_to)


async def _enter(request: Request, deps: Deps, made: NewSession, going_to: str) -> Response:
    await leave(request, deps)
    answer = RedirectResponse(going_to, status_code=303)
    set_session(answer, made, deps.settings)
    return answer


def _refused(request: Request, fault: MonitorError) -> Response:
    return sign_in_page(request, detail=f"{fault.message.capitalize()}.", wrong=True, status=401)


def _said(fault: Unauthenticated | InvalidInput | RateLimited) -> str:
    return f"{fault.message.removeprefix('tenant: ').capitalize()}."


@router.post("/sign-out")
async def sign_out(request: Request, deps: Given) -> Response:
    """End the session of this browser, for good."""
    await read_own_form(request)
    await leave(request, deps)
    answer = RedirectResponse("/", status_code=303)
    answer.delete_cookie(SESSION_COOKIE)
    return answer
