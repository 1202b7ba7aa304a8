"""`agent-monitor secrets`: what is sealed in the database."""

from pathlib import Path
from typing import Annotated

import typer

group = typer.Typer(no_args_is_help=True, help="Secrets that are sealed in the database.")

Data = Annotated[Path | None, typer.Option(help="Data directory of `dev`; AGENT_MONITOR_DATA_DIR without it.")]


@group.callback()
def _secrets() -> None:
    """Secrets that are sealed in the database."""


def attach(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="secrets")


@group.command("reseal")
def reseal(*, data: Data = None) -> None:
    """Seal everything with the first of AGENT_MONITOR_SECRET_KEYS; after that the others are not needed for it.

    Exit code 1 where something was sealed with a key that is not among them. Safe to run again, and while all runs.
    """
    from monitor import administration, compose

    reports = compose.run(administration.reseal_secrets(compose.installed(data)))
    for one in reports:
        about = f"{one.table}.{one.column}"
        typer.echo(f"{about:<32} {one.resealed:>7} resealed {one.current:>7} current {one.lost:>7} without a key")
    if any(one.lost for one in reports):
        raise typer.Exit(1)
