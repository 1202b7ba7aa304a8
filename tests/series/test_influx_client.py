"""The client of InfluxDB: what comes back, what goes wrong, and its buckets."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from monitor import administration, doctor
from monitor.db import Role
from monitor.embedded import EmbeddedPostgres
from monitor.errors import ConfigError, SeriesDown
from monitor.ids import microseconds
from monitor.series import choice, influx_buckets
from monitor.series.influx_client import REQUEST_BYTES, Denied, Influx, Refusal, parse
from monitor.settings import Settings
from tests.conftest import urls
from tests.servers import fixtures as servers

COUNT = 'from(bucket: bucket) |> range(start: 2020-01-01T00:00:00Z) |> group() |> count() |> yield(name: "n")'


def now_us() -> int:
    """The present, which every bucket keeps."""
    return microseconds(datetime.now(UTC))


@pytest.fixture
async def nobody() -> AsyncIterator[Influx]:
    """An address where nobody listens."""
    client = Influx("http://127.0.0.1:9", token="t", org="o", bucket="b")
    yield client
    await client.close()


def settings_of(influx: servers.Influx) -> Settings:
    """Settings that name the server."""
    return Settings(
        influx_url=influx.url, influx_token=influx.token, influx_org=influx.org, influx_bucket=influx.bucket
    )


async def test_what_is_written_comes_back_in_columns(influx_client: Influx) -> None:
    raw, now = influx_client.buckets.raw, now_us()
    await influx_client.write(raw, b"m,_id=1 value=1.5 %d\nm,_id=2 value=-1e300 %d" % (now + 1, now))
    flux = "from(bucket: bucket) |> range(start: 2020-01-01T00:00:00Z) |> filter(fn: (r) => r._measurement == metric)"
    found = await influx_client.query(f'{flux} |> keep(columns: ["_id", "_time", "_value"])', bucket=raw, metric="m")
    frame = found["_result"]
    assert len(frame) == 2
    rows = zip(frame.ints("_id").tolist(), frame.times("_time").tolist(), frame.floats("_value").tolist(), strict=True)
    assert sorted(rows) == [(1, now + 1, 1.5), (2, now, -1e300)]
    assert await influx_client.query(flux, bucket=raw, metric='m" or true or "') == {}


async def test_a_long_body_goes_in_several_requests(influx_client: Influx) -> None:
    now = now_us()
    lines = b"\n".join(b"m,_id=1 value=%d %d" % (n, now - n) for n in range(40_000))
    assert len(lines) > REQUEST_BYTES
    await influx_client.write(influx_client.buckets.raw, lines)
    found = await influx_client.query(COUNT, bucket=influx_client.buckets.raw)
    assert found["n"].ints("_value").tolist() == [40_000]


async def test_faults_that_pass_and_faults_that_stay(influx: servers.Influx, influx_client: Influx) -> None:
    raw, now = influx_client.buckets.raw, now_us()
    with pytest.raises(Refusal, match="missing fields"):
        await influx_client.write(raw, b"m,_id=1")
    await influx_client.write(raw, b"m,_id=1 value=1 %d" % now)
    with pytest.raises(Refusal, match="field type conflict"):
        await influx_client.write(raw, b"m,_id=1 value=true %d" % (now + 1))
    with pytest.raises(Denied, match="see agent-monitor doctor"):
        await influx_client.write("no-such-bucket", b"m value=1")
    with pytest.raises(SeriesDown, match="does not answer a query"):
        await influx_client.query("this is no Flux")
    stranger = Influx(influx.url, token="wrong", org=influx.org, bucket=influx.bucket)
    with pytest.raises(Denied, match="refuses the token"):
        await stranger.query(COUNT, bucket=raw)
    await stranger.close()


async def test_nobody_answers(nobody: Influx) -> None:
    with pytest.raises(SeriesDown, match="InfluxDB does not answer"):
        await nobody.write("b", b"m value=1")
    with pytest.raises(SeriesDown, match="InfluxDB does not answer"):
        await nobody.query(COUNT, bucket="b")


def test_an_error_half_way_is_no_answer() -> None:
    good = b"#default,_result,,\r\n,result,table,_value\r\n,,0,1\r\n,,0,\r\n"
    assert parse(good)["_result"].columns == {"_value": [b"1", b""]}
    with pytest.raises(SeriesDown, match="gave up on a query: ,out of memory,"):
        parse(good + b"\r\n#default,,\r\n,error,reference\r\n,out of memory,\r\n\r\n")


async def test_buckets_are_made_and_kept_in_step(influx: servers.Influx) -> None:
    settings = settings_of(influx)
    client = Influx(influx.url, token=influx.token, org=influx.org, bucket=influx.bucket)
    names = list(client.buckets)
    assert len(await choice.faults(settings)) == 4
    assert await influx_buckets.ensure(client, settings) == names
    assert await influx_buckets.ensure(client, settings) == []
    assert await choice.faults(settings) == []
    longer = replace(settings, raw_retention=40 * 86400.0)
    assert await choice.faults(longer) == [f"{names[0]} keeps its points 30 days, 0:00:00 and not 40 days, 0:00:00"]
    await choice.prepare(longer)
    assert await influx_buckets.find(client, names[0]) is not None
    assert await choice.faults(longer) == []
    await client.close()


async def test_wrong_settings_stop_the_start(influx: servers.Influx) -> None:
    settings = settings_of(influx)
    with pytest.raises(ConfigError, match="AGENT_MONITOR_INFLUX_TOKEN is not set"):
        choice.influx_of(replace(settings, influx_token=None))
    with pytest.raises(ConfigError, match="AGENT_MONITOR_INFLUX_ORG is not set"):
        choice.influx_of(replace(settings, influx_org=None))
    with pytest.raises(ConfigError, match="AGENT_MONITOR_INFLUX_TOKEN or _ORG is wrong"):
        await choice.prepare(replace(settings, influx_token="wrong"))
    with pytest.raises(ConfigError, match="AGENT_MONITOR_INFLUX_TOKEN or _ORG is wrong"):
        await choice.prepare(replace(settings, influx_org="nobody"))
    with pytest.raises(SeriesDown):
        await choice.prepare(replace(settings, influx_url="http://127.0.0.1:9"))


async def test_migrate_makes_buckets_and_doctor_looks_at_them(
    influx: servers.Influx, postgres: EmbeddedPostgres, database_name: str
) -> None:
    at = urls(postgres, database_name)
    settings = replace(
        settings_of(influx),
        database_url=at[Role.APP],
        database_alerter_url=at[Role.ALERTER],
        database_doorman_url=at[Role.DOORMAN],
        database_owner_url=at[Role.OWNER],
    )

    async def found(settings: Settings) -> list[tuple[bool, str]]:
        return [(one.well, one.detail) for one in await doctor.examine(settings) if one.subject == "influxdb"]

    ((well, detail),) = await found(settings)
    assert not well
    assert f"there is no bucket {influx.bucket}_day: agent-monitor migrate" in detail
    await administration.migrate(settings, check=False, wait=5)
    assert await found(settings) == [(True, "answers; its buckets are as they should be")]
    ((well, detail),) = await found(replace(settings, influx_url="http://127.0.0.1:9"))
    assert not well
    assert "does not answer" in detail
    assert await found(replace(settings, influx_url=None)) == []
