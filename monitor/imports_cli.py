"""`agent-monitor import`: another platform's database, made from one of the five documents, brought here."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer


class Document(StrEnum):
    """Which document the database was made from."""

    D000 = "000"
    D001 = "001"
    D002 = "002"
    D003 = "003"
    D004 = "004"


def attach(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(bring)


def bring(
    url: Annotated[str, typer.Argument(help="postgresql:// of the database to read; nothing is written there.")],
    *,
    document: Annotated[Document, typer.Option("--from", help="The document that it was made from.")],
    tenant: Annotated[str, typer.Option(help="Slug of the tenant that everything goes into.")] = "default",
    timezone: Annotated[str, typer.Option(help="Zone of times that say none.")] = "UTC",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be brought.")] = False,
    data: Annotated[Path | None, typer.Option(help="Data directory of `dev`.")] = None,
) -> None:
    """Bring another platform's database here; interrupted, it goes on where it was when it is run again."""
    from monitor import administration, compose
    from monitor.imports.running import lines

    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise typer.BadParameter("a zone such as Europe/Berlin is expected", param_hint="--timezone") from None
    settings = compose.installed(data)
    work = administration.bring(settings, document.value, url, tenant=tenant, zone=zone, dry_run=dry_run)
    for line in lines(compose.run(work)):
        typer.echo(line)
