"""What messages offer: buttons and links for alerts of their own tenant that still fire, within limits."""

import html
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from alerts.channels.base import Channels, open_channels
from alerts.channels.links import AT_MOST
from alerts.core.message import AlertLine, Message
from alerts.core.vocabulary import Action, ChannelKind, Reason
from alerts.offers import LINK_LASTS, Offer, Offers
from tests.channels.messages import NOW, ended, line, message
from tests.channels.servers import LOOPBACK, Mailbox, Stub

RING = ("a key for these tests only",)
TENANT, OTHER = UUID(int=71), UUID(int=72)
PUBLIC_URL = "https://monitor.example.com"


@pytest.fixture
async def offering(mailbox: Mailbox, slack: Stub) -> AsyncIterator[Channels]:
    """Channels with keys, whose buttons are heard."""
    async with open_channels(
        now=lambda: NOW,
        smtp_url=mailbox.url,
        mail_from="Agent Monitor <monitor@example.com>",
        slack_bot_token="xoxb-test",
        slack_api_url=slack.url + "api",
        public_url=PUBLIC_URL,
        allowed=LOOPBACK,
        secret_keys=RING,
        slack_buttons=True,
    ) as opened:
        yield opened


def own(number: int = 1, **changes: Any) -> AlertLine:
    """One that fires, of the tenant that is told."""
    return line(number, tenant_id=TENANT, **changes)


def told(*lines: AlertLine, **changes: Any) -> Message:
    """A message to the tenant."""
    return replace(message(*lines), tenant_id=TENANT, **changes)


def buttons(slack: Stub) -> list[list[str]]:
    """The actions of the newest message, by alert."""
    blocks = slack.calls[-1][1]["blocks"]
    return [[one["action_id"] for one in block["elements"]] for block in blocks if block["type"] == "actions"]


def links(mailbox: Mailbox) -> list[str]:
    """The links in both halves of the newest mail, which are the same."""
    plain, page = (part.get_content() for part in mailbox.mails[-1].iter_parts())
    found = re.findall(rf"{PUBLIC_URL}/respond/\S+", plain)
    assert re.findall(rf'href="({PUBLIC_URL}/respond/[^"]+)"', html.unescape(page)) == found
    return [str(url) for url in found]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (told(own()), [["acknowledge", "snooze", "resolve"]]),
        (told(own(acknowledged_by="ann", acknowledged_until=NOW + timedelta(hours=1))), [["snooze", "resolve"]]),
        (told(own(snoozed_by="ann", snoozed_until=NOW + timedelta(hours=1))), [["acknowledge", "resolve"]]),
        (told(own(snoozed_by="ann", snoozed_until=NOW)), [["acknowledge", "snooze", "resolve"]]),
        (
            told(own(1), ended(2, tenant_id=TENANT), line(3, tenant_id=OTHER), line(4)),
            [["acknowledge", "snooze", "resolve"]],
        ),
        (told(ended(tenant_id=TENANT)), []),
        (told(own(), reason=Reason.TEST, test=True), []),
        (message(own()), []),
    ],
)
async def test_only_what_can_be_done_is_offered(
    offering: Channels, slack: Stub, mailbox: Mailbox, given: Message, wanted: list[list[str]]
) -> None:
    await offering[ChannelKind.SLACK].send("#alerts", given, None)
    await offering[ChannelKind.EMAIL].send("ops@example.com", given, None)
    assert buttons(slack) == wanted
    assert len(links(mailbox)) == sum(map(len, wanted))


async def test_a_crowd_stays_within_the_limits(offering: Channels, slack: Stub, mailbox: Mailbox) -> None:
    given = told(*(own(number) for number in range(1, 301)))
    await offering[ChannelKind.SLACK].send("#alerts", given, None)
    blocks = slack.calls[-1][1]["blocks"]
    values = [one["value"] for block in blocks if block["type"] == "actions" for one in block["elements"]]
    assert len(blocks) <= 50
    assert len(values) == len(set(values)) == 30
    assert max(map(len, values)) <= 2000
    await offering[ChannelKind.EMAIL].send("ops@example.com", given, None)
    assert len(links(mailbox)) == AT_MOST * 3
    # Gmail cuts what is longer.
    _, page = mailbox.mails[-1].iter_parts()
    assert len(page.get_content()) < 102_000


async def test_each_recipient_has_links_of_their_own(offering: Channels, mailbox: Mailbox) -> None:
    await offering[ChannelKind.EMAIL].send("a@example.com, b@example.com", told(own()), None)
    offers = Offers(RING, PUBLIC_URL)
    for (to, _), mail in zip(mailbox.envelopes, mailbox.mails, strict=True):
        plain, _page = mail.iter_parts()
        tokens = re.findall(r"/respond/(\S+)", plain.get_content())
        read = [offers.read(token, channel=ChannelKind.EMAIL, now=NOW) for token in tokens]
        assert read == [
            Offer(TENANT, UUID(int=1), action, ChannelKind.EMAIL, to[0], (NOW + LINK_LASTS).replace(microsecond=0))
            for action in Action
        ]


async def test_without_keys_nothing_is_offered(channels: Channels, slack: Stub, mailbox: Mailbox) -> None:
    await channels[ChannelKind.SLACK].send("#alerts", told(own()), None)
    await channels[ChannelKind.EMAIL].send("ops@example.com", told(own()), None)
    assert buttons(slack) == []
    assert links(mailbox) == []


async def test_a_response_is_never_posted_anew(offering: Channels, slack: Stub) -> None:
    given = told(own(), reason=Reason.RESPONDED)
    channel = offering[ChannelKind.SLACK]
    assert await channel.send("#alerts", given, None) == {}
    assert await channel.send(slack.url + "services/T0/B0/x", given, None) == {}
    assert slack.calls == []
    await channel.send("#alerts", given, {"channel": "C1", "ts": "1.2"})
    assert slack.methods[0] == "chat.update"
    assert "acknowledge" in json.dumps(slack.calls[0][1]["blocks"])
