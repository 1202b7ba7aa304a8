"""What OTLP/HTTP asks of a server, line by line: opentelemetry-proto, docs/specification.md."""

import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from monitor.db import Database
from monitor.errors import DatabaseDown
from monitor.principal import Scope
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import make_key
from tests.http.collector import Collector, collecting
from tests.otlp.asking import ENCODINGS, METRICS, SIGNALS, Asked, partial, post, status, stored
from tests.otlp.requests import JSON, PROTOBUF, logs, metrics, spelled, traces


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


@SIGNALS
@ENCODINGS
async def test_each_signal_is_taken_in_both_encodings_and_answered_in_the_same(
    api: Collector, asked: Asked, encoding: str
) -> None:
    answer = await post(api, asked.path, spelled(asked.good(), encoding), encoding)
    assert (answer.status_code, answer.headers["content-type"]) == (200, encoding), answer.content
    assert await stored(api, asked) == 2


@SIGNALS
async def test_full_success_is_a_response_without_partial_success(api: Collector, asked: Asked) -> None:
    answer = await post(api, asked.path, spelled(asked.good(), PROTOBUF), PROTOBUF)
    made: Any = asked.response.FromString(answer.content)
    assert not made.HasField("partial_success")
    answer = await post(api, asked.path, spelled(asked.good(), JSON), JSON)
    assert answer.json() == {}


@SIGNALS
@ENCODINGS
async def test_an_empty_request_is_a_success(api: Collector, asked: Asked, encoding: str) -> None:
    answer = await post(api, asked.path, b"" if encoding == PROTOBUF else b"{}", encoding)
    assert (answer.status_code, answer.content) == (200, b"" if encoding == PROTOBUF else b"{}")


@SIGNALS
@ENCODINGS
@pytest.mark.parametrize("compression", ["gzip", "deflate"])
async def test_compressed_bodies_are_taken(api: Collector, asked: Asked, encoding: str, compression: str) -> None:
    compress = gzip.compress if compression == "gzip" else zlib.compress
    body = compress(spelled(asked.good(), encoding))
    answer = await post(api, asked.path, body, encoding, Content_Encoding=compression)
    assert answer.status_code == 200
    assert await stored(api, asked) == 2


@SIGNALS
@ENCODINGS
async def test_a_partial_success_counts_what_is_refused_and_says_why(
    api: Collector, asked: Asked, encoding: str
) -> None:
    answer = await post(api, asked.path, spelled(asked.mixed(), encoding), encoding)
    assert answer.status_code == 200
    count, message = partial(answer, asked)
    assert count == 1
    assert " 1 not kept: " in message
    assert await stored(api, asked) == 2


@SIGNALS
async def test_the_answer_to_very_many_refusals_stays_small(api: Collector, asked: Asked) -> None:
    request = asked.mixed()
    body = b"".join(spelled(request, PROTOBUF) for _ in range(500))
    answer = await post(api, asked.path, body, PROTOBUF)
    assert partial(answer, asked)[0] == 500
    assert len(answer.content) < 2000


@ENCODINGS
async def test_a_warning_is_a_partial_success_that_refuses_nothing(api: Collector, encoding: str) -> None:
    answer = await post(api, "/v1/metrics", spelled(metrics(2**53 + 1), encoding), encoding)
    count, message = partial(answer, METRICS)
    assert (answer.status_code, count) == (200, 0)
    assert "2^53" in message
    assert await stored(api, METRICS) == 1


@SIGNALS
@ENCODINGS
async def test_what_cannot_be_decoded_is_a_400_with_a_status(api: Collector, asked: Asked, encoding: str) -> None:
    answer = await post(api, asked.path, spelled(asked.good(), encoding)[:-3], encoding)
    assert answer.status_code == 400
    code, message = status(answer)
    assert (answer.headers["content-type"], code) == (encoding, 3)
    assert "the body is not" in message
    assert await stored(api, asked) == 0


@ENCODINGS
async def test_a_damaged_compression_is_a_400(api: Collector, encoding: str) -> None:
    body = gzip.compress(spelled(traces(1), encoding))[:-9]
    answer = await post(api, "/v1/traces", body, encoding, Content_Encoding="gzip")
    assert (answer.status_code, status(answer)[0]) == (400, 3)


@SIGNALS
@ENCODINGS
async def test_more_than_64_mib_after_decompression_is_a_413(api: Collector, asked: Asked, encoding: str) -> None:
    bomb = gzip.compress(b" " * ((64 << 20) + 1), 1)
    assert len(bomb) < 1 << 20
    answer = await post(api, asked.path, bomb, encoding, Content_Encoding="gzip")
    assert answer.status_code == 413
    assert (answer.headers["content-type"], status(answer)[0]) == (encoding, 8)


