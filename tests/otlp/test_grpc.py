"""OTLP over gRPC: the same answers, with gRPC's codes."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from monitor.db import Database
from monitor.errors import ConfigError, DatabaseDown
from monitor.ingest import routes
from monitor.ingest.entry import hot
from monitor.ingest.otlp import rpc
from monitor.settings import Settings, load
from tests.conftest import SettableClock
from tests.http.application import serving
from tests.http.collector import Collector, collecting
from tests.otlp.asking import LOGS, METRICS, SIGNALS, TRACES, Asked, stored
from tests.otlp.requests import PROTOBUF, metrics, spelled, traces

STUBS: dict[str, Any] = {TRACES.path: TraceServiceStub, METRICS.path: MetricsServiceStub, LOGS.path: LogsServiceStub}
LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Server:
    """A collector that is spoken to over gRPC."""

    api: Collector
    channel: grpc.aio.Channel

    async def export(self, asked: Asked, request: Message, key: str | None = None, **given: Any) -> Any:
        """The answer to a request."""
        stub = STUBS[asked.path](self.channel)
        metadata = [("authorization", f"Bearer {key or self.api.tenant.key}")]
        return await stub.Export(request, **{"metadata": metadata, "timeout": 30, **given})


async def served(api: Collector) -> AsyncIterator[Server]:
    """The server of one collector, until the test has ended."""
    taking = hot(routes.router(api.ingest))
    async with (
        rpc.serving(taking, "127.0.0.1:0", limit=LIMIT) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield Server(api, channel)


@pytest.fixture
async def server(db: Database, clock: SettableClock) -> AsyncIterator[Server]:
    async with collecting(db, clock, settings=Settings(body_limit=LIMIT)) as api:
        async for made in served(api):
            yield made


def details(error: grpc.aio.AioRpcError) -> Status:
    """The Status in an error's trailing metadata."""
    (packed,) = [value for name, value in error.trailing_metadata() or () if name == "grpc-status-details-bin"]
    assert isinstance(packed, bytes)
    made: Status = Status.FromString(packed)
    return made


@SIGNALS
async def test_each_signal_is_taken(server: Server, asked: Asked) -> None:
    answer = await server.export(asked, asked.good())
    assert not answer.HasField("partial_success")
    assert await stored(server.api, asked) == 2


@SIGNALS
async def test_a_partial_success_counts_what_is_refused(server: Server, asked: Asked) -> None:
    answer = await server.export(asked, asked.mixed())
    assert getattr(answer.partial_success, asked.rejected) == 1
    assert await stored(server.api, asked) == 2


@SIGNALS
async def test_an_empty_request_is_a_success(server: Server, asked: Asked) -> None:
    answer = await server.export(asked, type(asked.good())())
    assert not answer.HasField("partial_success")


async def test_gzip_is_taken(server: Server) -> None:
    await server.export(TRACES, traces(*range(1, 101)), compression=grpc.Compression.Gzip)
    assert await stored(server.api, TRACES) == 100


async def test_the_key_may_be_in_either_field(server: Server) -> None:
    await server.export(TRACES, traces(1), metadata=[("x-api-key", server.api.tenant.key)])
    assert await stored(server.api, TRACES) == 1


async def test_without_a_valid_key_it_is_unauthenticated(server: Server) -> None:
    for metadata in ([], [("authorization", "Bearer am_unknown")]):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await server.export(TRACES, traces(1), metadata=metadata)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert details(refused.value).code == 16


async def test_what_cannot_be_decoded_is_an_invalid_argument(server: Server) -> None:
    send: Any = server.channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
    body = spelled(traces(1), PROTOBUF)[:-2]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await send(body, metadata=[("authorization", f"Bearer {server.api.tenant.key}")], timeout=30)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "damaged or cut off" in (refused.value.details() or "")


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_message_above_the_limit_is_refused_for_good(server: Server, compression: grpc.Compression) -> None:
    large = traces(1)
    large.resource_spans[0].resource.attributes.add(key="k").value.string_value = "x" * LIMIT
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await server.export(TRACES, large, compression=compression)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await stored(server.api, TRACES) == 0


async def test_too_many_requests_are_exhausted_with_the_time_to_wait(db: Database, clock: SettableClock) -> None:
    async with collecting(db, clock, settings=Settings(rate_limit="1/hour")) as api:
        async for server in served(api):
            await server.export(METRICS, metrics(1.0))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await server.export(METRICS, metrics(1.0))
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            wait = RetryInfo()
            assert details(refused.value).details[0].Unpack(wait)
            assert 0 < wait.retry_delay.seconds <= 3600


async def test_with_the_database_away_it_is_unavailable(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise DatabaseDown("the database does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(server.api.ingest.batcher, "submit", away)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await server.export(TRACES, traces(1))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert details(refused.value).details[0].Is(RetryInfo.DESCRIPTOR)


async def test_a_fault_of_ours_is_internal_and_tells_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(server.api.ingest.batcher, "submit", broken)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await server.export(TRACES, traces(1))
    assert refused.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(refused.value)


async def test_another_method_is_unimplemented(server: Server) -> None:
    send: Any = server.channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Import")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await send(b"", timeout=30)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_without_the_package_the_start_says_what_to_install(
    db: Database, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    monkeypatch.delitem(sys.modules, rpc.__name__)
    monkeypatch.delattr("monitor.ingest.otlp.rpc")
    with pytest.raises(ConfigError, match=r"agent-monitor\[grpc\]"):
        async with serving(db, clock, settings=Settings(grpc_listen="127.0.0.1:0")):
            pass


@pytest.mark.parametrize("given", ["4317", ":4317", "host:", "host:port", "host:65536"])
def test_an_address_that_is_none_stops_the_start(given: str) -> None:
    with pytest.raises(ConfigError, match="AGENT_MONITOR_GRPC_LISTEN"):
        load({"AGENT_MONITOR_GRPC_LISTEN": given})


async def test_an_address_that_is_not_to_be_had_stops_the_start() -> None:
    routes_of_nothing = {("POST", path): None for path in STUBS}
    with pytest.raises(ConfigError, match="AGENT_MONITOR_GRPC_LISTEN"):
        async with rpc.serving(routes_of_nothing, "192.0.2.1:1", limit=1):  # type: ignore[arg-type]
            pass
