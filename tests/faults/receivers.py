"""A mail server and a Slack that can hold back their reply after they have taken a message."""

import asyncio
import threading

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.channels.servers import Mailbox, Stub


class Hold:
    """Keeps replies back while it is on. The mail server runs in a thread of its own."""

    def __init__(self) -> None:
        self.on = False
        self._arrived = threading.Event()

    def __enter__(self) -> "Hold":
        self._arrived.clear()
        self.on = True
        return self

    def __exit__(self, *_: object) -> None:
        self.on = False

    @property
    def taken(self) -> bool:
        """Whether a message has arrived whose sender waits for the reply."""
        return self._arrived.is_set()

    async def wait(self) -> None:
        """Called by the server when it has taken a message."""
        if self.on:
            self._arrived.set()
        # Set from the tests' loop, waited for in the mail server's: an asyncio.Event belongs to one of them.
        while self.on:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class HeldMailbox(Mailbox):
    """Says 250 late."""

    def __init__(self) -> None:
        super().__init__()
        self.hold = Hold()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the mail, then maybe wait."""
        answer = await super().handle_DATA(server, session, envelope)
        await self.hold.wait()
        return answer


class HeldSlack(Stub):
    """Answers late."""

    def __init__(self) -> None:
        super().__init__()
        self.hold = Hold()

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Keep the call, then maybe wait."""
        answer = await super().take(request)
        await self.hold.wait()
        return answer
