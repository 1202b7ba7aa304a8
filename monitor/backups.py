"""What `agent-monitor backup` and `restore` do, against the database of the settings."""

from datetime import datetime
from pathlib import Path

from monitor import clock, compose
from monitor.backup import history, logical, recover, verify
from monitor.backup.place import Kind, Manifest, Place, check
from monitor.backup.take import Say, source_of, take
from monitor.errors import ConfigError
from monitor.settings import Settings


def place_of(settings: Settings, folder: Path | None) -> Place:
    """The folder named, or the settings'. Raises ConfigError where there is neither."""
    named = folder or settings.backup_dir
    if named is None:
        raise ConfigError("name a folder, or set AGENT_MONITOR_BACKUP_DIR")
    return Place(named.expanduser().absolute())


async def take_one(settings: Settings, folder: Path | None, kind: Kind, *, say: Say) -> Manifest:
    """Take a backup now."""
    place = place_of(settings, folder)
    async with compose.database(settings) as db:
        return await take(source_of(settings, db), place, kind, clock=clock.now, say=say)


async def prove(settings: Settings, folder: Path | None, *, name: str | None, say: Say) -> tuple[Manifest, list[str]]:
    """Restore one into a server of its own; which one, and what is not as it was."""
    place = place_of(settings, folder)
    chosen = recover.choose(place, name=name, until=None)
    return chosen, await verify.verify(place, chosen, secret=settings.backup_key, say=say)


async def bring_back(
    settings: Settings, folder: Path | None, *, data: Path | None, name: str | None, until: datetime | None, say: Say
) -> Manifest:
    """Restore one: a physical one into the directory `data`, a logical one into the database of the settings.

    InfluxDB's buckets come back where the settings name one. Raises ConfigError where the place is not empty.
    """
    place, secret = place_of(settings, folder), settings.backup_key
    chosen = recover.choose(place, name=name, until=until)
    if chosen.kind is Kind.LOGICAL:
        if data is not None:
            raise ConfigError(f"{chosen.name} is logical: restore it into the empty database of the settings")
        check(place.folder(chosen), chosen)
        url = settings.role_url("agent_monitor_owner")
        await logical.load(url, place.folder(chosen) / "postgres", secret=secret)
    elif data is None:
        raise ConfigError(f"{chosen.name} is of a whole server: name an empty directory for it with --data")
    else:
        await recover.recover(place, chosen, data, secret=secret, until=until, say=say)
    influx = history.influx_of(settings)
    if chosen.history and influx is None:
        say("InfluxDB's part is left out: AGENT_MONITOR_INFLUX_URL is not set")
    elif chosen.history and influx is not None:
        say("InfluxDB")
        await history.bring_back(influx, place.folder(chosen) / "influx", chosen.history, secret=secret)
    return chosen
