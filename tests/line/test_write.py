"""POST /api/v2/write and /write, one test for each line of what InfluxDB's protocol says."""

import gzip
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from monitor.principal import Scope
from monitor.settings import Settings
from tests.conftest import SettableClock, urls
from tests.factories import make_key
from tests.http.collector import Collector, collecting
from tests.http.wire import wired
from tests.stage import until

POINTS = (
    "SELECT a.external_id AS agent, metric, series.tags, value, at FROM samples JOIN series ON series.id = series_id "
    "JOIN agents a ON a.id = series.agent_id ORDER BY at, metric, agent, series.tags::text"
)
LOGS = "SELECT kind, status, level, message, details, external_id FROM agent_logs ORDER BY id"


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


async def write(
    api: Collector, body: str | bytes, *, v1: bool = False, headers: dict[str, str] | None = None, **query: str
) -> httpx.Response:
    """POST line protocol with the tenant's key."""
    given = {"Authorization": f"Token {api.tenant.key}"} if headers is None else headers
    content = body.encode() if isinstance(body, str) else body
    return await api.client.post("/write" if v1 else "/api/v2/write", content=content, headers=given, params=query)


async def points(api: Collector) -> list[tuple[Any, ...]]:
    """Agent, metric, tags and value of everything that is kept, in the order of time."""
    return [(row["agent"], row["metric"], row["tags"], row["value"]) for row in await api.rows(POINTS)]


