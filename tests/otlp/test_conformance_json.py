"""What OTLP in JSON asks of a server, line by line: opentelemetry-proto, docs/specification.md."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.http.collector import Collector, collecting
from tests.otlp.asking import TRACES, partial, post, status, stored
from tests.otlp.requests import JSON, PROTOBUF, now_ns, spelled, traces


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


def span(**fields: Any) -> bytes:
    """A request of one span in JSON."""
    ids = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "name": "chat"}
    given = {**ids, "startTimeUnixNano": str(now_ns()), **fields}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [given]}]}]}).encode()


async def test_ids_are_hex_in_json_in_either_case(api: Collector) -> None:
    assert (await post(api, "/v1/traces", span(parentSpanId="eee19b7ec3c1b173"), JSON)).json() == {}
    assert await api.one("SELECT trace_id, span_id, parent_id FROM spans") == {
        "trace_id": "5b8efff798038103d269b633813fc60c",
        "span_id": "eee19b7ec3c1b174",
        "parent_id": "eee19b7ec3c1b173",
    }


async def test_ids_as_base64_are_refused(api: Collector) -> None:
    answer = await post(api, "/v1/traces", span(traceId="W47/95gDgQPSabYzgT/GDA=="), JSON)
    assert partial(answer, TRACES)[0] == 1


@pytest.mark.parametrize("spell", [str, int], ids=["text", "number"])
async def test_64_bit_integers_are_texts_or_numbers_in_json(api: Collector, spell: Callable[[int], Any]) -> None:
    at_ns = now_ns()
    answer = await post(api, "/v1/traces", span(startTimeUnixNano=spell(at_ns), endTimeUnixNano=spell(at_ns)), JSON)
    assert answer.json() == {}
    row = await api.one("SELECT extract(epoch FROM started_at) * 1000000 AS us FROM spans")
    assert int(row["us"]) == at_ns // 1000


async def test_enums_are_integers_in_json(api: Collector) -> None:
    assert (await post(api, "/v1/traces", span(kind=3, status={"code": 2}), JSON)).json() == {}
    assert (await api.one("SELECT status FROM spans"))["status"] == "error"
    answer = await post(api, "/v1/traces", span(kind="SPAN_KIND_CLIENT"), JSON)
    assert (answer.status_code, status(answer)[0]) == (400, 3)


async def test_names_other_than_in_lower_camel_case_and_unknown_fields_are_ignored(api: Collector) -> None:
    body = msgspec.json.encode({"resource_spans": [{"x": 1}], "resourceSpans": [], "futureField": {"a": [None]}})
    assert (await post(api, "/v1/traces", body, JSON)).json() == {}
    assert (await post(api, "/v1/traces", span(start_time_unix_nano=0, surprise=[{}]), JSON)).json() == {}
    assert await stored(api, TRACES) == 1


async def test_unknown_fields_of_protobuf_are_ignored(api: Collector) -> None:
    # Field 1000, four bytes.
    body = spelled(traces(1), PROTOBUF) + bytes([0xC2, 0x3E, 4]) + b"more"
    answer = await post(api, "/v1/traces", body, PROTOBUF)
    assert (answer.status_code, answer.content) == (200, b"")
    assert await stored(api, TRACES) == 1
