"""`agent-monitor roles`: the database's login roles."""

from typing import Annotated

import typer

group = typer.Typer(no_args_is_help=True, help="Login roles of the database.")


@group.callback()
def _roles() -> None:
    """Login roles of the database."""


def attach(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="roles")


@group.command("rotate")
def rotate(
    roles: Annotated[list[str] | None, typer.Argument(help="All whose URLs lie in files without one.")] = None,
    *,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only write the new passwords into the files, beside the old ones.")
    ] = False,
) -> None:
    """Give roles other passwords while everything runs, where AGENT_MONITOR_DATABASE_URL_FILE and its like name files.

    Safe to run again after it was cut off.
    """
    from monitor import compose, rotation
    from monitor.settings import load

    compose.run(rotation.rotate(load(), roles or (), prepare=prepare, say=typer.echo))
