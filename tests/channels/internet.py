"""The Internet on this machine: services at their real addresses, with TLS, behind a proxy that leads here."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.channels.servers import Stub
from tests.servers.certificates import Authority

HOSTS = ("discord.com", "api.telegram.org", "ntfy.sh", "prod-01.westeurope.logic.azure.com")


DISCORD = "https://discord.com/api/webhooks/1234567890/" + "a" * 60
TELEGRAM = "tgram://123456789:" + "a" * 35 + "/-100200300"
WORKFLOW = (
    "https://prod-01.westeurope.logic.azure.com:443/workflows/" + "a" * 32 + "/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=" + "b" * 40
)


class Service(Stub):
    """Answers as the services do; `hosts` are those that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: list[str] = []

    def usual(self, call: tuple[str, dict[str, object]]) -> object:
        """What all of them take for success."""
        return {"ok": True, "id": "1"}


@contextlib.asynccontextmanager
async def internet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """The services of HOSTS, for whoever goes by the environment's proxy."""
    service, authority = Service(), Authority(folder, "internet")
    files = authority.issue("services", HOSTS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port = runner.addresses[0][1]

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        service.hosts.append(asked)
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_pump(reader, outer), _pump(inner, writer))

    proxy = await asyncio.start_server(lead, "127.0.0.1", 0)
    with _environment(monkeypatch, proxy.sockets[0].getsockname()[1], authority.path):
        yield service
    proxy.close()
    await runner.cleanup()
    await proxy.wait_closed()


@contextlib.contextmanager
def _environment(monkeypatch: pytest.MonkeyPatch, port: int, file: Path) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for name in ("NO_PROXY", "no_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "CURL_CA_BUNDLE"):
            patch.delenv(name, raising=False)
        patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        patch.setenv("REQUESTS_CA_BUNDLE", str(file))
        yield


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()
