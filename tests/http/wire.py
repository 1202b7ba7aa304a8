"""A wire between a collector and the database that tests can cut: a real lost connection, not a pretended one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from urllib.parse import parse_qs, urlsplit, urlunsplit

from monitor.db import Database, Role


class Wire:
    """Forwards bytes from a port of its own to the server's socket, until it is cut."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._open: set[asyncio.StreamWriter] = set()
        self.whole = True
        self.made = 0

    async def serve(self) -> asyncio.Server:
        """Listen on a free port."""
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.made += 1
        if not self.whole:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_unix_connection(self._socket)
        both = {writer, far_writer}
        self._open |= both
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self._open -= both

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        """Break every connection, and let none be made."""
        self.whole = False
        self.drop()

    def drop(self) -> None:
        """Break every connection; new ones can be made."""
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections be made again."""
        self.whole = True


@contextlib.asynccontextmanager
async def wired(urls: Mapping[Role, str]) -> AsyncIterator[tuple[Database, Wire]]:
    """A Database whose every connection goes over a wire."""
    parts = urlsplit(next(iter(urls.values())))
    said = parse_qs(parts.query)
    wire = Wire(f"{said['host'][0]}/.s.PGSQL.{said['port'][0]}")
    server = await wire.serve()
    port = server.sockets[0].getsockname()[1]

    def over_wire(url: str) -> str:
        one = urlsplit(url)
        return urlunsplit(one._replace(netloc=f"{one.username}:{one.password or ''}@127.0.0.1:{port}", query=""))

    db = Database({role: over_wire(url) for role, url in urls.items()}, pool_size=5)
    try:
        yield db, wire
    finally:
        await db.close()
        wire.cut()
        server.close()
        await server.wait_closed()
