"""Newest values of a tenant: on both stores, before and after roll-ups; as Prometheus' parsers read them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from monitor.db import Database
from monitor.errors import InvalidInput
from monitor.ids import microseconds
from monitor.series.exposition import exposed
from monitor.series.store import Kind, Latest, LatestQuery, SeriesName
from tests.conftest import SettableClock
from tests.factories import make_agent, make_tenant
from tests.http.application import serving
from tests.points import Point
from tests.series.conftest import History, point

HOUR = timedelta(hours=1)
AT = datetime(2026, 1, 1, tzinfo=UTC)
PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1"


async def test_newest_values_of_a_tenant(history: History, day: datetime) -> None:
    tenant, other = await make_tenant(history.db), await make_tenant(history.db)
    agents = [await make_agent(history.db, tenant.id, name) for name in ("a", "b")]
    theirs = await make_agent(history.db, other.id, "a")
    prod = (("env", "prod"),)
    at = day + 2 * HOUR
    await history.write(
        tenant.id,
        [
            point(agents[0], day + HOUR, 1.0, metric="cpu"),
            point(agents[0], at, 2.0, metric="cpu"),
            point(agents[1], at, 3.0, metric="cpu", tags=prod),
            point(agents[0], day, 4.0, metric="old"),
            Point(SeriesName(agents[0], "runs", (), Kind.COUNTER, None), microseconds(at), 9.0),
        ],
    )
    await history.write(other.id, [point(theirs, at, 70.0, metric="cpu")])
    expected = [
        Latest("a", "cpu", (), Kind.GAUGE, at, 2.0),
        Latest("b", "cpu", prod, Kind.GAUGE, at, 3.0),
        Latest("a", "runs", (), Kind.COUNTER, at, 9.0),
    ]

    async def ask(**more: Any) -> list[Latest]:
        wanted: dict[str, Any] = {"since": day + HOUR, "limit": 3} | more
        return await history.store.latest(tenant.id, LatestQuery(**wanted))

    for _ in range(2):
        assert await ask() == expected
        assert await ask(agents=("b",)) == expected[1:2]
        assert await ask(agents=("a", "b"), metrics=("runs", "old")) == expected[2:]
        assert await ask(since=at + HOUR) == []
        with pytest.raises(InvalidInput, match="more than 2 series"):
            await ask(limit=2)
        await history.settle(day + 30 * HOUR)


FOUND = [
    Latest("a", "gen_ai.tokens", (("model", "m"),), Kind.DELTA, AT, 3.0),
    Latest("a", "runs", (), Kind.COUNTER, AT, 7.0),
    Latest("b", "sent_total", (("to.whom", 'x"\n\\'),), Kind.COUNTER, AT, 8.0),
    Latest("a", "wait.count", (), Kind.COUNTER, AT, 2.0),
    Latest("a", "wait.sum", (), Kind.COUNTER, AT, 20.5),
    Latest("a", "wait", (("quantile", "0.5"),), Kind.GAUGE, AT, 10.0),
    Latest("a", "wait", (("quantile", "0.9"),), Kind.GAUGE, AT, 1e300),
    Latest("a", "2nd-name é", (), Kind.GAUGE, AT, -1.0),
    Latest("a", "same.name", (), Kind.GAUGE, AT, 1.0),
    Latest("a", "same_name", (), Kind.GAUGE, AT + HOUR, 2.0),
]
SAMPLES = {
    ("gen_ai_tokens", (("agent", "a"), ("model", "m"))): 3.0,
    ("runs_total", (("agent", "a"),)): 7.0,
    ("sent_total", (("agent", "b"), ("to_whom", 'x"\n\\'))): 8.0,
    ("wait_count", (("agent", "a"),)): 2.0,
    ("wait_sum", (("agent", "a"),)): 20.5,
    ("wait", (("agent", "a"), ("quantile", "0.5"))): 10.0,
    ("wait", (("agent", "a"), ("quantile", "0.9"))): 1e300,
    ("_2nd_name__", (("agent", "a"),)): -1.0,
    ("same_name", (("agent", "a"),)): 2.0,
}


@pytest.mark.parametrize(
    ("accept", "parse", "media"),
    [
        (PROMETHEUS, openmetrics, "application/openmetrics-text; version=1.0.0"),
        ("", plain, "text/plain; version=0.0.4"),
    ],
)
def test_both_formats_say_the_same(accept: str, parse: Any, media: str) -> None:
    content, given = exposed(FOUND, accept)
    assert given.startswith(media)
    samples = [sample for family in parse(content.decode()) for sample in family.samples]
    assert {(one.name, tuple(sorted(one.labels.items()))): one.value for one in samples} == SAMPLES
    assert len(samples) == len(SAMPLES)


async def test_a_tenant_is_scraped_with_its_key(db: Database, clock: SettableClock) -> None:
    tenant, other = await make_tenant(db), await make_tenant(db)
    rows = [{"agent": agent, "metric": "cpu", "value": 0.5, "tags": {"env": "p"}} for agent in ("a", "b")]
    async with serving(db, clock) as client:
        sent = await client.post("/api/v1/metrics", json=rows, headers=tenant.headers)
        assert sent.status_code == 202
        url = "/api/v1/metrics/latest"
        answer = await client.get(url, headers=tenant.headers | {"Accept": PROMETHEUS})
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.text.count('cpu{agent="a",env="p"} 0.5\n') == 1
        assert answer.text.endswith("# EOF\n")
        narrowed = await client.get(url, params={"agent": "b", "metric": ["x", "cpu"]}, headers=tenant.headers)
        assert [line for line in narrowed.text.splitlines() if not line.startswith("#")] == [
            'cpu{agent="b",env="p"} 0.5'
        ]
        assert "cpu" not in (await client.get(url, headers=other.headers)).text
        clock.advance(301)
        assert "cpu" not in (await client.get(url, headers=tenant.headers)).text
        assert "cpu" in (await client.get(url, params={"max_age": "10m"}, headers=tenant.headers)).text
        for wrong in ("0s", "2d", "x"):
            assert (await client.get(url, params={"max_age": wrong}, headers=tenant.headers)).status_code == 422


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (PROMETHEUS, "application/openmetrics-text; version=1.0.0"),
        ("text/plain", "text/plain; version=0.0.4"),
        ("", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=nonsense, \xff;;=,", "text/plain"),
    ],
)
async def test_our_own_figures_in_both_formats(db: Database, clock: SettableClock, accept: str, media: str) -> None:
    async with serving(db, clock) as client:
        answer = await client.get("/metrics", headers={b"Accept": accept.encode("latin-1")})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(media)
        parse = openmetrics if "openmetrics" in media else plain
        names = {family.name for family in parse(answer.text)}
        assert "agent_monitor_commit_requests" in names
