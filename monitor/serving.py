"""An application on a socket of this process' own event loop, started and stopped by its caller."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import uvicorn
from fastapi import FastAPI

from monitor.errors import ConfigError

STOP_SECONDS = 3
UVICORN: Mapping[str, Any] = MappingProxyType(
    {
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # Nothing here asks for the client's address or scheme; looking for them costs each request.
        "proxy_headers": False,
    }
)
"""How everything is served."""


class QuietServer(uvicorn.Server):
    """uvicorn without its own signal handlers: the order in which things stop is ours."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say when requests are answered."""
        await super().startup(sockets)
        if self.started:
            self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken before anything slow. Raises ConfigError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once only where the protocol is named; else each waits for the client's 40 ms.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(2048)
    except OSError as fault:
        made.close()
        if fault.errno == errno.EADDRINUSE:
            raise ConfigError(f"port {port} is in use by another program: choose another with --port") from None
        raise ConfigError(f"cannot listen on {host} port {port}: {fault.strerror}") from None
    made.setblocking(False)
    return made


@contextlib.asynccontextmanager
async def serving(app: FastAPI, listening: socket.socket) -> AsyncIterator[asyncio.Task[None]]:
    """Serve until the end of the block. Yields the server's task, which ends early only when it fails."""
    config = uvicorn.Config(
        app,
        timeout_graceful_shutdown=STOP_SECONDS,
        **UVICORN,
    )
    server = QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    try:
        up = asyncio.create_task(server.up.wait())
        await asyncio.wait({task, up}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if task.done():
            await task
            raise ConfigError("the HTTP server did not start: see the log")
        yield task
    finally:
        server.should_exit = True
        await asyncio.wait({task})
