"""The three signals as tests ask for them over HTTP, and their answers in either encoding."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.http.collector import Collector
from tests.otlp.requests import JSON, PROTOBUF, logs, metrics, now_ns, traces

ENCODINGS = pytest.mark.parametrize("encoding", [PROTOBUF, JSON])


@dataclass(frozen=True, slots=True)
class Asked:
    """One signal: two good things, one that is not kept among good ones, and where they are counted."""

    path: str
    good: Callable[[], Message]
    mixed: Callable[[], Message]
    response: type[Message]
    rejected: str
    stored: str

    def __str__(self) -> str:
        """Its name in the names of tests."""
        return self.path


TRACES = Asked(
    "/v1/traces", lambda: traces(1, 2), lambda: traces(1, 0, 2),
    ExportTraceServiceResponse, "rejected_spans", "SELECT count(*) AS n FROM spans",
)  # fmt: skip
METRICS = Asked(
    "/v1/metrics", lambda: metrics(1.5, 2.5), lambda: metrics(1.5, float("nan"), 2.5),
    ExportMetricsServiceResponse, "rejected_data_points", "SELECT count(*) AS n FROM samples",
)  # fmt: skip
LOGS = Asked(
    "/v1/logs", lambda: logs("one", "two"), lambda: with_a_time_to_come(logs("one", "x", "two")),
    ExportLogsServiceResponse, "rejected_log_records", "SELECT count(*) AS n FROM agent_logs",
)  # fmt: skip
SIGNALS = pytest.mark.parametrize("asked", [TRACES, METRICS, LOGS], ids=str)


def with_a_time_to_come(request: Any) -> Any:
    """The second record is of next week."""
    request.resource_logs[0].scope_logs[0].log_records[1].time_unix_nano = now_ns() + 7 * 86_400 * 10**9
    return request


async def post(api: Collector, path: str, body: bytes, encoding: str, **headers: str) -> httpx.Response:
    """The answer to a request; underscores in names of headers are hyphens."""
    given = {"Content-Type": encoding, **api.tenant.headers}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.client.post(path, content=body, headers=given)


async def stored(api: Collector, asked: Asked) -> int:
    """How many there are of what the signal holds."""
    return int((await api.one(asked.stored))["n"])


def partial(answer: httpx.Response, asked: Asked) -> tuple[int, str]:
    """How many are refused and why, out of a 200 in either encoding."""
    if answer.headers["content-type"] == PROTOBUF:
        made: Any = asked.response.FromString(answer.content)
        assert made.HasField("partial_success")
        return getattr(made.partial_success, asked.rejected), made.partial_success.error_message
    said = answer.json()["partialSuccess"]
    first, *rest = asked.rejected.split("_")
    # 64-bit integers are texts in protobuf's JSON.
    count = said.get(first + "".join(word.title() for word in rest), "0")
    assert isinstance(count, str)
    return int(count), said["errorMessage"]


def status(answer: httpx.Response) -> tuple[int, str]:
    """Code and message of the Status that an error is."""
    if answer.headers["content-type"] == PROTOBUF:
        made = Status.FromString(answer.content)
        return made.code, made.message
    assert answer.headers["content-type"] == JSON
    return answer.json()["code"], answer.json()["message"]
