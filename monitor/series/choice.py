"""Which store the settings ask for: InfluxDB when they name one, else PostgreSQL."""

from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import ConfigError
from monitor.series import influx_buckets
from monitor.series.catalogue import Catalogue
from monitor.series.influx import InfluxSeriesStore
from monitor.series.influx_client import Influx
from monitor.series.postgres import PostgresSeriesStore
from monitor.settings import PREFIX, Settings


def influx_of(settings: Settings) -> Influx | None:
    """InfluxDB, not yet spoken to. Raises ConfigError where an address stands without a token or organization."""
    if settings.influx_url is None:
        return None
    if settings.influx_token is None or settings.influx_org is None:
        missing = "INFLUX_TOKEN" if settings.influx_token is None else "INFLUX_ORG"
        raise ConfigError(f"{PREFIX}{missing} is not set, and {PREFIX}INFLUX_URL is")
    return Influx(
        settings.influx_url, token=settings.influx_token, org=settings.influx_org, bucket=settings.influx_bucket,
        ca=settings.influx_ca,
    )  # fmt: skip


def store_of(settings: Settings, db: Database, clock: Clock) -> PostgresSeriesStore | InfluxSeriesStore:
    """The history of this process; close it in the end."""
    catalogue = Catalogue(db, limit=settings.series_limit)
    influx = influx_of(settings)
    if influx is None:
        return PostgresSeriesStore(db, catalogue)
    return InfluxSeriesStore(db, influx, catalogue, clock)


async def prepare(settings: Settings) -> None:
    """Make InfluxDB's buckets and keep them in step. Raises ConfigError and SeriesDown."""
    influx = influx_of(settings)
    if influx is None:
        return
    try:
        await influx_buckets.ensure(influx, settings)
    finally:
        await influx.close()


async def faults(settings: Settings) -> list[str]:
    """What is wrong with InfluxDB's buckets. Raises ConfigError and SeriesDown."""
    influx = influx_of(settings)
    if influx is None:
        return []
    try:
        return await influx_buckets.faults(influx, settings)
    finally:
        await influx.close()
