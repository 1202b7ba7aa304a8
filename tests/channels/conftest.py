"""Real servers and the channels that send to them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from alerts.channels.base import Channels, open_channels
from tests.channels.internet import Service
from tests.channels.internet import internet as at_home
from tests.channels.messages import NOW
from tests.channels.servers import LOOPBACK, Mailbox, Stub, serving


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """An SMTP server."""
    box = Mailbox()
    box.controller.start()
    yield box
    box.controller.stop()


@pytest.fixture
async def slack() -> AsyncIterator[Stub]:
    """Slack's Web API."""
    async with serving(Stub()) as stub:
        yield stub


@pytest.fixture
async def receiver() -> AsyncIterator[Stub]:
    """A webhook receiver."""
    async with serving(Stub()) as stub:
        yield stub


@pytest.fixture
async def pagerduty() -> AsyncIterator[Stub]:
    """PagerDuty's Events API."""
    async with serving(Stub()) as stub:
        yield stub


@pytest.fixture
async def internet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """What Apprise speaks to, at the services' own addresses."""
    async with at_home(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
async def channels(mailbox: Mailbox, slack: Stub, pagerduty: Stub) -> AsyncIterator[Channels]:
    """All channels, set up."""
    async with open_channels(
        now=lambda: NOW,
        smtp_url=mailbox.url,
        mail_from="Agent Monitor <monitor@example.com>",
        slack_bot_token="xoxb-test",
        slack_api_url=slack.url + "api",
        webhook_secret="s" * 32,
        pagerduty_url=pagerduty.url,
        public_url="https://monitor.example.com",
        allowed=LOOPBACK,
    ) as opened:
        yield opened
