"""Where the links of mails lead: a page that asks, and does nothing before its form is sent; then it acts, once.

The signed link is the credential. Programs that open every link of a mail, or post to it as one-click unsubscribing
does, change nothing: only the form carries what makes it act.
"""

import hashlib
import hmac
from datetime import datetime

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts import responses
from alerts.alert_routes import by_of
from alerts.core.vocabulary import Action, ChannelKind
from alerts.offers import LINK_LASTS, Offer, Offers
from alerts.used import use_once, was_used
from monitor.console import store
from monitor.console.page_routes import PageRoute, read_form
from monitor.console.render import page
from monitor.errors import Forbidden, Gone
from monitor.http.deps import Deps, Given
from monitor.principal import Principal, Scope

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_BUTTONS = {Action.ACKNOWLEDGE: "Acknowledge", Action.SNOOZE: "Snooze for 1 hour", Action.RESOLVE: "Resolve"}
_MEANS = {
    Action.ACKNOWLEDGE: "Others see that you have it. Repeats and escalation stop for 24 hours, unless it gets worse.",
    Action.SNOOZE: "Nobody is told anything about it for an hour. Whoever knows of it is told again if it still fires.",
    Action.RESOLVE: "The alert is closed. It opens again only after it has been well once, or if it goes on for long.",
}
_DONE = {Action.ACKNOWLEDGE: "You have it", Action.SNOOZE: "Snoozed", Action.RESOLVE: "Resolved"}


@router.get("/respond/{token}")
async def ask(request: Request, deps: Given, token: str) -> Response:
    """What the link would do, and the form that does it."""
    offer, _ = _read(deps, token)
    async with deps.db.tenant(offer.tenant_id) as connection:
        await _principal(connection, offer)
        if await was_used(connection, offer.tenant_id, offer.identity):
            raise Gone("this link was used already")
        return await _show(request, deps, connection, offer, done=False)


@router.post("/respond/{token}")
async def act(request: Request, deps: Given, token: str) -> Response:
    """Do it, once. A post without the form's own field is shown the form."""
    offer, now = _read(deps, token)
    given = (await read_form(request)).get("confirm", "")
    async with deps.db.tenant(offer.tenant_id) as connection:
        principal = await _principal(connection, offer)
        sure = hmac.compare_digest(given.encode(), confirmation(offer).encode())
        if sure:
            until = offer.until or now + LINK_LASTS
            await use_once(connection, offer.tenant_id, offer.identity, expires_at=until, what="link")
            await responses.take(connection, by_of(deps, principal), offer.alert_id, offer.action)
        return await _show(request, deps, connection, offer, done=sure)


def _read(deps: Deps, token: str) -> tuple[Offer, datetime]:
    if not deps.settings.secret_keys:
        raise Forbidden("links are not set up: AGENT_MONITOR_SECRET_KEYS is empty")
    now = deps.clock()
    offers = Offers(deps.settings.secret_keys, deps.settings.public_url)
    return offers.read(token, channel=ChannelKind.EMAIL, now=now), now


async def _principal(connection: AsyncConnection, offer: Offer) -> Principal:
    """Whoever got the mail, who may respond while the tenant stands."""
    principal = await responses.reached(connection, offer.tenant_id, f"email:{offer.to}")
    principal.require(Scope.ALERTS)
    return principal


async def _show(request: Request, deps: Deps, connection: AsyncConnection, offer: Offer, *, done: bool) -> Response:
    row = await responses.get_alert(connection, offer.tenant_id, offer.alert_id)
    values = {
        "alert": await store.get_alert(connection, offer.tenant_id, offer.alert_id),
        "acknowledged_until": row.acknowledged_until,
        "snoozed_until": row.snoozed_until,
        "snoozed_by": row.snoozed_by,
        "button": _BUTTONS[offer.action],
        "means": _MEANS[offer.action],
        "heading": _DONE[offer.action],
        "done": done,
        "reader": offer.to,
        "confirm": confirmation(offer),
        "now": deps.clock(),
    }
    return page("respond.html", request, values)


def confirmation(offer: Offer) -> str:
    """What the page's form carries, and a program that knows the link alone does not send."""
    return hashlib.sha256(f"confirm {offer.identity}".encode()).hexdigest()[:32]