@ENCODINGS
async def test_a_request_without_a_valid_key_is_a_401(api: Collector, encoding: str) -> None:
    for given in ("", "Bearer am_unknown"):
        answer = await post(api, "/v1/traces", spelled(traces(1), encoding), encoding, Authorization=given)
        assert (answer.status_code, status(answer)[0]) == (401, 16)
        assert answer.headers["www-authenticate"].startswith("Bearer")


@ENCODINGS
async def test_a_key_without_the_scope_is_a_403(api: Collector, db: Database, encoding: str) -> None:
    _, key = await make_key(db, api.tenant.id, scopes=(Scope.READ,))
    answer = await post(api, "/v1/logs", spelled(logs("x"), encoding), encoding, Authorization=f"Bearer {key}")
    assert (answer.status_code, status(answer)[0]) == (403, 7)


async def test_the_key_may_be_in_any_of_the_usual_headers(api: Collector) -> None:
    body = spelled(traces(1), PROTOBUF)
    for headers in ({"X-API-Key": api.tenant.key}, {"Authorization": f"Token {api.tenant.key}"}):
        answer = await api.client.post("/v1/traces", content=body, headers={"Content-Type": PROTOBUF, **headers})
        assert answer.status_code == 200


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_another_content_type_is_a_415(api: Collector, media: str) -> None:
    answer = await post(api, "/v1/traces", b"{}", media)
    assert (answer.status_code, status(answer)[0]) == (415, 3)


async def test_a_content_type_may_have_parameters(api: Collector) -> None:
    answer = await post(api, "/v1/traces", b"{}", "application/json; charset=utf-8")
    assert (answer.status_code, answer.headers["content-type"]) == (200, JSON)


@ENCODINGS
async def test_another_content_encoding_is_a_415(api: Collector, encoding: str) -> None:
    answer = await post(api, "/v1/traces", b"x", encoding, Content_Encoding="br")
    assert (answer.status_code, answer.headers["content-type"]) == (415, encoding)


@ENCODINGS
async def test_too_many_requests_are_a_429_with_the_time_to_wait(
    db: Database, clock: SettableClock, encoding: str
) -> None:
    async with collecting(db, clock, settings=Settings(rate_limit="1/hour")) as api:
        body = spelled(metrics(1.0), encoding)
        assert (await post(api, "/v1/metrics", body, encoding)).status_code == 200
        answer = await post(api, "/v1/metrics", body, encoding)
        assert (answer.status_code, status(answer)[0]) == (429, 8)
        assert 0 < int(answer.headers["retry-after"]) <= 3600


@SIGNALS
@ENCODINGS
async def test_with_the_database_away_it_is_a_503_that_clients_send_again(
    api: Collector, asked: Asked, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise DatabaseDown("the database does not answer")

    body = spelled(asked.good(), encoding)
    with monkeypatch.context() as broken:
        broken.setattr(api.ingest.batcher, "submit", away)
        answer = await post(api, asked.path, body, encoding)
    assert (answer.status_code, answer.headers["content-type"]) == (503, encoding)
    assert status(answer)[0] == 14
    assert int(answer.headers["retry-after"]) >= 1
    assert (await post(api, asked.path, body, encoding)).status_code == 200
    assert await stored(api, asked) == 2


@SIGNALS
async def test_duplicates_change_nothing(api: Collector, asked: Asked) -> None:
    request = asked.good()
    for encoding in (PROTOBUF, JSON, PROTOBUF):
        answer = await post(api, asked.path, spelled(request, encoding), encoding)
        assert answer.content in {b"", b"{}"}
    twice = spelled(request, PROTOBUF) * 2
    assert (await post(api, asked.path, twice, PROTOBUF)).content == b""
    assert await stored(api, asked) == 2


async def test_other_methods_are_a_405(api: Collector) -> None:
    assert (await api.client.get("/v1/traces", headers=api.tenant.headers)).status_code == 405


async def test_the_openapi_document_tells_of_each_route(api: Collector) -> None:
    document = api.app.openapi()
    for path in ("/v1/traces", "/v1/metrics", "/v1/logs"):
        operation = document["paths"][path]["post"]
        assert set(operation["requestBody"]["content"]) == {PROTOBUF, JSON}
        assert set(operation["responses"]) >= {"200", "400", "401", "403", "413", "415", "429", "503"}
