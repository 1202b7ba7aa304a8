"""`agent-monitor dashboards`: Grafana's dashboards as files, and into a running Grafana."""

from pathlib import Path
from typing import Annotated

import typer

group = typer.Typer(no_args_is_help=True, help="Grafana dashboards.")
Folder = Annotated[
    Path | None,
    typer.Option(help="Another folder, whose files carry AGENT_MONITOR_PUBLIC_URL and AGENT_MONITOR_INFLUX_BUCKET."),
]


def attach(app: typer.Typer) -> None:
    """Add this group of commands."""
    app.add_typer(group, name="dashboards")


@group.command("build")
def write(*, folder: Folder = None) -> None:
    """Write the dashboards as JSON, into the package unless told otherwise."""
    from dashboards import build
    from monitor.settings import load

    addresses = build.DEFAULT if folder is None else build.addresses(load())
    for path in build.write(folder or build.FOLDER, addresses):
        typer.echo(f"{path} written")


@group.command("check")
def check(*, folder: Folder = None) -> None:
    """Compare the files with what would be written; 1 if they differ."""
    from dashboards import build
    from monitor.settings import load

    addresses = build.DEFAULT if folder is None else build.addresses(load())
    different = build.drifted(folder or build.FOLDER, addresses)
    for path in different:
        typer.echo(f"{path} is not what would be written: agent-monitor dashboards build", err=True)
    if different:
        raise typer.Exit(1)
    typer.echo("the dashboards are as defined")


@group.command("push")
def push() -> None:
    """Put the dashboards into the Grafana at AGENT_MONITOR_GRAFANA_URL; InfluxDB's where history is there."""
    from dashboards import build
    from monitor import compose
    from monitor.settings import load

    for address in compose.run(build.push(load())):
        typer.echo(address)


@group.command("grant")
def grant(slug: Annotated[str, typer.Argument(help="The tenant.")]) -> None:
    """Let a tenant's own Grafana in: make its PostgreSQL role, or a new password for it, shown once.

    Whatever SQL is typed there, nothing of another tenant is seen. Needs AGENT_MONITOR_DATABASE_ADMIN_URL.
    """
    from monitor import compose, grafana_access
    from monitor.settings import load

    granted = compose.run(grafana_access.grant(load(), slug))
    for name, value in (("database", granted.database), ("user", granted.role), ("password", granted.password)):
        typer.echo(f"{name}: {value}")


@group.command("revoke")
def revoke(slug: Annotated[str, typer.Argument(help="The tenant.")]) -> None:
    """Take a tenant's PostgreSQL role for Grafana away, and end its sessions."""
    from monitor import compose, grafana_access
    from monitor.settings import load

    there = compose.run(grafana_access.revoke(load(), slug))
    typer.echo(f"{slug}: {'revoked' if there else 'had none'}")
