"""Real servers to send to: SMTP, Slack's Web API as far as it is used, and a webhook receiver."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiohttp import web
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from monitor.http.outbound import Allowed

LOOPBACK = Allowed.of(["127.0.0.0/8"])
"""What lets webhooks reach the servers here."""


class AnyPort(Controller):
    """Controller takes port 0 literally when it connects to see whether the server runs."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


class Mailbox:
    """Keeps what arrives; `refuse` maps an address, or `DATA`, to the server's answer."""

    def __init__(self) -> None:
        self.envelopes: list[tuple[list[str], bytes]] = []
        self.refuse: dict[str, str] = {}
        self.controller = AnyPort(self, hostname="127.0.0.1", port=0)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.controller.port}"

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(raw, policy=default) for _, raw in self.envelopes]

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if "DATA" in self.refuse:
            return self.refuse["DATA"]
        assert isinstance(envelope.content, bytes)
        self.envelopes.append((list(envelope.rcpt_tos), envelope.content))
        return "250 OK"


@dataclass
class Answer:
    """What a stub says next."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Stub:
    """Keeps requests; answers from `answers` first."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.requests: list[tuple[web.Request, bytes]] = []
        self.answers: list[Answer] = []
        self.url = ""

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    async def take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.requests.append((request, raw))
        self.calls.append((request.path.rpartition("/")[2], await request.json() if raw else {}))
        answer = self.answers.pop(0) if self.answers else Answer(body=self.usual(self.calls[-1]))
        if isinstance(answer.body, str):
            return web.Response(status=answer.status, text=answer.body, headers=answer.headers)
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)

    def usual(self, call: tuple[str, dict[str, Any]]) -> Any:
        """What Slack says; webhooks ignore it."""
        if call[0] == "chat.update":
            return {"ok": True, "channel": call[1]["channel"], "ts": call[1]["ts"]}
        return {"ok": True, "channel": "C024BE91L", "ts": f"1763836533.{len(self.calls):06}"}


@asynccontextmanager
async def serving(stub: Stub) -> AsyncIterator[Stub]:
    """The stub on a free port."""
    app = web.Application(client_max_size=16 << 20)
    app.router.add_post("/{path:.*}", stub.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield stub
    await runner.cleanup()


def signed(secret: str, header: str, body: bytes) -> bool:
    """As a receiver checks it."""
    stamp, given = (part.partition("=")[2] for part in header.split(","))
    wanted = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, given)
