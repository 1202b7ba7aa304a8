"""`agent-monitor backup` and `restore`: backups by hand, the proof that one restores, and the way back."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from monitor.backup.place import Kind, Manifest


class _TakesByDefault(TyperGroup):
    """`backup DIR` is `backup take DIR`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The words, with the command that was left out."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["take", *args]
        return super().parse_args(ctx, args)


group = typer.Typer(cls=_TakesByDefault, help="Back everything up into DIR; or verify, list.")
Folder = Annotated[Path | None, typer.Argument(metavar="DIR", help="AGENT_MONITOR_BACKUP_DIR without it.")]
Name = Annotated[str | None, typer.Option("--backup", help="Which one; the newest without it.")]
Data = Annotated[Path | None, typer.Option(help="Data directory of `dev`; AGENT_MONITOR_DATA_DIR without it.")]


def attach(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="backup")
    app.command("restore")(restore)


@group.command()
def take(
    folder: Folder = None,
    *,
    incremental: Annotated[bool, typer.Option("--incremental", help="Only what changed since the last one.")] = False,
    logical: Annotated[bool, typer.Option("--logical", help="By pg_dump, where replication is refused.")] = False,
    data: Data = None,
) -> None:
    """Take a backup: by pg_basebackup the whole server, or by pg_dump the database; and InfluxDB's buckets."""
    from monitor import backups, compose
    from monitor.backup.place import Kind
    from monitor.errors import ConfigError

    if incremental and logical:
        raise ConfigError("a logical backup is always whole: --incremental or --logical, not both")
    kind = Kind.INCREMENTAL if incremental else Kind.LOGICAL if logical else Kind.FULL
    _say_taken(compose.run(backups.take_one(compose.installed(data), folder, kind, say=_say)), kind)


@group.command("list")
def list_backups(folder: Folder = None) -> None:
    """List the whole ones, oldest first."""
    from monitor import backups
    from monitor.settings import load

    for one in backups.place_of(load(), folder).all():
        typer.echo(f"{one.name:<32} {one.at:%Y-%m-%d %H:%M:%S} {_mib(one.bytes):>12}" + (" sealed" * one.sealed))


@group.command()
def verify(folder: Folder = None, *, name: Name = None) -> None:
    """Restore a backup into a server of its own, and compare every table's rows and checksums; 1 if any differ."""
    from monitor import backups, compose
    from monitor.settings import load

    manifest, faults = compose.run(backups.prove(load(), folder, name=name, say=_say))
    for fault in faults:
        typer.echo(fault)
    if faults:
        raise typer.Exit(1)
    rows = sum(table.rows for table in manifest.tables.values())
    typer.echo(f"{manifest.name} restores: {len(manifest.tables)} tables, {rows} rows, all as they were")


def restore(
    folder: Folder = None,
    *,
    data: Annotated[Path | None, typer.Option(help="Empty directory that becomes the data directory.")] = None,
    name: Name = None,
    until: Annotated[
        datetime | None, typer.Option(help="Last second wanted, UTC, from the archived changes: 2026-01-02T03:04:05.")
    ] = None,
    latest: Annotated[bool, typer.Option("--latest", help="As far as the archived changes go.")] = False,
) -> None:
    """Restore a backup into an empty place: a directory for `dev`; of a logical one, the database of the settings."""
    from monitor import backups, compose
    from monitor.backup.recover import LATEST
    from monitor.settings import load

    end = LATEST if latest else None if until is None else until.replace(tzinfo=UTC)
    restored = compose.run(backups.bring_back(load(), folder, data=data, name=name, until=end, say=_say))
    typer.echo(f"restored {restored.name}" + ("" if end is None else ", and the changes after it"))
    if data is not None:
        typer.echo(f"start it with: agent-monitor dev --data {data}")
        typer.echo("keys that sign and seal are in no backup: copy the file `secret`, or set AGENT_MONITOR_SECRET_KEYS")


def _say_taken(manifest: "Manifest", kind: "Kind") -> None:
    rows = sum(table.rows for table in manifest.tables.values())
    typer.echo(f"{manifest.name}: {kind}, {_mib(manifest.bytes)}, {len(manifest.tables)} tables, {rows} rows")


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def _say(line: str) -> None:
    typer.echo(f"  {line}", err=True)
    sys.stderr.flush()
