"""`agent-monitor gdpr`: everything that is stored about one person, handed out or erased, in all tenants."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

group = typer.Typer(no_args_is_help=True, help="What is stored about one person.")
User = Annotated[str, typer.Argument(metavar="USER", help="Email address, username or id.")]
Also = Annotated[list[str] | None, typer.Option(help="What callers of the API call them. May be given several times.")]
Data = Annotated[Path | None, typer.Option(help="Data directory of `dev`; AGENT_MONITOR_DATA_DIR without it.")]


def attach(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="gdpr")


@group.command("export")
def export(
    user: User,
    *,
    to: Annotated[Path | None, typer.Option(help="File to write; standard output without it.")] = None,
    also: Also = None,
    data: Data = None,
) -> None:
    """Write every row about somebody, a JSON object a line."""
    from monitor import compose, gdpr_admin

    settings = compose.installed(data)
    if to is None:
        compose.run(gdpr_admin.export(settings, user, also or [], sys.stdout.write))
        return
    with to.open("w", encoding="utf-8") as file:
        count = compose.run(gdpr_admin.export(settings, user, also or [], file.write))
    typer.echo(f"{to}: {_said(count)}")


@group.command("erase")
def erase(
    user: User,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be found.")] = False,
    also: Also = None,
    data: Data = None,
) -> None:
    """Erase somebody for good; asked for again after a stop it goes on where it was."""
    from monitor import compose, gdpr_admin

    settings = compose.installed(data)
    if dry_run:
        typer.echo(f"would erase {_said(compose.run(gdpr_admin.preview(settings, user, also or [])))}")
        return
    done = compose.run(gdpr_admin.erase(settings, user, also or []))
    typer.echo(f"erased as {done.id}: {_said(done.report)}")


def _said(count: Mapping[str, int]) -> str:
    return ", ".join(f"{table} {rows}" for table, rows in sorted(count.items())) or "no rows"
