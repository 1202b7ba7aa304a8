"""The catalogue of series: its limit for each tenant, on both stores, and what lines begin with in InfluxDB."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from monitor import clock as wall
from monitor.db import Database
from monitor.ids import microseconds
from monitor.series.catalogue import Catalogue
from monitor.series.influx import InfluxSeriesStore
from monitor.series.influx_client import Influx
from monitor.series.influx_line import key_of, plain
from monitor.series.postgres import PostgresSeriesStore
from monitor.series.store import Query, Reducer, SeriesName
from tests.factories import make_agent, make_tenant
from tests.points import Point, Refused, columns_of
from tests.series.conftest import History, point

HOUR = timedelta(hours=1)
TENANT = UUID(int=7)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)


@pytest.fixture(params=["postgres", "influx"])
def small(request: pytest.FixtureRequest, db: Database) -> History:
    """Each store with room for three series a tenant."""
    catalogue = Catalogue(db, limit=3)
    if request.param == "postgres":
        return History(db, PostgresSeriesStore(db, catalogue))
    influx: Influx = request.getfixturevalue("influx_client")
    return History(db, InfluxSeriesStore(db, influx, catalogue, wall.now))


async def test_a_series_beyond_the_limit_is_refused_by_name_and_the_others_go_on(small: History, day: datetime) -> None:
    tenant, other = await make_tenant(small.db), await make_tenant(small.db)
    agent_id, others = await make_agent(small.db, tenant.id), await make_agent(small.db, other.id)
    first = [point(agent_id, day, 1.0, tags=(("n", str(n)),)) for n in range(2)]
    assert await small.write(tenant.id, first) == []
    more = [point(agent_id, day + HOUR / 2, 2.0, tags=(("n", str(n)),)) for n in range(5)]
    refused = await small.write(tenant.id, more)
    assert refused == [
        Refused(n, f"metric: m {{n={n}}} would be a new series, and there are 3, as many as may be") for n in (3, 4)
    ]
    wanted = Query(metric="m", reduce=Reducer.COUNT, start=day, end=day + HOUR, by=("n",))
    lines = await small.store.query(tenant.id, wanted)
    assert {line.labels["n"]: line.points[0][1] for line in lines} == {"0": 2.0, "1": 2.0, "2": 1.0}
    # A tenant's limit is its own.
    assert await small.write(other.id, [point(others, day, 1.0)]) == []


async def test_two_collectors_do_not_pass_the_limit_together(db: Database, day: datetime) -> None:
    tenant = await make_tenant(db)
    agent_id = await make_agent(db, tenant.id)

    async def collector(number: int) -> int:
        points = [point(agent_id, day, 1.0, tags=(("n", f"{number}-{n}"),)) for n in range(4)]
        return len((await columns_of(Catalogue(db, limit=10), tenant.id, points))[1])

    refused = await asyncio.gather(*map(collector, range(5)))
    assert sum(refused) == 5 * 4 - 10
    async with db.tenant(tenant.id) as connection:
        assert (await connection.execute(text("SELECT count(*) FROM series"))).scalar_one() == 10


async def test_keys_are_found_again_and_erased_series_have_none(db: Database, day: datetime) -> None:
    tenant, stranger = await make_tenant(db), await make_tenant(db)
    agent_id = await make_agent(db, tenant.id, "a 1")
    points = [Point(SeriesName(agent_id, "m", (("env", "prod"),), None, None), microseconds(day), 1.0)]
    prepared, _ = await columns_of(Catalogue(db), tenant.id, points)
    (one,) = prepared.series_ids.tolist()
    keys = await Catalogue(db).keys(tenant.id, [one, 999])
    assert keys == {one: f"m,_id={one},agent=a\\ 1,env=prod,tenant={tenant.id}".encode()}
    assert await Catalogue(db).keys(stranger.id, [one]) == {}


@given(metric=TEXT, agent=TEXT, tags=st.dictionaries(TEXT, TEXT, max_size=4))
def test_a_key_has_our_three_tags_once_and_no_raw_separator(metric: str, agent: str, tags: dict[str, str]) -> None:
    key = key_of(metric, tags, tenant_id=TENANT, agent=agent, series_id=5).decode()
    assert not any(character in key for character in "\n\r\t\v\f\x85\u2028\u2029")
    assert not key.startswith("#")
    measurement, pairs = _parse(key)
    assert measurement == plain(metric)
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names)
    mine = dict(pairs)
    assert (mine["tenant"], mine["agent"], mine["_id"]) == (str(TENANT), plain(agent), "5")
    assert "time" not in mine


def _parse(key: str) -> tuple[str, list[tuple[str, str]]]:
    """Line protocol's reading: a backslash before a comma, space or equals sign is an escape, else itself."""
    parts: list[list[str]] = [[""]]
    at = 0
    while at < len(key):
        if key[at] == "\\" and key[at + 1 : at + 2] in (",", " ", "="):
            parts[-1][-1] += key[at + 1]
            at += 2
            continue
        assert key[at] != " "
        if key[at] == ",":
            parts.append([""])
        elif key[at] == "=" and len(parts) > 1:
            parts[-1].append("")
        else:
            parts[-1][-1] += key[at]
        at += 1
    assert all(len(part) == 2 for part in parts[1:])
    return parts[0][0], [(part[0], part[1]) for part in parts[1:]]


def test_a_key_too_long_for_influxdb_keeps_what_tells_series_apart() -> None:
    tags = {f"t{n}": "ä" * 1000 for n in range(32)}
    key = key_of("m", tags, tenant_id=TENANT, agent="a", series_id=5)
    assert len(key) < 65_000
    assert {b"_id=5", b"agent=a", f"tenant={TENANT}".encode()} <= set(key.split(b","))
