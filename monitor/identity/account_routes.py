"""`/api/v1/password-reset`, `/verify` and `/invitations`: what mailed links lead to, and asking for them."""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Request
from pydantic import BaseModel, ConfigDict, Field

from monitor.http.deps import Given, origin_of
from monitor.http.described import PUBLIC, answers
from monitor.identity import accounts, people
from monitor.identity.browser import Signs, refuse_foreign
from monitor.identity.links import Purpose
from monitor.identity.me_routes import Myself
from monitor.identity.passwords import LONGEST


class ResetBody(BaseModel):
    """Who forgot: email address or username."""

    model_config = ConfigDict(extra="forbid")

    login: Annotated[str, Field(min_length=1, max_length=320)]


class NewPasswordBody(BaseModel):
    """The password to be."""

    model_config = ConfigDict(extra="forbid")

    password: Annotated[str, Field(max_length=LONGEST)]


class JoinBody(BaseModel):
    """A password for somebody who has none; whoever has one keeps it."""

    model_config = ConfigDict(extra="forbid")

    password: Annotated[str | None, Field(max_length=LONGEST)] = None


router = APIRouter(prefix="/api/v1", tags=["identity"])
_MAILED = answers(400, 403, 404, 410, 422, 429, 503)
"""What may be wrong with a mailed link, and with what is sent to it."""


@router.post("/password-reset", status_code=202, openapi_extra=PUBLIC, responses=answers(400, 403, 422, 429, 503))
async def ask_for_reset(
    request: Request, deps: Given, signing: Signs, body: ResetBody, later: BackgroundTasks
) -> dict[str, str]:
    """Have a link for a new password mailed, if there is such an account: the answer is the same."""
    refuse_foreign(request, deps.settings)
    await signing.attempts.enter(origin_of(request).address, body.login, what="reset", now=deps.clock())
    later.add_task(accounts.offer_reset, deps, body.login)
    return {"detail": "if there is such an account, a mail is on its way"}


@router.post("/password-reset/{token}", status_code=204, openapi_extra=PUBLIC, responses=_MAILED)
async def reset(request: Request, deps: Given, signing: Signs, token: str, body: NewPasswordBody) -> None:
    """Set a new password by a mailed link, once. Every session ends."""
    refuse_foreign(request, deps.settings)
    await signing.attempts.enter(origin_of(request).address, None, what="links", now=deps.clock())
    await accounts.reset(deps, signing.passwords, token, body.password)


@router.post("/verify/{token}", status_code=204, openapi_extra=PUBLIC, responses=_MAILED)
async def verify(request: Request, deps: Given, token: str) -> None:
    """Confirm an email address by a mailed link, once."""
    refuse_foreign(request, deps.settings)
    await accounts.verify(deps, token)


@router.post("/invitations/{token}", status_code=204, openapi_extra=PUBLIC, responses=_MAILED)
async def join(request: Request, deps: Given, signing: Signs, token: str, body: JoinBody) -> None:
    """Join a tenant by a mailed link, once."""
    refuse_foreign(request, deps.settings)
    await signing.attempts.enter(origin_of(request).address, None, what="links", now=deps.clock())
    await accounts.join(deps, signing.passwords, token, body.password)


@router.post("/me/verify", status_code=202)
async def ask_for_verification(
    request: Request, deps: Given, signing: Signs, principal: Myself, later: BackgroundTasks
) -> dict[str, str]:
    """Have a link mailed that confirms one's address."""
    await signing.attempts.enter(origin_of(request).address, str(principal.user_id), what="verify", now=deps.clock())
    async with deps.db.doorman() as doorman:
        person = await people.find_by_id(doorman, principal.user_id) if principal.user_id else None
    if person is None or person.email_verified_at is not None:
        return {"detail": "this address is verified"}
    place = next(place for place in person.places if place.tenant_id == principal.tenant_id)
    later.add_task(accounts.send, deps, Purpose.VERIFY, person, place, accounts.address_state(person))
    return {"detail": "a mail is on its way"}
