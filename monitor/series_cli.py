"""`agent-monitor series`: moving history between the stores, and comparing them."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

if TYPE_CHECKING:
    from monitor.db import Database
    from monitor.series.influx import InfluxSeriesStore

group = typer.Typer(no_args_is_help=True, help="History: copy between PostgreSQL and InfluxDB, compare them.")


class Store(StrEnum):
    """Where history can be."""

    POSTGRES = "postgres"
    INFLUX = "influx"


Since = Annotated[datetime | None, typer.Option(help="First day, UTC; without it, as long as single points are kept.")]
Until = Annotated[datetime | None, typer.Option(help="Day after the last one, UTC; without it, until now.")]
Tenants = Annotated[list[str] | None, typer.Option("--tenant", help="Slug; all tenants without it.")]


def attach(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="series")


@group.command()
def copy(
    *,
    source: Annotated[Store, typer.Option("--from")],
    target: Annotated[Store, typer.Option("--to")],
    since: Since = None,
    until: Until = None,
    tenant: Tenants = None,
) -> None:
    """Copy history from one store to the other; an interrupted copy goes on where it was. 1 if points were refused."""
    from monitor import compose

    if source is target:
        raise typer.BadParameter("must not be the store that is copied from", param_hint="--to")
    if compose.run(_copy(source, _utc(since), _utc(until), tenant)):
        raise typer.Exit(1)


@group.command()
def check(*, since: Since = None, until: Until = None, tenant: Tenants = None) -> None:
    """Compare counts and sums by day and metric in both stores; 1 if they differ."""
    from monitor import compose

    if compose.run(_check(_utc(since), _utc(until), tenant)):
        raise typer.Exit(1)


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC) if at.tzinfo is None else at


async def _copy(source: Store, since: datetime | None, until: datetime | None, slugs: list[str] | None) -> int:
    from monitor.series.copying import Copy
    from monitor.series.ends import InfluxEnd, PostgresEnd

    refused = 0
    async with _both(since, until, slugs) as both:
        postgres, influx = PostgresEnd(both.db), InfluxEnd(both.db, both.influx.influx, both.influx.catalogue)
        one, other = (postgres, influx) if source is Store.POSTGRES else (influx, postgres)
        work = Copy(both.db, one, other, source.value)
        points = rollups = 0
        for slug, tenant_id in both.tenants.items():
            async for day in work.run(tenant_id, since=both.since, until=both.until, now=both.now):
                points, rollups, refused = points + day.points, rollups + day.rollups, refused + day.refused
                _say(f"{slug} {day.day:%Y-%m-%d}: {day.points:,} points, {day.rollups:,} rollups; {points:,} so far")
    _end(
        f"copied {points:,} points and {rollups:,} rollups" + (f"; {refused:,} points were refused" if refused else "")
    )
    return refused


async def _check(since: datetime | None, until: datetime | None, slugs: list[str] | None) -> int:
    from monitor.series.copying import differences
    from monitor.series.postgres import PostgresSeriesStore

    found = 0
    async with _both(since, until, slugs) as both:
        postgres = PostgresSeriesStore(both.db, both.influx.catalogue)
        for slug, tenant_id in both.tenants.items():
            span = {"since": both.since, "until": both.until}
            async for one in differences(both.db, postgres, both.influx, tenant_id, **span):
                found += 1
                values = f"{one.one} in PostgreSQL, {one.other} in InfluxDB"
                typer.echo(f"{slug} {one.day:%Y-%m-%d} {one.metric}: {one.what} {values}")
    typer.echo(f"{found:,} differences")
    return found


def _say(text: str) -> None:
    """Progress: one line that changes on a terminal, a line each elsewhere."""
    if sys.stdout.isatty():
        typer.echo(f"\r\x1b[K{text}", nl=False)
    else:
        typer.echo(text)


def _end(text: str) -> None:
    typer.echo(f"\r\x1b[K{text}" if sys.stdout.isatty() else text)


@dataclass(frozen=True, slots=True)
class _Both:
    """Both stores, whose history, and which part of it."""

    db: "Database"
    influx: "InfluxSeriesStore"
    tenants: dict[str, UUID]
    since: datetime
    until: datetime
    now: datetime


@asynccontextmanager
async def _both(since: datetime | None, until: datetime | None, slugs: list[str] | None) -> AsyncIterator[_Both]:
    """Raises ConfigError without InfluxDB in the settings, NotFound for an unknown tenant."""
    from monitor import clock, compose
    from monitor.errors import ConfigError
    from monitor.series.choice import store_of
    from monitor.series.influx import InfluxSeriesStore
    from monitor.settings import load

    settings, now = load(), clock.now()
    async with compose.database(settings) as db:
        store = store_of(settings, db, clock.now)
        try:
            if not isinstance(store, InfluxSeriesStore):
                raise ConfigError("AGENT_MONITOR_INFLUX_URL is not set: there is only one store")
            first = since or now - timedelta(seconds=settings.raw_retention)
            yield _Both(db, store, await _tenants(db, slugs), first, until or now, now)
        finally:
            await store.close()


async def _tenants(db: "Database", slugs: list[str] | None) -> dict[str, UUID]:
    from sqlalchemy import text

    from monitor.errors import NotFound

    async with db.owner() as connection:
        rows = await connection.execute(text("SELECT slug, id FROM tenants ORDER BY slug"))
        found = {row.slug: row.id for row in rows}
    missing = set(slugs or ()) - found.keys()
    if missing:
        raise NotFound(f"there is no tenant {', '.join(sorted(missing))}")
    return {slug: one for slug, one in found.items() if not slugs or slug in slugs}
