"""Slack's Socket Mode as far as it is used: an address is handed out, presses come over the websocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

APP_TOKEN = "xapp-test"


class SocketServer:
    """Hands out addresses to who has the token, and talks to whoever came last."""

    def __init__(self) -> None:
        self.url = ""
        self.opened = 0
        self.live: list[web.WebSocketResponse] = []
        self.acknowledged: asyncio.Queue[str] = asyncio.Queue()
        self.changed = asyncio.Condition()

    async def open(self, request: web.Request) -> web.Response:
        """`apps.connections.open`."""
        if request.headers.get("Authorization") != f"Bearer {APP_TOKEN}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        return web.json_response({"ok": True, "url": self.url.replace("http://", "ws://") + "link"})

    async def link(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, from hello to its end."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.opened += 1
        self.live.append(socket)
        async with self.changed:
            self.changed.notify_all()
        await socket.send_json({"type": "hello", "num_connections": len(self.live)})
        async for said in socket:
            if said.type is WSMsgType.TEXT:
                self.acknowledged.put_nowait(json.loads(said.data)["envelope_id"])
        self.live.remove(socket)
        return socket

    async def came(self, times: int) -> None:
        """Wait until as many connections were opened; other work on the machine makes it slow."""
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: self.opened >= times)

    async def press(self, envelope_id: str, payload: dict[str, Any]) -> None:
        """Send an interaction to whoever listens."""
        envelope = {"envelope_id": envelope_id, "type": "interactive", "accepts_response_payload": False}
        await self.live[-1].send_json(envelope | {"payload": payload})

    async def refresh(self) -> None:
        """Ask for another connection, as Slack does every few hours."""
        await self.live[-1].send_json({"type": "disconnect", "reason": "refresh_requested"})


@asynccontextmanager
async def socket_server() -> AsyncIterator[SocketServer]:
    """The server on a free port."""
    server = SocketServer()
    app = web.Application()
    app.router.add_post("/api/apps.connections.open", server.open)
    app.router.add_get("/link", server.link)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield server
    for socket in list(server.live):
        await socket.close()
    await runner.cleanup()
