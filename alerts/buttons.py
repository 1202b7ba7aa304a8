"""What a press of a button in Slack does: read from the interaction that Slack sends, done once.

https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import structlog
from slack_sdk.webhook.async_client import AsyncWebhookClient

from alerts import responses
from alerts.channels.answers import TIMEOUT
from alerts.core.vocabulary import ChannelKind
from alerts.core.wording import is_link, one_line
from alerts.offers import Offer, Offers
from alerts.responses import By
from alerts.used import use_once
from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import Conflict, Forbidden, NotFound
from monitor.http.deps import Audit, Deps
from monitor.http.outbound import Allowed, Outbound
from monitor.principal import Scope

_log = structlog.get_logger(__name__)

REMEMBERED = timedelta(minutes=15)
"""How long a request is remembered: longer than one is taken after it was signed."""


@dataclass(frozen=True, slots=True)
class Press:
    """One press. `actor`: who, as timelines name them. `reply_to`: where the one who pressed is answered alone."""

    token: str
    actor: str
    reply_to: str | None


class Buttons:
    """Does what buttons offer. Made by whoever hears Slack; closed by it."""

    def __init__(
        self, db: Database, offers: Offers, audit: Audit, *, clock: Clock, public_url: str, allowed: Allowed
    ) -> None:
        """`allowed`: addresses that are not public and may be answered to all the same."""
        self._db = db
        self._offers = offers
        self._audit = audit
        self._clock = clock
        self._public_url = public_url
        self._replies = Outbound(allowed, seconds=TIMEOUT)

    @classmethod
    def of(cls, deps: Deps) -> "Buttons | None":
        """With what routes are made with; None without secret keys: then no button was ever made."""
        settings = deps.settings
        if not settings.secret_keys:
            return None
        offers, allowed = Offers(settings.secret_keys, settings.public_url), Allowed.of(settings.webhook_allow)
        return cls(deps.db, offers, deps.audit, clock=deps.clock, public_url=settings.public_url, allowed=allowed)

    async def close(self) -> None:
        """Let go of connections."""
        await self._replies.close()

    async def press(self, payload: Mapping[str, Any], *, identity: str) -> None:
        """Do what the pressed buttons say, once for all requests of this `identity`.

        What cannot be done is told to the one who pressed, and nobody else. Raises Gone for a request that was used
        before, and Unavailable.
        """
        now = self._clock()
        for index, press in enumerate(presses(payload)):
            try:
                offer = self._offers.read(press.token, channel=ChannelKind.SLACK, now=now)
                await self._take(offer, press, f"{identity} {index}", now)
            except (Conflict, Forbidden, NotFound) as error:
                _log.info("a button did nothing", actor=press.actor, error=error.message)
                await self._reply(press, f"Nothing was changed: {error.message}.")

    async def _take(self, offer: Offer, press: Press, identity: str, now: datetime) -> None:
        async with self._db.tenant(offer.tenant_id) as connection:
            principal = await responses.reached(connection, offer.tenant_id, press.actor)
            principal.require(Scope.ALERTS)
            expires = now + REMEMBERED
            await use_once(connection, offer.tenant_id, identity, expires_at=expires, what="request")
            by = By(principal, now, self._audit, self._public_url)
            await responses.take(connection, by, offer.alert_id, offer.action)

    async def _reply(self, press: Press, said: str) -> None:
        if press.reply_to is None or not is_link(press.reply_to):
            return
        hook = AsyncWebhookClient(
            press.reply_to, timeout=int(TIMEOUT), session=self._replies.session, retry_handlers=[]
        )
        try:
            await hook.send(text=said, response_type="ephemeral", replace_original=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.warning("Slack was not answered", error=one_line(str(error), 200))


def presses(payload: Mapping[str, Any]) -> Iterator[Press]:
    """The presses of buttons in an interaction; none in one of another type or of another shape."""
    user, actions, reply_to = payload.get("user"), payload.get("actions"), payload.get("response_url")
    if payload.get("type") != "block_actions" or not isinstance(user, dict) or not isinstance(actions, list):
        return
    name = user.get("username") or user.get("name") or ""
    who = one_line(str(user.get("id", "")), 40) + (f" ({one_line(str(name), 80)})" if name else "")
    for action in actions:
        if isinstance(action, dict) and isinstance(action.get("value"), str):
            yield Press(action["value"], f"slack:{who}", reply_to if isinstance(reply_to, str) else None)
