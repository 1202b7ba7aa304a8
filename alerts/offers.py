"""What a message offers its readers to do about an alert, as signed tokens: buttons in Slack, links in mails.

A token names the alert, what is done, the channel and whom it was sent to, and when it ends. It is signed with the
key ring of `AGENT_MONITOR_SECRET_KEYS`: the newest key signs, all of them verify, so that what was sent before a
rotation goes on working as long as its key stays in the ring.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from alerts.core.vocabulary import Action, ChannelKind
from monitor.errors import Forbidden, Gone

LINK_LASTS = timedelta(hours=72)
"""How long the links of a mail work. A mail that is sent again has new ones."""

SNOOZE_LASTS = timedelta(hours=1)
"""How long a button or a link snoozes."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that one recipient may do about one alert. `until` None: as long as the message stands."""

    tenant_id: UUID
    alert_id: UUID
    action: Action
    channel: ChannelKind
    to: str
    until: datetime | None = None

    @property
    def identity(self) -> str:
        """The same for every way to spell the token: base64 leaves room for several."""
        ends = "" if self.until is None else int(self.until.timestamp())
        return f"offer {self.tenant_id} {self.alert_id} {self.action} {self.channel} {ends} {self.to}"


class Offers:
    """Signs offers and reads them back."""

    def __init__(self, ring: Sequence[str], public_url: str) -> None:
        """`ring`: the secret keys, newest first, at least one."""
        # itsdangerous takes the newest last.
        keys = list(reversed(ring))
        self._signer = URLSafeSerializer(keys, salt="alert-offer", signer_kwargs={"digest_method": hashlib.sha256})
        self._public_url = public_url.rstrip("/")

    def token(self, offer: Offer) -> str:
        """The offer as text that may stand in an address. The same offer always gives the same text."""
        ids = urlsafe_b64encode(offer.tenant_id.bytes + offer.alert_id.bytes).rstrip(b"=").decode()
        until = 0 if offer.until is None else int(offer.until.timestamp())
        return str(self._signer.dumps([ids, str(offer.action), str(offer.channel), offer.to, until]))

    def link(self, offer: Offer) -> str:
        """Where the recipient goes to take it."""
        return f"{self._public_url}/respond/{self.token(offer)}"

    def read(self, token: str, *, channel: ChannelKind, now: datetime) -> Offer:
        """The offer that a token of this channel names. Raises Forbidden for a forged one, Gone for an old one."""
        try:
            ids, action, by, to, until = self._signer.loads(token)
            raw = urlsafe_b64decode(ids + "=")
            ends = datetime.fromtimestamp(until, UTC) if until else None
            offer = Offer(UUID(bytes=raw[:16]), UUID(bytes=raw[16:]), Action(action), ChannelKind(by), to, ends)
        except (BadData, ValueError, TypeError):
            raise Forbidden("this link is not one that was sent, or was not copied whole") from None
        if offer.channel is not channel:
            raise Forbidden("this link was made for another channel")
        if offer.until is not None and offer.until <= now:
            raise Gone("this link has expired")
        return offer
