"""The interface of all channels, and their registry: a new one is a file, a line here and a golden file.

What Apprise speaks needs no file: a kind of its own, or a URL of Apprise's as it is.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from alerts.channels import apprise
from alerts.channels.email import EmailChannel
from alerts.channels.pagerduty import PagerDutyChannel
from alerts.channels.slack import SlackChannel
from alerts.channels.webhook import WebhookChannel
from alerts.core.message import Message, Reference
from alerts.core.vocabulary import ChannelKind
from alerts.offers import Offers
from monitor.clock import Clock
from monitor.http.outbound import NOTHING, Allowed

__all__ = ["Channel", "Channels", "Reference", "open_channels"]


class Channel(Protocol):
    """Sends messages of one kind. One instance serves all tenants and targets, concurrently."""

    @property
    def kind(self) -> ChannelKind:
        """Its key in the registry."""

    async def send(self, target: str, message: Message, previous: Reference | None) -> Reference:
        """Send to one target (addresses, a Slack channel, a URL) and return what finds it again.

        Where addresses are secrets themselves, `target` is what is shown of one and `message.secret` the address.

        `previous` is what the group's first message to this target returned; without it, the message's own
        `thread_root` counts. Sending the same message again is allowed after any doubt about the first time.
        Raises ChannelError.
        """

    async def close(self) -> None:
        """Let go of connections."""


Channels = Mapping[ChannelKind, Channel]


@asynccontextmanager
async def open_channels(
    *,
    now: Clock,
    smtp_url: str | None = None,
    mail_from: str = "Agent Monitor <agent-monitor@localhost>",
    slack_bot_token: str | None = None,
    slack_api_url: str = "https://slack.com/api/",
    webhook_secret: str | None = None,
    pagerduty_url: str = "https://events.pagerduty.com",
    public_url: str = "",
    allowed: Allowed = NOTHING,
    secret_keys: Sequence[str] = (),
    slack_buttons: bool = False,
) -> AsyncIterator[Channels]:
    """Every channel by its kind, closed on exit. A channel that is not set up refuses to send and says why.

    `allowed`: addresses that are not public and may be sent to all the same. `secret_keys`: sign links in mails, and
    buttons in Slack where `slack_buttons` says that somebody hears them; without keys there are neither.
    Raises ConfigError for settings that cannot be used.
    """
    offers = Offers(secret_keys, public_url) if secret_keys else None
    opened: list[Channel] = [
        EmailChannel(smtp_url, mail_from, offers),
        SlackChannel(
            slack_bot_token, slack_api_url, now=now, allowed=allowed, offers=offers if slack_buttons else None
        ),
        WebhookChannel(webhook_secret, public_url, now=now, allowed=allowed),
        PagerDutyChannel(pagerduty_url, public_url, now=now),
        *(apprise.AppriseChannel(kind, public_url, allowed=allowed) for kind in apprise.KINDS),
    ]
    try:
        yield {channel.kind: channel for channel in opened}
    finally:
        for channel in opened:
            await channel.close()
