"""What holds for every ingest request: keys, limits, encodings, Idempotency-Key."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from monitor.db import Database
from monitor.errors import Full
from monitor.principal import Scope
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import make_key
from tests.http.collector import Collector, collecting

LOG = {"agent": "a", "status": "success"}
COUNT = "SELECT count(*) AS n FROM agent_logs"


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


async def stored(api: Collector) -> int:
    """How many logs there are."""
    return int((await api.one(COUNT))["n"])


async def test_a_request_without_a_valid_key_is_refused(api: Collector) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer am_x_y"}, {"Authorization": "Digest x"}):
        answer = await api.post("logs", LOG, **headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_key_needs_the_scope(api: Collector, db: Database) -> None:
    _, key = await make_key(db, api.tenant.id, scopes=(Scope.READ,))
    assert (await api.post("logs", LOG, Authorization=f"Bearer {key}")).status_code == 403
    _, key = await make_key(db, api.tenant.id, scopes=(Scope.INGEST,))
    assert (await api.post("logs", LOG, Authorization=f"Token {key}")).status_code == 202


async def test_a_suspended_tenant_ingests_nothing(api: Collector) -> None:
    await api.rows("UPDATE tenants SET status = 'suspended' RETURNING 1")
    for route in ("logs", "metrics", "heartbeats"):
        assert (await api.post(route, LOG)).status_code == 403
    assert await stored(api) == 0


async def test_a_key_that_sends_too_much_waits(db: Database, clock: SettableClock) -> None:
    async with collecting(db, clock, settings=Settings(rate_limit="3/hour")) as api:
        statuses = [(await api.post("logs", LOG)).status_code for _ in range(4)]
        assert statuses == [202, 202, 202, 429]
        answer = await api.post("logs", LOG)
        assert 1 <= int(answer.headers["retry-after"]) <= 3600


@pytest.mark.parametrize("media", ["application/xml", "application/x-www-form-urlencoded", "text/html"])
async def test_other_content_types_are_not_read(api: Collector, media: str) -> None:
    assert (await api.post("logs", b"{}", Content_Type=media)).status_code == 415


async def test_compressed_bodies_are_read(api: Collector) -> None:
    raw = b'[{"agent":"a","status":"success"}]'
    bare = zlib.compressobj(wbits=-15)
    forms = {
        "gzip": gzip.compress(raw[:9]) + gzip.compress(raw[9:]),
        "deflate": zlib.compress(raw),
        "Deflate": bare.compress(raw) + bare.flush(),
        "identity": raw,
    }
    for encoding, body in forms.items():
        answer = await api.post("logs", body, Content_Encoding=encoding)
        assert (answer.status_code, answer.text) == (202, '{"accepted":1,"rejected":[]}'), encoding
    assert (await api.post("logs", raw, Content_Encoding="br")).status_code == 415


@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b"x" + b, lambda b: b + b"trailing", lambda _: b""])
async def test_damaged_compression_is_unreadable(api: Collector, damage: Any) -> None:
    body = damage(gzip.compress(b'[{"agent":"a","status":"success"}]'))
    assert (await api.post("logs", body, Content_Encoding="gzip")).status_code == 400
    assert await stored(api) == 0


async def test_a_bomb_is_stopped_at_the_limit(api: Collector) -> None:
    bomb = gzip.compress(b" " * (200 << 20), 9)
    answer = await api.post("logs", bomb, Content_Encoding="gzip")
    assert answer.status_code == 413
    assert api.ingest.budget.used == 0


async def test_a_body_over_the_limit_is_refused_before_it_is_read(db: Database, clock: SettableClock) -> None:
    async with collecting(db, clock, settings=Settings(body_limit=1000)) as api:
        assert (await api.post("logs", b"[" + b" " * 1000)).status_code == 413

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b" " * 100

        answer = await api.client.post("/api/v1/logs", content=pieces(), headers=api.tenant.headers)
        assert answer.status_code == 413


async def test_what_does_not_fit_the_budget_is_told_to_come_again(db: Database, clock: SettableClock) -> None:
    async with collecting(db, clock, settings=Settings(inflight_limit=10_000)) as api:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b"[" + b" " * 6000
            begun.set()
            await go_on.wait()
            yield b"]"

        headers = {**api.tenant.headers, "Content-Type": "application/json"}
        first = asyncio.create_task(api.client.post("/api/v1/logs", content=slowly(), headers=headers))
        waiting = asyncio.create_task(begun.wait())
        await asyncio.wait({first, waiting}, return_when=asyncio.FIRST_COMPLETED)
        refused = await api.post("logs", b"[" + b" " * 6000 + b"]")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (await api.post("logs", LOG)).status_code == 202
        go_on.set()
        assert (await first).status_code == 202
        assert api.ingest.budget.used == 0


@pytest.mark.parametrize(
    "body", [b"", b"   ", b"nonsense", b'"text"', b"5", b"[", b'[{"agent":"a"', b"{", b"[{}] x", b"[}"]
)
async def test_what_is_not_json_is_unreadable(api: Collector, body: bytes) -> None:
    answer = await api.post("logs", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "unreadable"), answer.text


async def test_a_key_gets_the_same_answer_and_its_rows_are_kept_once(api: Collector, clock: SettableClock) -> None:
    rows = [LOG, {"agent": "a"}]
    first = await api.post("logs", rows, Idempotency_Key="k1")
    again = await api.post("logs", rows, Idempotency_Key="k1")
    assert (again.status_code, again.json()) == (first.status_code, first.json()) == (202, first.json())
    assert first.json()["accepted"] == 1
    assert await stored(api) == 1
    other_body = await api.post("logs", [LOG], Idempotency_Key="k1")
    other_route = await api.post("heartbeats", rows, Idempotency_Key="k1")
    assert (other_body.status_code, other_route.status_code) == (409, 409)
    assert (await api.post("logs", rows, Idempotency_Key="k" * 201)).status_code == 422
    clock.advance(24 * 3600 + 1)
    assert (await api.post("logs", [LOG], Idempotency_Key="k1")).status_code == 202
    assert await stored(api) == 2


async def test_a_key_is_the_tenants_own(api: Collector, db: Database, clock: SettableClock) -> None:
    await api.post("logs", LOG, Idempotency_Key="k")
    async with collecting(db, clock) as other:
        assert (await other.post("logs", [LOG, LOG], Idempotency_Key="k")).json()["accepted"] == 2


async def test_concurrent_repetitions_are_kept_once(api: Collector, db: Database, clock: SettableClock) -> None:
    async with collecting(db, clock, tenant=api.tenant) as second:
        posts = [
            collector.post("logs", [{**LOG, "message": str(key)}], Idempotency_Key=f"key-{key}")
            for key in range(8)
            for collector in (api, second, api, second)
        ]
        answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.text for answer in answers} == {'{"accepted":1,"rejected":[]}'}
    assert await stored(api) == 8


async def test_a_key_is_free_again_after_a_day_swept_or_not(api: Collector, clock: SettableClock) -> None:
    await api.post("logs", LOG, Idempotency_Key="old")
    clock.advance(24 * 3600 + 1)
    again = await api.post("logs", LOG | {"message": "another"}, Idempotency_Key="old")
    assert (again.status_code, await stored(api)) == (202, 2)


async def test_a_full_disk_is_told_before_anything_is_taken(db: Database, clock: SettableClock, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, disk_reserve=1 << 60)
    async with collecting(db, clock, settings=settings) as api:
        answer = await api.post("logs", LOG)
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "full", "30")
        assert not api.ingest.disk.ok
        with pytest.raises(Full, match="disk"):
            api.ingest.disk.check()
    async with collecting(db, clock, settings=replace(settings, disk_reserve=1)) as api:
        assert (await api.post("logs", LOG)).status_code == 202


async def test_the_routes_are_documented(api: Collector) -> None:
    document: dict[str, Any] = (await api.client.get("/openapi.json")).json()
    for route in ("logs", "metrics", "heartbeats"):
        operation = document["paths"][f"/api/v1/{route}"]["post"]
        assert set(operation["responses"]) >= {"202", "400", "401", "409", "413", "415", "422", "429", "503"}
        assert "application/x-ndjson" in operation["requestBody"]["content"]
    assert set(document["paths"]["/ping/{token}/{signal}"]) == {"get", "post"}


async def test_another_method_is_not_allowed(api: Collector) -> None:
    assert (await api.client.get("/api/v1/logs")).status_code == 405


async def test_a_client_that_goes_away_leaves_nothing_behind(api: Collector) -> None:
    begun: Message = {"type": "http.request", "body": b"[   ", "more_body": True}
    messages: Iterator[Message] = iter([begun, {"type": "http.disconnect"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/logs",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {api.tenant.key}".encode()), (b"content-length", b"5000")],
    }
    await api.app(scope, receive, send)
    assert (sent, api.ingest.budget.used) == ([], 0)
    assert (await api.post("logs", LOG)).status_code == 202
