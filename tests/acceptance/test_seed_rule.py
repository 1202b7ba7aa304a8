"""The seed's own rule, from the third error to the mail in a mailbox and the message in a channel, and back."""

import asyncio
import time
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.acceptance.running import Dev, running
from tests.servers.process import free_port

INTERVAL = 1.0
RULE = {
    "name": "Akira fails",
    "agent": "akira-001",
    "conditions": {"status": "error", "consecutive_failures": 3},
    "channels": {"email": "user@example.com", "slack": "#alerts"},
}


class Mailbox:
    """A real SMTP server's handler that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Called by aiosmtpd."""
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


class SlackStub:
    """Slack's Web API, as far as chat.postMessage and chat.update."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def answer(self, request: web.Request) -> web.Response:
        """What Slack answers to both."""
        body = await request.json() if request.content_type == "application/json" else dict(await request.post())
        self.calls.append((request.match_info["method"], body))
        return web.json_response({"ok": True, "channel": "C123", "ts": f"1700000000.{len(self.calls):06}"})


@pytest.fixture
async def slack() -> AsyncIterator[tuple[SlackStub, str]]:
    """The stub and its address."""
    stub = SlackStub()
    app = web.Application()
    app.router.add_post("/api/{method}", stub.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield stub, f"http://127.0.0.1:{port}/api/"
    await runner.cleanup()


@pytest.fixture
def mailbox() -> Any:
    """The mailbox and the server's address."""
    box, port = Mailbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, f"smtp://127.0.0.1:{port}"
    controller.stop()


async def run_ends(dev: Dev, status: str) -> None:
    """Report one execution."""
    async with dev.client() as client:
        answer = await client.post("/api/v1/logs", json={"agent": "akira-001", "status": status, "message": status})
        assert answer.status_code == 202


async def expect(box: Mailbox, stub: SlackStub, *, mails: int, calls: int) -> None:
    """So many within an evaluation interval and two seconds, and no more a little later."""
    deadline = time.monotonic() + INTERVAL + 2
    while len(box.mails) < mails or len(stub.calls) < calls:
        assert time.monotonic() < deadline, f"{len(box.mails)} mails, {len(stub.calls)} calls"
        await asyncio.sleep(0.05)
    await asyncio.sleep(INTERVAL + 1)
    assert (len(box.mails), len(stub.calls)) == (mails, calls)


async def test_three_errors_page_once_and_a_success_resolves_once(
    tmp_path: Path, slack: tuple[SlackStub, str], mailbox: tuple[Mailbox, str]
) -> None:
    (stub, slack_url), (box, smtp_url) = slack, mailbox
    settings = {
        "smtp_url": smtp_url, "slack_api_url": slack_url, "slack_bot_token": "xoxb-test",
        "evaluation_interval": f"{INTERVAL}s",
    }  # fmt: skip
    async with running(tmp_path / "data", settings=settings) as dev:
        async with dev.client() as client:
            assert (await client.post("/api/v1/alert-configs", json=RULE)).status_code == 201
        await run_ends(dev, "error")
        await run_ends(dev, "error")
        await expect(box, stub, mails=0, calls=0)
        await run_ends(dev, "error")
        await expect(box, stub, mails=1, calls=1)
        await run_ends(dev, "error")
        await expect(box, stub, mails=1, calls=1)
        await run_ends(dev, "success")
        await expect(box, stub, mails=2, calls=2)
        await run_ends(dev, "success")
        await expect(box, stub, mails=2, calls=2)
    fired, resolved = box.mails
    assert fired["To"] == resolved["To"] == "user@example.com"
    assert resolved["References"] == fired["Message-ID"]
    assert "akira-001" in fired["Subject"]
    (posted, first), (edited, second) = stub.calls
    assert (posted, edited) == ("chat.postMessage", "chat.update")
    assert first["channel"] == "#alerts"
    assert second["ts"] == "1700000000.000001"
