"""The Internet on this machine: services at their real addresses, with TLS, behind a proxy that leads here."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.channels.messages import NOW
from tests.channels.servers import Stub

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


def certificate(folder: Path) -> Path:
    """A certificate for HOSTS with its key, in one file, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the Internet")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=3650))
        .not_valid_after(NOW + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "internet.pem"
    file.write_bytes(made.public_bytes(pem) + secret)
    return file


@contextlib.asynccontextmanager
async def internet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """The services of HOSTS, for whoever goes by the environment's proxy."""
    service, file = Service(), certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
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
    with _environment(monkeypatch, proxy.sockets[0].getsockname()[1], file):
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
