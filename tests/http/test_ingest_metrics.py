"""POST /api/v1/metrics, line by line of what metrics mean."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.http.collector import Collector, collecting

POINTS = (
    "SELECT metric, kind, unit, tags, value, at FROM samples JOIN series ON series.id = series_id "
    "ORDER BY metric, tags::text, at"
)


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


async def reason(api: Collector, **fields: Any) -> str:
    """Why a row with these fields is refused."""
    answer = await api.post("metrics", {"agent": "a", "metric": "m", "value": 1, **fields})
    assert answer.status_code == 422, answer.text
    (rejected,) = answer.json()["rejected"]
    return str(rejected["error"])


async def test_a_point_is_kept(api: Collector, clock: SettableClock) -> None:
    row = {"agent": "a", "metric": "latency_ms", "value": 12.5, "unit": "ms", "tags": {"model": "x", "empty": ""}}
    answer = await api.post("metrics", row)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    point = {"metric": "latency_ms", "kind": "gauge", "unit": "ms", "tags": {"model": "x"}, "value": 12.5}
    assert await api.rows(POINTS) == [{**point, "at": clock()}]
    assert (await api.rows("SELECT kinds FROM touched ORDER BY id"))[-1] == {"kinds": [4]}
    assert (await api.live())["last_seen_at"] == clock()


async def test_columns_become_points_and_a_bad_one_is_named(api: Collector, clock: SettableClock) -> None:
    body = {"agent": "a", "metrics": {"cpu": 0.3, "host": "box", "up": True, "memory_mb": 210}, "timestamp": 0}
    body["timestamp"] = at = clock().timestamp() - 5
    answer = await api.post("metrics", body)
    assert answer.status_code == 202
    assert answer.json() == {
        "accepted": 2,
        "rejected": [
            {"index": 0, "error": "metrics.host: a number is expected, not text"},
            {"index": 0, "error": "metrics.up: a number is expected, not a boolean"},
        ],
    }
    assert [(row["metric"], row["value"], row["at"].timestamp()) for row in await api.rows(POINTS)] == [
        ("cpu", 0.3, at),
        ("memory_mb", 210.0, at),
    ]


async def test_the_same_series_and_time_overwrites(api: Collector, clock: SettableClock) -> None:
    at = clock().isoformat()
    rows = [{"agent": "a", "metric": "m", "value": value, "timestamp": at} for value in (1, 2, 3)]
    assert (await api.post("metrics", rows)).json()["accepted"] == 3
    assert [row["value"] for row in await api.rows(POINTS)] == [3.0]
    await api.post("metrics", rows[0])
    assert [row["value"] for row in await api.rows(POINTS)] == [1.0]


async def test_nanoseconds_are_cut_to_microseconds(api: Collector, clock: SettableClock) -> None:
    at = clock().replace(microsecond=1)
    text = at.strftime("%Y-%m-%dT%H:%M:%S") + ".000001999Z"
    await api.post("metrics", {"agent": "a", "metric": "m", "value": 1, "timestamp": text})
    assert [row["at"] for row in await api.rows(POINTS)] == [at]


async def test_kind_and_unit_are_fixed_by_the_first_point(api: Collector, clock: SettableClock) -> None:
    def row(**fields: Any) -> dict[str, Any]:
        clock.advance(1)
        return {"agent": "a", "metric": "m", "value": 1, **fields}

    first = await api.post("metrics", row(kind="counter", unit="s"))
    assert first.json()["accepted"] == 1
    answer = await api.post("metrics", [row(kind="gauge"), row(unit="ms"), row(), row(kind="counter", unit="s")])
    assert answer.json() == {
        "accepted": 2,
        "rejected": [
            {"index": 0, "error": "kind: m is a counter, not a gauge"},
            {"index": 1, "error": "unit: m is in s, not in ms"},
        ],
    }
    await api.post("metrics", {"agent": "a", "metric": "later", "value": 1})
    adopted = await api.post("metrics", [{"agent": "a", "metric": "later", "value": 1, "unit": "s"}])
    assert adopted.json()["accepted"] == 1
    assert await api.rows("SELECT unit FROM series WHERE metric = 'later'") == [{"unit": "s"}]


async def test_two_kinds_in_the_first_request(api: Collector) -> None:
    rows = [{"agent": "a", "metric": "m", "value": 1, "kind": kind} for kind in ("delta", "gauge")]
    answer = await api.post("metrics", rows)
    assert answer.json()["rejected"] == [{"index": 1, "error": "kind: m is a delta, not a gauge"}]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"value": "12"}, "value: a number is expected, not text"),
        ({"value": None}, "value: a number is expected, not null"),
        ({"value": True}, "value: a number is expected, not a boolean"),
        ({"metric": None}, "metric: missing"),
        ({"metric": "x" * 201}, "metric: 1 to 200 characters"),
        ({"kind": "histogram"}, "kind: one of gauge, counter, delta"),
        ({"kind": []}, "kind: one of gauge, counter, delta"),
        ({"unit": ""}, "unit: 1 to 50 characters"),
        ({"tags": {"tenant": "x"}}, "tags.tenant: a reserved name"),
        ({"tags": {"agent": "x"}}, "tags.agent: a reserved name"),
        ({"tags": {"_own": "x"}}, "tags._own: a reserved name"),
        ({"tags": {"n": 1}}, "tags.n: text is expected, not a number"),
        ({"tags": {"deep": {"er": "x"}}}, "tags.deep: text is expected, not an object"),
        ({"tags": {f"t{n}": "x" for n in range(33)}}, "tags: at most 32"),
        ({"tags": ["x"]}, "tags: an object is expected, not an array"),
        ({"timestamp": "2026-01-01"}, "timestamp: not a time as RFC 3339"),
        ({"timestamp": "9999-12-31T23:59:59Z"}, "timestamp: more than 5 minutes in the future"),
        ({"timestamp": 1}, "timestamp: older than what is kept"),
        ({"host": "box"}, "host: an unknown field; put texts into tags"),
        ({"metrics": {"cpu": 1}}, "metrics: either metrics or metric with value"),
        ({"metrics": {}, "metric": None, "value": None}, "metrics: empty"),
    ],
)
async def test_what_is_wrong_is_rejected_by_name(api: Collector, fields: dict[str, Any], error: str) -> None:
    assert error in await reason(api, **fields)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400", "-1e999", "9" * 400, "9" * 5000])
async def test_what_is_not_finite_is_rejected_and_its_neighbours_kept(api: Collector, literal: str) -> None:
    row = '{{"agent":"a","metric":"m{}","value":{}}}'
    body = f"[{row.format(1, 1)},{row.format(2, literal)},{row.format(3, 3)}]"
    answer = await api.post("metrics", body.encode())
    assert answer.json()["accepted"] == 2
    (rejected,) = answer.json()["rejected"]
    assert rejected["index"] == 1
    assert "a finite number is expected" in rejected["error"]


async def test_integers_past_2_to_the_53_are_flagged(api: Collector) -> None:
    answer = await api.post("metrics", {"agent": "a", "metrics": {"exact": 2**60, "not": 2**60 + 1}})
    assert answer.json()["accepted"] == 2
    (warning,) = answer.json()["warnings"]
    assert warning == {
        "index": 0,
        "warning": f"metrics.not: an integer past 2^53, kept as the nearest float {float(2**60)!r}",
    }


async def test_late_points_are_kept(api: Collector, clock: SettableClock) -> None:
    late = clock() - timedelta(days=29)
    await api.post("metrics", {"agent": "a", "metric": "m", "value": 1, "timestamp": late.isoformat()})
    assert [row["at"] for row in await api.rows(POINTS)] == [late]
    assert (await api.live())["last_seen_at"] == clock()


async def test_more_than_100_000_rows_are_too_many(api: Collector) -> None:
    answer = await api.post("metrics", b"[" + b",".join([b"{}"] * 100_001) + b"]")
    assert answer.status_code == 413
    lines = await api.post("metrics", b"{}\n" * 100_001, Content_Type="application/x-ndjson")
    assert lines.status_code == 413


async def test_tags_in_any_order_are_one_series(api: Collector) -> None:
    for tags in ({"x": "1", "y": "2"}, {"y": "2", "x": "1", "z": ""}):
        await api.post("metrics", {"agent": "a", "metric": "m", "value": 1, "tags": tags})
    assert len(await api.rows("SELECT 1 FROM series")) == 1
