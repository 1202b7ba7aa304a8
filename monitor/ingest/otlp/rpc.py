"""OTLP over gRPC: the same handlers as over HTTP, with gRPC's codes.

A call is handed to the HTTP route of its signal as a request in protobuf, so that whatever holds there (keys, limits,
answers, errors) holds here. This module alone needs the extra `grpc`.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from starlette.types import ASGIApp, Message

from monitor.errors import ConfigError
from monitor.ingest.otlp.protocol import SIGNALS, Encoding

STOP_SECONDS = 3.0
_CREDENTIALS = ("authorization", "x-api-key")
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_DETAILS = "grpc-status-details-bin"

Call = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]


@contextlib.asynccontextmanager
async def serving(routes: Mapping[tuple[str, str], ASGIApp], listen: str, *, limit: int) -> AsyncIterator[int]:
    """Serve the routes' signals at `listen` (host:port) until the end of the block; yields the port.

    `limit`: bytes that a message may have, decompressed. Raises ConfigError where the address is not to be had.
    """
    calls: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        f"/{signal.service}/Export": grpc.unary_unary_rpc_method_handler(_call(routes["POST", signal.path]))
        for signal in SIGNALS
    }
    server = grpc.aio.server(handlers=[_Calls(calls)], options=[("grpc.max_receive_message_length", limit)])
    try:
        port = server.add_insecure_port(listen)
    except RuntimeError:
        raise ConfigError(f"AGENT_MONITOR_GRPC_LISTEN: cannot listen on {listen}") from None
    await server.start()
    try:
        yield port
    finally:
        await server.stop(STOP_SECONDS)


class _Calls(grpc.GenericRpcHandler):
    """Finds what answers a call by its full name."""

    def __init__(self, calls: Mapping[str, "grpc.RpcMethodHandler[bytes, bytes]"]) -> None:
        self._calls = calls

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        return self._calls.get(details.method)


def _call(route: ASGIApp) -> Call:
    async def call(body: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        headers = [
            (name.encode(), value.encode() if isinstance(value, str) else value)
            for name, value in context.invocation_metadata() or ()
            if name in _CREDENTIALS
        ]
        exchange = _Exchange(body)
        await route(exchange.scope(headers), exchange.receive, exchange.send)
        if exchange.status != 200:
            await _refuse(context, exchange)
        return exchange.content

    return call


@dataclass(slots=True)
class _Exchange:
    """A request that is there as a whole, and the answer to it."""

    body: bytes
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    content: bytes = b""

    def scope(self, headers: list[tuple[bytes, bytes]]) -> dict[str, object]:
        given = [(b"content-type", Encoding.PROTOBUF.encode()), (b"content-length", b"%d" % len(self.body)), *headers]
        return {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": given}

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.content += message.get("body", b"")


async def _refuse(context: "grpc.aio.ServicerContext[bytes, bytes]", exchange: _Exchange) -> None:
    """End the call with the Status that the route answered, and when to come again where it said so."""
    status = Status.FromString(exchange.content)
    if (wait := exchange.headers.get(b"retry-after")) is not None:
        packed = Packed()
        packed.Pack(RetryInfo(retry_delay=Duration(seconds=int(wait))))
        status.details.append(packed)
    await context.abort(_CODES[status.code], status.message, ((_DETAILS, status.SerializeToString()),))
