"""`agent-monitor keys`, `tenants` and `users`: administration from the command line."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from monitor.principal import Scope, TenantStatus, check_grant

Data = Annotated[Path | None, typer.Option(help="Data directory of `dev`; AGENT_MONITOR_DATA_DIR without it.")]
Tenant = Annotated[str, typer.Option(help="Slug of the tenant.")]

keys = typer.Typer(no_args_is_help=True, help="API keys of a tenant.")
tenants = typer.Typer(no_args_is_help=True, help="Tenants.")
users = typer.Typer(no_args_is_help=True, help="People.")


def attach(app: typer.Typer) -> None:
    """Add these groups of commands."""
    for name, group in (("keys", keys), ("tenants", tenants), ("users", users)):
        app.add_typer(group, name=name)


def _grants(given: list[str]) -> list[str]:
    try:
        return [check_grant(one) for one in given]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for.")] = "command line",
    *,
    scope: Annotated[
        list[str], typer.Option(callback=_grants, help="As in read, or agents:read. May be given several times.")
    ] = [Scope.INGEST],  # noqa: B006
    agent: Annotated[str | None, typer.Option(help="Bind it to one agent, by external id.")] = None,
    expires: Annotated[datetime | None, typer.Option(help="End of its validity, UTC.")] = None,
    tenant: Tenant = "default",
    data: Data = None,
) -> None:
    """Make a key and print it. It is shown once."""
    from monitor import administration, compose

    work = administration.create_key(
        compose.installed(data), tenant, name=name, scopes=scope, agent=agent, expires=expires
    )
    typer.echo(compose.run(work))


@keys.command("list")
def list_keys(*, tenant: Tenant = "default", data: Data = None) -> None:
    """List keys, newest first, without their secrets."""
    from monitor import administration, compose

    rows = compose.run(administration.list_keys(compose.installed(data), tenant))
    _table(
        ("id", "prefix", "name", "scopes", "status", "created"),
        ((row.id, row.prefix, row.name, ",".join(row.scopes), row.status, _day(row.created_at)) for row in rows),
    )


@keys.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="Id or prefix.")], *, tenant: Tenant = "default", data: Data = None
) -> None:
    """Revoke a key; it stops working within a second."""
    from monitor import administration, compose

    row = compose.run(administration.revoke_key(compose.installed(data), tenant, key))
    typer.echo(f"revoked {row.prefix} ({row.name})")


@tenants.command("create")
def create_tenant(
    slug: Annotated[str, typer.Argument(help="Short name, unique.")],
    *,
    name: Annotated[str | None, typer.Option(help="Name as people know it.")] = None,
    owner: Annotated[str, typer.Option(help="Email address of its owner, and its fallback channel.")],
    data: Data = None,
) -> None:
    """Make a tenant with its owner, and print its first key, once."""
    from monitor import administration, compose

    work = administration.create_tenant(compose.installed(data), slug, name=name or slug, owner=owner)
    typer.echo(compose.run(work))


@tenants.command("list")
def list_tenants(*, data: Data = None) -> None:
    """List tenants."""
    from monitor import administration, compose

    rows = compose.run(administration.list_tenants(compose.installed(data)))
    _table(
        ("id", "slug", "name", "status", "created"),
        ((row.id, row.slug, row.name, row.status, _day(row.created_at)) for row in rows),
    )


def _set_status(slug: str, status: TenantStatus, data: Path | None, reason: str | None = None) -> None:
    from monitor import administration, compose

    compose.run(administration.set_tenant_status(compose.installed(data), slug, status, reason=reason))
    typer.echo(f"{slug} is {status}")


@tenants.command("suspend")
def suspend_tenant(
    slug: str,
    *,
    reason: Annotated[str | None, typer.Option(help="Shown to its members.")] = None,
    data: Data = None,
) -> None:
    """Stop a tenant's ingest and paging; it can still be read."""
    _set_status(slug, TenantStatus.SUSPENDED, data, reason)


@tenants.command("resume")
def resume_tenant(slug: str, *, data: Data = None) -> None:
    """Make a suspended tenant active again, or a deleted one that was not purged yet."""
    _set_status(slug, TenantStatus.ACTIVE, data)


@tenants.command("delete")
def delete_tenant(slug: str, *, data: Data = None) -> None:
    """Mark a tenant as deleted: its keys and sessions stop working. Its rows stay until `purge`."""
    _set_status(slug, TenantStatus.DELETED, data)


@tenants.command("purge")
def purge_tenants(
    *, dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False, data: Data = None
) -> None:
    """Take away what is left of tenants that were deleted AGENT_MONITOR_TENANT_PURGE ago."""
    from monitor import administration, compose

    done = compose.run(administration.purge_tenants(compose.installed(data), dry_run=dry_run))
    for slug, removed in done.items():
        rows = ", ".join(f"{table} {count}" for table, count in removed.items())
        typer.echo(f"{'would purge' if dry_run else 'purged'} {slug}: {rows or 'no rows'}")
    typer.echo(f"{len(done)} tenants")


@users.command("create")
def create_user(
    email: str,
    *,
    role: Annotated[str, typer.Option(help="owner, admin, member, viewer or on-call.")] = "member",
    tenant: Tenant = "default",
    data: Data = None,
) -> None:
    """Make a user and add them to a tenant."""
    from monitor import administration, compose

    user_id = compose.run(administration.create_user(compose.installed(data), tenant, email=email, role=role))
    typer.echo(str(user_id))


@users.command("list")
def list_users(*, tenant: Tenant = "default", data: Data = None) -> None:
    """List the people of a tenant."""
    from monitor import administration, compose

    rows = compose.run(administration.list_users(compose.installed(data), tenant))
    _table(("id", "email", "role", "status"), ((row.id, row.email, row.role, row.status) for row in rows))


@users.command("remove")
def remove_user(email: str, *, tenant: Tenant = "default", data: Data = None) -> None:
    """Take somebody out of a tenant; refused while an on-call schedule names them."""
    from monitor import administration, compose

    compose.run(administration.remove_user(compose.installed(data), tenant, email=email))


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str | UUID]]) -> None:
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