def expect_refused(answer: httpx.Response, status: int, code: str) -> str:
    """The message of an answer with this status, which has InfluxDB's shape."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["code"] == answer.headers["x-platform-error-code"] == code
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    return str(body["message"])


def ns(clock: SettableClock, seconds: float = 0) -> int:
    """A time near now in nanoseconds."""
    return int((clock() + timedelta(seconds=seconds)).timestamp()) * 1_000_000_000


async def test_everything_written_is_204_without_a_body(api: Collector, clock: SettableClock) -> None:
    at = ns(clock, -5)
    body = f"cpu,agent=akira,env=prod usage=0.5,value=2i {at}\nup,agent=akira value=t {at + 1000}\n"
    answer = await write(api, body, org="o", bucket="b")
    assert (answer.status_code, answer.content) == (204, b"")
    assert await points(api) == [
        ("akira", "cpu", {"env": "prod"}, 2.0),
        ("akira", "cpu_usage", {"env": "prod"}, 0.5),
        ("akira", "up", {}, 1.0),
    ]


NUMBERS = {"1": 1, "-1.5e3": -1500, "7i": 7, "-7i": -7, "7u": 7, "t": 1, "True": 1, "FALSE": 0, "f": 0, ".5": 0.5}


async def test_floats_integers_unsigned_and_booleans_are_numbers(api: Collector, clock: SettableClock) -> None:
    fields = ",".join(f"f{number}={value}" for number, value in enumerate(NUMBERS))
    # Twice, since the second one is read by what the first taught.
    for second in (10, 5):
        assert (await write(api, f"m,agent=a {fields} {ns(clock, -second)}")).status_code == 204
    kept = {point[1]: point[3] for point in await points(api)}
    assert kept == {f"m_f{number}": value for number, value in enumerate(NUMBERS.values())}
    assert len(await points(api)) == 2 * len(NUMBERS)


async def test_precisions_of_v2_and_v1(api: Collector, clock: SettableClock) -> None:
    at = int(clock().timestamp()) // 3600 * 3600
    units = {"": 1e-9, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}
    for number, (unit, seconds) in enumerate(units.items()):
        answer = await write(api, f"m{number},agent=a value=1 {round(at / seconds)}", precision=unit)
        assert answer.status_code == 204
    old = {"n": 1e-9, "u": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "ns": 1e-9}
    for number, (unit, seconds) in enumerate(old.items()):
        body = f"old{number},agent=a value=1 {round(at / seconds)}"
        assert (await write(api, body, v1=True, precision=unit, db="d")).status_code == 204
    assert [row["at"].timestamp() for row in await api.rows(POINTS)] == [at] * (len(units) + len(old))


async def test_another_precision_is_400(api: Collector) -> None:
    for unit in ("m", "h", "n", "auto", "minutes"):
        message = expect_refused(await write(api, "m,agent=a value=1", precision=unit), 400, "invalid")
        assert message == "invalid precision; valid precision units are ns, us, ms, s"
    assert await points(api) == []


async def test_nanoseconds_are_cut_to_microseconds(api: Collector, clock: SettableClock) -> None:
    at = ns(clock, -5)
    await write(api, f"m,agent=a value=1 {at + 1999}\nm,agent=a value=2 {at + 2000}")
    assert [(row["at"].microsecond, row["value"]) for row in await api.rows(POINTS)] == [(1, 1.0), (2, 2.0)]


async def test_gzip(api: Collector) -> None:
    for encoding in ("gzip", "x-gzip"):
        headers = {"Authorization": f"Token {api.tenant.key}", "Content-Encoding": encoding}
        assert (
            await write(api, gzip.compress(b"m,agent=%b value=1" % encoding.encode()), headers=headers)
        ).status_code == 204
    assert len(await points(api)) == 2


async def test_another_encoding_is_415_and_a_damaged_body_400(api: Collector) -> None:
    key = {"Authorization": f"Token {api.tenant.key}"}
    brotli = await write(api, b"x", headers={**key, "Content-Encoding": "br"})
    assert "'br'" in expect_refused(brotli, 415, "unsupported media type")
    damaged = await write(api, b"not gzip", headers={**key, "Content-Encoding": "gzip"})
    assert "damaged" in expect_refused(damaged, 400, "invalid")


async def test_an_unparsable_line_is_400_that_names_it_and_the_rest_is_kept(api: Collector) -> None:
    body = "cpu,agent=a value=1\ncpu value\n\n# a comment\nmem,agent=a x=2\nmem,agent=a y=abc"
    message = expect_refused(await write(api, body), 400, "invalid")
    assert message == (
        "unable to parse 'cpu value': invalid field format (line 2)\n"
        "unable to parse 'mem,agent=a y=abc': invalid boolean (line 6)\n"
        "partial write: dropped=2"
    )
    assert [point[1] for point in await points(api)] == ["cpu", "mem_x"]


async def test_a_line_that_is_understood_and_not_kept_is_422_and_the_rest_is_written(
    api: Collector, clock: SettableClock
) -> None:
    late = ns(clock, 3600)
    answer = await write(api, f"m,agent=a value=1\nm,agent=a value=2 {late}\nm,agent=a value=3 1\nm value=4")
    message = expect_refused(answer, 422, "unprocessable entity")
    assert message == (
        "failure writing points to database: partial write: line 2: timestamp: more than 5 minutes in the future; "
        "line 3: timestamp: older than what is kept (30 days); "
        "line 4: agent: the line has none of the tags agent, host, the request no bucket dropped=3"
    )
    assert [point[3] for point in await points(api)] == [1.0]


async def test_both_kinds_of_fault_are_in_one_400(api: Collector) -> None:
    message = expect_refused(await write(api, "m,agent=a value=1\nm value=2\nm"), 400, "invalid")
    assert message.splitlines() == [
        "unable to parse 'm': missing fields (line 3)",
        "partial write: line 2: agent: the line has none of the tags agent, host, the request no bucket dropped=2",
    ]
    assert len(await points(api)) == 1


async def test_a_field_says_nothing_of_the_kind_of_its_series(api: Collector, clock: SettableClock) -> None:
    await api.post("metrics", {"agent": "a", "metric": "m", "value": 1, "kind": "counter"})
    assert (await write(api, f"m,agent=a value=2 {ns(clock, -5)}")).status_code == 204
    assert (await api.one("SELECT kind FROM series"))["kind"] == "counter"
    assert len(await points(api)) == 2


async def test_nothing_to_write_is_204(api: Collector) -> None:
    for body in ("", "\n\n", "# nothing\n", "  \n"):
        assert (await write(api, body)).status_code == 204


async def test_a_key_is_a_token_a_bearer_or_a_password(api: Collector) -> None:
    key = api.tenant.key
    basic = b64encode(f"anybody:{key}".encode()).decode()
    for given in (f"Token {key}", f"Bearer {key}", f"Basic {basic}", f"Token anybody:{key}"):
        answer = await write(api, "m,agent=a value=1", headers={"Authorization": given})
        assert answer.status_code == 204, given
    answer = await write(api, "m,agent=a value=1", v1=True, headers={}, u="anybody", p=key, db="d")
    assert answer.status_code == 204


async def test_without_a_valid_key_it_is_401(api: Collector) -> None:
    for given in ({}, {"Authorization": "Token am_wrong_key"}, {"Authorization": "Digest x"}):
        for v1 in (True, False):
            answer = await write(api, "m,agent=a value=1", v1=v1, headers=given)
            expect_refused(answer, 401, "unauthorized")
            assert "www-authenticate" in answer.headers


async def test_a_key_that_may_only_read_is_403(api: Collector) -> None:
    _, key = await make_key(api.ingest.deps.db, api.tenant.id, scopes=(Scope.READ,))
    answer = await write(api, "m,agent=a value=1", headers={"Authorization": f"Token {key}"})
    expect_refused(answer, 403, "forbidden")
    assert await points(api) == []


async def test_a_key_of_one_agent_writes_for_no_other(api: Collector) -> None:
    await write(api, "m,agent=own value=1")
    own = await api.agent_id("own")
    _, key = await make_key(api.ingest.deps.db, api.tenant.id, scopes=(Scope.INGEST,), agent_id=own)
    headers = {"Authorization": f"Token {key}"}
    message = expect_refused(
        await write(api, "m,agent=own v=2\nm,agent=other v=3", headers=headers), 422, "unprocessable entity"
    )
    assert "line 2: 403: this key is bound to another agent dropped=1" in message
    assert [(point[0], point[3]) for point in await points(api)] == [("own", 1.0), ("own", 2.0)]


async def test_a_bucket_is_never_unknown_it_names_the_agent_of_lines_that_name_none(api: Collector) -> None:
    assert (await write(api, "m value=1\nm,host=box value=2", org="o", bucket="akira")).status_code == 204
    assert (await write(api, "m value=3", v1=True, db="sol")).status_code == 204
    kept = sorted((point[0], point[3]) for point in await points(api))
    assert kept == [("akira", 1.0), ("box", 2.0), ("sol", 3.0)]


async def test_a_body_over_the_limit_is_413(db: Database, clock: SettableClock) -> None:
    async with collecting(db, clock, settings=Settings(body_limit=1000)) as api:
        body = gzip.compress(b"m,agent=a value=1\n" * 100)
        headers = {"Authorization": f"Token {api.tenant.key}", "Content-Encoding": "gzip"}
        expect_refused(await write(api, body, headers=headers), 413, "request too large")


async def test_too_many_lines_or_fields_are_413(api: Collector) -> None:
    message = expect_refused(await write(api, "m,agent=a value=1\n" * 100_002), 413, "request too large")
    assert "100000 lines" in message
    message = expect_refused(await write(api, "m " + ",".join(["a=1"] * 500_001)), 413, "request too large")
    assert "500000 tags and fields" in message
    assert await points(api) == []


async def test_too_many_requests_are_429_and_503_for_clients_of_v1(db: Database, clock: SettableClock) -> None:
    async with collecting(db, clock, settings=Settings(rate_limit="2/minute")) as api:
        statuses = [(await write(api, "m,agent=a value=1")).status_code for _ in range(2)]
        assert statuses == [204, 204]
        answer = await write(api, "m,agent=a value=1")
        expect_refused(answer, 429, "too many requests")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        answer = await write(api, "m,agent=a value=1", v1=True)
        expect_refused(answer, 503, "unavailable")
        assert 1 <= int(answer.headers["retry-after"]) <= 60


async def test_a_full_collector_is_503_with_retry_after(db: Database, clock: SettableClock) -> None:
    async with collecting(db, clock, settings=Settings(inflight_limit=1000)) as api:
        answer = await write(api, "m,agent=a value=1\n" * 1000)
        expect_refused(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_fault_of_ours_is_500_and_tells_nothing(
    api: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(api.ingest, "window", fail)
    message = expect_refused(await write(api, "m,agent=a value=1"), 500, "internal error")
    assert "secret" not in message


async def test_v1_says_the_error_as_its_clients_read_it(api: Collector) -> None:
    answer = await write(api, "m", v1=True, db="d")
    expect_refused(answer, 400, "invalid")
    assert answer.json()["error"].startswith("unable to parse 'm': missing fields (line 1)")


async def test_the_database_away_is_503_and_then_nothing_is_doubled(
    postgres: EmbeddedPostgres, database_name: str, clock: SettableClock
) -> None:
    async with wired(urls(postgres, database_name)) as (db, wire), collecting(db, clock) as api:
        body = f'm,agent=a value=1,text="x" {ns(clock, -5)}'
        assert (await write(api, body)).status_code == 204
        wire.cut()
        answer = await write(api, body)
        expect_refused(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        health = await api.client.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "fail")
        wire.mend()
        await until(lambda: _written(api, body))
        assert (len(await points(api)), len(await api.rows(LOGS))) == (1, 1)


async def _written(api: Collector, body: str) -> bool:
    return (await write(api, body)).status_code == 204
