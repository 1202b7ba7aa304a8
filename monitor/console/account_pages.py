"""Where mailed links lead, and asking for one."""

from fastapi import APIRouter, BackgroundTasks, Request, Response

from monitor.console.asking import Asked, ask_page, done_page, read_answer
from monitor.console.page_routes import PageRoute
from monitor.errors import InvalidInput
from monitor.http.deps import Given, origin_of
from monitor.identity import accounts
from monitor.identity.browser import Signs

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_ASK = Asked("Forgot the password?", "Send me a link", "login")
_RESET = Asked("Set a new password", "Set the password", "password")
_VERIFY = Asked("Is this your address?", "Yes, it is mine")


@router.get("/password-reset")
async def ask_for_reset(request: Request, deps: Given) -> Response:
    """Whose password it is."""
    return ask_page(request, deps, _ASK)


@router.post("/password-reset")
async def send_reset(request: Request, deps: Given, signing: Signs, later: BackgroundTasks) -> Response:
    """Say the same to everybody, then mail the link if there is such an account."""
    form = await read_answer(request, deps)
    login = form.get("login", "")[:320]
    await signing.attempts.enter(origin_of(request).address, login, what="reset", now=deps.clock())
    later.add_task(accounts.offer_reset, deps, login)
    answer = done_page(
        request, "A mail is on its way", "If there is such an account, it gets a link for a new password."
    )
    answer.background = later
    return answer


@router.get("/password-reset/{token}")
async def show_reset(request: Request, deps: Given, token: str) -> Response:
    """The form for a new password."""
    return ask_page(request, deps, _RESET)


@router.post("/password-reset/{token}")
async def reset(request: Request, deps: Given, signing: Signs, token: str) -> Response:
    """Set it, once."""
    form = await read_answer(request, deps)
    await signing.attempts.enter(origin_of(request).address, None, what="links", now=deps.clock())
    try:
        await accounts.reset(deps, signing.passwords, token, form.get("password", ""))
    except InvalidInput as fault:
        return ask_page(request, deps, _RESET, wrong=fault)
    return done_page(
        request, "The password is set", "Every session that you had has ended. Sign in with the new password."
    )


@router.get("/verify/{token}")
async def show_verify(request: Request, deps: Given, token: str) -> Response:
    """A button."""
    return ask_page(request, deps, _VERIFY)


@router.post("/verify/{token}")
async def verify(request: Request, deps: Given, token: str) -> Response:
    """Confirm the address, once."""
    await read_answer(request, deps)
    await accounts.verify(deps, token)
    return done_page(request, "Thank you", "The address is confirmed.")


@router.get("/invitation/{token}")
async def show_invitation(request: Request, deps: Given, token: str) -> Response:
    """Who is invited where; a password for somebody who has none."""
    person, place = await accounts.read_invitation(deps, token)
    return ask_page(request, deps, _invitation(place.name, person.email, asks=person.password_hash is None))


@router.post("/invitation/{token}")
async def join(request: Request, deps: Given, signing: Signs, token: str) -> Response:
    """Join, once."""
    form = await read_answer(request, deps)
    await signing.attempts.enter(origin_of(request).address, None, what="links", now=deps.clock())
    person, place = await accounts.read_invitation(deps, token)
    asks = person.password_hash is None
    try:
        await accounts.join(deps, signing.passwords, token, form.get("password", "") if asks else None)
    except InvalidInput as fault:
        return ask_page(request, deps, _invitation(place.name, person.email, asks=asks), wrong=fault)
    return done_page(request, f"You have joined {place.name}", "Sign in to see it.")


def _invitation(tenant: str, email: str, *, asks: bool) -> Asked:
    return Asked(f"Join {tenant}", "Join", "password" if asks else None, f"You are invited as {email}.")
