"""Ingest with history in InfluxDB: what is said of rows that it refuses for good, and while it is down."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx
import pytest

from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from monitor.ids import microseconds
from monitor.series import influx_buckets
from monitor.series.influx import InfluxSeriesStore
from monitor.series.store import Query, Reducer
from monitor.settings import Settings
from tests.conftest import SettableClock, urls
from tests.http.collector import Collector, collecting
from tests.http.wire import wired
from tests.series.between import Between, Mood, between
from tests.servers.fixtures import Influx as Corner


@dataclass
class Scene:
    """A collector, and what stands between it and InfluxDB."""

    api: Collector
    wire: Between
    corner: Corner
    clock: SettableClock

    @property
    def store(self) -> InfluxSeriesStore:
        """The collector's history."""
        store = self.api.ingest.deps.series
        assert isinstance(store, InfluxSeriesStore)
        return store

    async def conflict(self, metric: str) -> None:
        """Somebody else has written whole numbers where we write fractions."""
        line = f"{metric},tenant=somebody value=1i {microseconds(self.clock() - timedelta(seconds=1))}"
        async with httpx.AsyncClient(base_url=self.corner.url) as client:
            answer = await client.post(
                "/api/v2/write",
                params={"org": self.corner.org, "bucket": self.store.influx.buckets.raw, "precision": "us"},
                headers={"Authorization": f"Token {self.corner.token}"},
                content=line,
            )
        assert answer.status_code == 204, answer.text

    async def count(self, metric: str) -> float:
        """The points of a metric that are stored."""
        now = self.clock()
        wanted = Query(
            metric=metric, reduce=Reducer.COUNT, start=now - timedelta(hours=1), end=now + timedelta(hours=1)
        )
        return sum(value for line in await self.store.query(self.api.tenant.id, wanted) for _at, value in line.points)


@pytest.fixture
async def settings(influx: Corner) -> Settings:
    return Settings(
        influx_url=influx.url, influx_token=influx.token, influx_org=influx.org, influx_bucket=influx.bucket
    )


@pytest.fixture
async def scene(db: Database, clock: SettableClock, settings: Settings, influx: Corner) -> AsyncIterator[Scene]:
    async with (
        between(influx.url) as wire,
        collecting(db, clock, settings=replace(settings, influx_url=wire.url)) as api,
    ):
        made = Scene(api, wire, influx, clock)
        await influx_buckets.ensure(made.store.influx, settings)
        yield made


def rows(*metrics: str) -> list[dict[str, object]]:
    """A row for each."""
    return [{"agent": "a", "metric": metric, "value": 1.5} for metric in metrics]


async def test_exactly_the_refused_points_are_named_and_the_others_are_kept(scene: Scene) -> None:
    await scene.conflict("bad")
    answer = await scene.api.post("metrics", rows("good", "bad", "good", "bad", "other"))
    body = answer.json()
    assert (answer.status_code, body["accepted"]) == (202, 3)
    assert [one["index"] for one in body["rejected"]] == [1, 3]
    assert all("field type conflict" in one["error"] for one in body["rejected"])
    assert [await scene.count(metric) for metric in ("good", "other")] == [2, 1]
    assert await scene.api.rows("SELECT 1 FROM spool") == []


async def test_a_request_of_which_nothing_is_kept_is_422(scene: Scene) -> None:
    await scene.conflict("bad")
    answer = await scene.api.post("metrics", rows("bad"))
    assert (answer.status_code, answer.json()["accepted"]) == (422, 0)


async def test_a_refusal_harms_nobody_else_in_the_commit(scene: Scene) -> None:
    await scene.conflict("bad")
    now = scene.clock().timestamp()
    bodies = [{**rows("bad" if n == 3 else "good")[0], "timestamp": now - n} for n in range(8)]
    answers = await asyncio.gather(*(scene.api.post("metrics", body) for body in bodies))
    assert [answer.status_code for answer in answers] == [422 if n == 3 else 202 for n in range(8)]
    assert await scene.count("good") == 7


async def test_a_repeated_key_gets_the_answer_with_the_refusals(scene: Scene) -> None:
    await scene.conflict("bad")
    answers = [await scene.api.post("metrics", rows("good", "bad"), Idempotency_Key="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["accepted"] == 1
    assert await scene.count("good") == 1


async def test_a_log_stays_without_its_points_and_says_so(scene: Scene) -> None:
    await scene.conflict("execution_duration_ms")
    for external_id in (None, "mine"):
        scene.clock.advance(1)
        answer = await scene.api.post("logs", {"agent": "a", "status": "success", "duration": 5, "id": external_id})
        body = answer.json()
        assert (answer.status_code, body["accepted"], body["rejected"]) == (202, 1, [])
        (warning,) = body["warnings"]
        assert warning["index"] == 0
        assert warning["warning"].startswith("the log is kept, a point that it makes is not: ")
    assert (await scene.api.one("SELECT count(*) AS n FROM agent_logs"))["n"] == 2
    assert await scene.count("execution_status") == 2


async def test_a_heartbeat_stays_and_its_metric_is_named(scene: Scene) -> None:
    await scene.conflict("bad")
    answer = await scene.api.post("heartbeats", {"agent": "a", "metrics": {"bad": 1, "good": 2}})
    body = answer.json()
    assert (answer.status_code, body["accepted"], [one["index"] for one in body["rejected"]]) == (202, 1, [0])
    assert (await scene.api.live())["heartbeat_count"] == 1
    assert await scene.count("good") == 1


async def test_while_influxdb_is_down_requests_are_accepted_and_spooled(scene: Scene) -> None:
    scene.wire.mood = Mood.CLOSE
    for _ in range(3):
        assert (await scene.api.post("metrics", rows("m", "m"))).status_code == 202
    log = {"agent": "a", "status": "error", "duration": 5, "id": "mine"}
    assert (await scene.api.post("logs", [log, log])).json()["accepted"] == 2
    found = await scene.api.one("SELECT sum(points)::int AS points FROM spool")
    # A log that was there already makes no points.
    assert found["points"] == 6 + 2


async def test_with_both_stores_down_requests_come_again(
    postgres: EmbeddedPostgres, database_name: str, clock: SettableClock, settings: Settings, influx: Corner
) -> None:
    async with (
        between(influx.url) as far,
        wired(urls(postgres, database_name)) as (db, near),
        collecting(db, clock, settings=replace(settings, influx_url=far.url)) as api,
    ):
        far.mood = Mood.CLOSE
        assert (await api.post("metrics", rows("m"))).status_code == 202
        near.cut()
        answer = await api.post("metrics", rows("m"))
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        near.mend()
        statuses = [(await api.post("metrics", rows("m"))).status_code for _ in range(12)]
        assert statuses[-1] == 202
