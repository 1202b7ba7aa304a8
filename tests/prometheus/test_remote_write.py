"""Remote write 1.0 and 2.0, to the letter of the specifications: what is kept, counted, refused, and how it is said."""

import math
import struct
from collections.abc import AsyncIterator
from typing import Any

import cramjam
import pytest

from monitor.db import Database
from monitor.ids import microseconds
from monitor.principal import Scope
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import make_agent, make_key
from tests.http.collector import Collector, collecting
from tests.prometheus.sender import COUNTER, GAUGE, ONE, TWO, Series, one, two, write, written

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
ALL = "SELECT s.metric, s.tags, s.kind, a.external_id AS agent, x.at, x.value FROM samples x " \
    "JOIN series s ON s.tenant_id = x.tenant_id AND s.id = x.series_id " \
    "JOIN agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id ORDER BY s.metric, x.at"  # fmt: skip


@pytest.fixture
async def collector(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


def ms(clock: SettableClock, seconds: float = 0) -> int:
    """So many seconds from now, in milliseconds."""
    return microseconds(clock()) // 1000 + int(seconds * 1000)


@pytest.mark.parametrize(("version", "media"), [(one, ONE), (two, TWO), (one, f"{ONE};proto=prometheus.WriteRequest")])
async def test_what_arrived_is_what_was_sent(
    collector: Collector, clock: SettableClock, version: Any, media: str
) -> None:
    series = [
        Series({"__name__": "up", "instance": "h:1", "job": "akira"}, [(1.0, ms(clock, -30)), (0.0, ms(clock, -15))]),
        Series({"__name__": "requests_total", "code": "200", "job": "akira"}, [(7.5, ms(clock))], kind=COUNTER),
        Series({"__name__": "told", "agent": "x", "job": "akira", "__own": "y", "tenant": "z"}, [(1e300, ms(clock))]),
        Series({"__name__": "job:load:sum"}, [(-2.0, ms(clock))]),
    ]
    answer = await write(collector, version(*series), media=media)
    assert (answer.status_code, answer.content) == (204, b"")
    assert written(answer) == ({"samples": 5, "histograms": 0, "exemplars": 0} if version is two else {})

    rows = await collector.rows(ALL)
    assert [(row["metric"], row["tags"], row["kind"], row["agent"], row["value"]) for row in rows] == [
        ("job:load:sum", {}, "gauge", "prometheus", -2.0),
        ("requests_total", {"code": "200", "job": "akira"}, "counter", "akira", 7.5),
        ("told", {"job": "akira", "x__own": "y", "tenant_": "z"}, "gauge", "x", 1e300),
        ("up", {"instance": "h:1", "job": "akira"}, "gauge", "akira", 1.0),
        ("up", {"instance": "h:1", "job": "akira"}, "gauge", "akira", 0.0),
    ]
    assert microseconds(rows[3]["at"]) == ms(clock, -30) * 1000


async def test_the_same_request_again_changes_nothing(collector: Collector, clock: SettableClock) -> None:
    sent = two(Series({"__name__": "up"}, [(1.0, ms(clock))]))
    for _ in range(2):
        assert (await write(collector, sent)).status_code == 204
    assert len(await collector.rows(ALL)) == 1


async def test_a_stale_mark_is_no_value_and_no_fault(collector: Collector, clock: SettableClock) -> None:
    answer = await write(collector, two(Series({"__name__": "up"}, [(1.0, ms(clock, -5)), (STALE, ms(clock))])))
    assert (answer.status_code, written(answer)["samples"]) == (204, 2)
    assert [row["value"] for row in await collector.rows(ALL)] == [1.0]


@pytest.mark.parametrize(
    ("labels", "value", "seconds", "fault"),
    [
        ({"__name__": "bad"}, math.nan, 0, "bad: value: NaN, infinite"),
        ({"__name__": "bad"}, math.inf, 0, "bad: value: NaN, infinite"),
        ({"__name__": "bad"}, 1.0, 600, "bad: timestamp: more than 5 minutes in the future"),
        ({"__name__": "bad"}, 1.0, -40 * 86400, "bad: timestamp: older than what is kept"),
        ({"job": "bad"}, 1.0, 0, "labels: __name__ is missing"),
        ({"__name__": "x" * 201}, 1.0, 0, "metric: 1 to 200 characters"),
        ({"__name__": "bad", **{f"l{n}": "x" for n in range(33)}}, 1.0, 0, "tags: at most 32"),
    ],
)
@pytest.mark.parametrize(("version", "media"), [(one, ONE), (two, TWO)])
async def test_a_partial_write_is_400_and_says_how_much_is_written(
    collector: Collector, clock: SettableClock, version: Any, media: str, labels: dict[str, str], value: float,
    seconds: float, fault: str,
) -> None:  # fmt: skip
    good = Series({"__name__": "good"}, [(1.0, ms(clock, -1)), (2.0, ms(clock))])
    answer = await write(collector, version(good, Series(labels, [(value, ms(clock, seconds))])), media=media)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith("1 not written, 2 written: ")
    assert fault in answer.text
    if version is two:
        assert written(answer) == {"samples": 2, "histograms": 0, "exemplars": 0}
    assert [row["value"] for row in await collector.rows(ALL)] == [1.0, 2.0]


async def test_references_that_lead_nowhere_and_names_that_come_twice(
    collector: Collector, clock: SettableClock
) -> None:
    from monitor.ingest.prometheus.messages import REQUESTS

    message = REQUESTS[2](symbols=["", "__name__", "up"])
    for refs in ([1, 2], [1], [1, 9], [1, 2, 1, 2], []):
        message.timeseries.add(labels_refs=refs).samples.add(value=1.0, timestamp=ms(clock))
    answer = await write(collector, bytes(cramjam.snappy.compress_raw(message.SerializeToString())))
    assert (answer.status_code, written(answer)["samples"]) == (400, 1)
    assert answer.text.count("labels_refs: pairs of indexes") == 2
    assert answer.text.count("a name comes twice") == 1
    assert answer.text.count("__name__ is missing") == 1


@pytest.mark.parametrize(
    ("media", "encoding", "status"),
    [
        ("application/json", "snappy", 415),
        ("application/x-protobuf;proto=io.prometheus.write.v3.Request", "snappy", 415),
        ("application/x-protobuf", "gzip", 415),
        ("application/x-protobuf", "zstd", 415),
        ('application/x-protobuf; proto="io.prometheus.write.v2.Request"', "snappy", 204),
        ("", "Snappy", 204),
    ],
)
async def test_types_and_encodings(collector: Collector, media: str, encoding: str, status: int) -> None:
    sent = bytes(cramjam.snappy.compress_raw(b""))
    assert (await write(collector, sent, media=media, Content_Encoding=encoding)).status_code == status


@pytest.mark.parametrize(
    "content",
    [b"\xff" * 40, b"not snappy at all", bytes(cramjam.snappy.compress_raw(b"\x0a\xff\xff\x01")),
     bytes(cramjam.snappy.compress(b"framed, which is not the block format" * 9))],
)  # fmt: skip
async def test_what_cannot_be_read_is_400(collector: Collector, content: bytes) -> None:
    for media in (ONE, TWO):
        answer = await write(collector, content, media=media)
        assert (answer.status_code, answer.text[:9]) == (400, "the body ")


async def test_an_empty_request_is_written(collector: Collector) -> None:
    for content, media in ((one(), ONE), (two(), TWO), (b"", TWO)):
        assert (await write(collector, content, media=media)).status_code == 204


async def test_a_claim_of_too_many_bytes_is_413_and_nothing_is_decompressed(collector: Collector) -> None:
    answer = await write(collector, b"\xff\xff\xff\xff\x07" + b"x" * 20)
    assert answer.status_code == 413
    content = bytes(cramjam.snappy.compress_raw(b"\x2a\x00" * 200_000))
    answer = await write(collector, content)
    assert (answer.status_code, "samples in one request" in answer.text) == (413, True)


async def test_keys_and_limits_answer_in_plain_text(db: Database, clock: SettableClock) -> None:
    async with collecting(db, clock, settings=Settings(rate_limit="1/minute")) as collector:
        nobody = await collector.client.post("/api/v1/write", content=one())
        assert (nobody.status_code, nobody.headers["content-type"]) == (401, "text/plain; charset=utf-8")
        assert (await write(collector, two())).status_code == 204
        often = await write(collector, two())
        assert often.status_code == 429
        assert int(often.headers["retry-after"]) > 0


async def test_no_room_is_503(db: Database, clock: SettableClock) -> None:
    async with collecting(db, clock, settings=Settings(inflight_limit=10)) as collector:
        answer = await write(collector, two(Series({"__name__": "up"}, [(1.0, ms(clock))])))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_a_key_of_one_agent_writes_for_that_one(collector: Collector, clock: SettableClock) -> None:
    agent_id = await make_agent(collector.ingest.deps.db, collector.tenant.id, "akira")
    _id, key = await make_key(collector.ingest.deps.db, collector.tenant.id, scopes=(Scope.INGEST,), agent_id=agent_id)
    sent = [Series({"__name__": "up", "job": job}, [(1.0, ms(clock))]) for job in ("akira", "other")]
    answer = await write(collector, two(*sent), Authorization=f"Bearer {key}")
    assert (answer.status_code, written(answer)["samples"]) == (400, 1)
    assert "403: this key is bound to another agent" in answer.text


async def test_labels_that_name_the_agent_are_a_setting(db: Database, clock: SettableClock) -> None:
    settings = Settings(prometheus_agent_labels=("pod", "job"))
    async with collecting(db, clock, settings=settings) as collector:
        series = Series({"__name__": "up", "job": "j", "pod": "p", "agent": "a"}, [(1.0, ms(clock))])
        assert (await write(collector, two(series))).status_code == 204
        assert [(row["agent"], row["tags"]) for row in await collector.rows(ALL)] == [
            ("p", {"job": "j", "pod": "p", "agent_": "a"})
        ]


async def test_kinds_are_as_said_or_as_named(collector: Collector, clock: SettableClock) -> None:
    named = ("a_total", "b_count", "c_sum", "d_bucket", "e_created", "f")
    assert (
        await write(collector, one(*(Series({"__name__": name}, [(1.0, ms(clock))]) for name in named)), media=ONE)
    ).status_code == 204
    said = [
        Series({"__name__": "g"}, [(1.0, ms(clock))], kind=COUNTER),
        Series({"__name__": "h_count"}, [(1.0, ms(clock))], kind=GAUGE),
        Series({"__name__": "b_count"}, [(2.0, ms(clock, 1))], kind=GAUGE),
    ]
    assert (await write(collector, two(*said))).status_code == 204
    kinds = {row["metric"]: row["kind"] for row in await collector.rows(ALL)}
    counters = {name for name, kind in kinds.items() if kind == "counter"}
    assert counters == {"a_total", "b_count", "c_sum", "d_bucket", "g"}


async def test_a_counter_with_a_start_begins_at_zero(collector: Collector, clock: SettableClock) -> None:
    start = ms(clock, -60)
    for value, at in ((5.0, ms(clock, -30)), (9.0, ms(clock))):
        series = Series({"__name__": "runs_total"}, [(value, at)], kind=COUNTER, start_ms=start)
        assert (await write(collector, two(series))).status_code == 204
    rows = await collector.rows(ALL)
    assert [(microseconds(row["at"]) // 1000 - ms(clock), row["value"]) for row in rows] == [
        (-60_000, 0.0), (-30_000, 5.0), (0, 9.0),
    ]  # fmt: skip


async def test_exemplars_hold_nothing_that_cannot_be_stored_or_is_withheld(
    collector: Collector, clock: SettableClock
) -> None:
    odd = [
        ({"trace_id": "a\0b", "span_id": "\0" * 99, "prompt": "secret", "n\0": "\0"}, 1.0, ms(clock)),
        ({"trace_id": "c" * 65}, 2.0, ms(clock)),
    ]
    answer = await write(collector, two(Series({"__name__": "up"}, exemplars=odd)))
    assert (answer.status_code, written(answer)["exemplars"]) == (400, 1)
    row = await collector.one("SELECT * FROM exemplars")
    assert (row["trace_id"], len(row["span_id"])) == ("a\ufffdb", 64)
    assert row["attributes"]["prompt"]["length"] == 6


async def test_exemplars_are_kept_and_counted(collector: Collector, clock: SettableClock) -> None:
    trace = {"trace_id": "a" * 32, "span_id": "b" * 16, "user": "u"}
    series = Series(
        {"__name__": "latency_bucket", "job": "akira", "le": "1"},
        [(3.0, ms(clock))],
        [(trace, 0.8, ms(clock, -1)), ({}, 0.5, ms(clock, -2)), ({"traceID": "c" * 32}, 0.4, ms(clock, 900))],
    )
    answers = [await write(collector, one(series), media=ONE), await write(collector, two(series))]
    for answer in answers:
        assert answer.status_code == 400
        assert "latency_bucket: exemplar: timestamp: more than 5 minutes" in answer.text
    assert written(answers[1]) == {"samples": 1, "histograms": 0, "exemplars": 2}
    rows = await collector.rows("SELECT * FROM exemplars ORDER BY value")
    assert [(row["value"], row["trace_id"], row["span_id"], row["attributes"]) for row in rows] == [
        (0.5, "", None, {}), (0.8, "a" * 32, "b" * 16, {"user": "u"}),
    ]  # fmt: skip
