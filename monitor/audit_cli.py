"""`agent-monitor audit`: who changed what in a tenant, and who tried."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.audit.bodies import Outcome
from monitor.audit.export import Format

group = typer.Typer(no_args_is_help=True, help="The audit trail of a tenant.")


def attach(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="audit")


@group.callback()
def _group() -> None:
    """Keep `export` a command of its own, as long as it is the only one."""


@group.command("export")
def export(
    tenant: Annotated[str, typer.Argument(help="Slug.")],
    *,
    layout: Annotated[Format, typer.Option("--format", help="An object a line, or comma separated.")] = Format.NDJSON,
    since: Annotated[datetime | None, typer.Option(help="From this time on, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this time, UTC.")] = None,
    actor: Annotated[str | None, typer.Option(help="As in user:… or key:….")] = None,
    action: Annotated[str | None, typer.Option(help="As in agent.updated.")] = None,
    status: Annotated[Outcome | None, typer.Option(help="What came of it.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data directory of `dev`; AGENT_MONITOR_DATA_DIR else.")] = None,
) -> None:
    """Write a tenant's audit trail to standard output, newest first."""
    from monitor import audit_admin, compose
    from monitor.audit.store import Wanted

    wanted = Wanted(actor=actor, action=action, status=status, since=_utc(since), until=_utc(until))
    compose.run(audit_admin.export(compose.installed(data), tenant, wanted, layout, sys.stdout.write))


def _utc(given: datetime | None) -> datetime | None:
    return None if given is None else given.replace(tzinfo=UTC)
