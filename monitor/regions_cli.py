"""`agent-monitor regions`: where data may be, and how copies of the database stand."""

from pathlib import Path
from typing import Annotated

import typer

group = typer.Typer(no_args_is_help=True, help="Regions, the tenants that belong to them, and standbys.")

Data = Annotated[Path | None, typer.Option(help="Data directory of `dev`; AGENT_MONITOR_DATA_DIR without it.")]
Slug = Annotated[str, typer.Argument(help="Slug of the region.")]
Tenant = Annotated[str, typer.Argument(help="Slug of the tenant.")]


def attach(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="regions")


@group.command("list")
def list_regions(*, data: Data = None) -> None:
    """List regions: whose law holds there, where their collectors answer, as whom their standby connects."""
    from monitor import compose, regions_admin

    for row in compose.run(regions_admin.list_regions(compose.installed(data))):
        kind = "primary" if row.is_primary else (row.application_name or "-")
        typer.echo(f"{row.slug:<16} {row.jurisdiction:<8} {kind:<20} {row.endpoint or '-':<40} {row.name}")


@group.command("set")
def put_region(
    slug: Slug,
    *,
    name: Annotated[str, typer.Option(help="As people call it.")],
    jurisdiction: Annotated[str, typer.Option(help="Whose law holds there, as in EU.")],
    endpoint: Annotated[str | None, typer.Option(help="Where its collectors answer.")] = None,
    provider: Annotated[str | None, typer.Option(help="Whose machines they are.")] = None,
    primary: Annotated[bool, typer.Option("--primary", help="The database that is written to is there.")] = False,
    standby: Annotated[str | None, typer.Option(help="application_name of the standby that is there.")] = None,
    data: Data = None,
) -> None:
    """Make a region, or change it."""
    from monitor import compose, regions_admin

    values = {
        "name": name, "jurisdiction": jurisdiction, "endpoint": endpoint, "provider": provider, "is_primary": primary,
        "application_name": standby,
    }  # fmt: skip
    compose.run(regions_admin.put_region(compose.installed(data), slug, values))


@group.command("remove")
def remove(slug: Slug, *, data: Data = None) -> None:
    """Forget a region that no tenant belongs to."""
    from monitor import compose, regions_admin

    compose.run(regions_admin.delete_region(compose.installed(data), slug))


@group.command("assign")
def assign(
    tenant: Tenant,
    slug: Slug,
    *,
    residency: Annotated[
        bool, typer.Option("--residency", help="What the tenant sends is taken in such regions alone.")
    ] = False,
    data: Data = None,
) -> None:
    """Have a tenant belong to a region; it binds within seconds."""
    from monitor import compose, regions_admin

    compose.run(regions_admin.assign(compose.installed(data), tenant, slug, residency=residency))


@group.command("release")
def release(tenant: Tenant, slug: Slug, *, data: Data = None) -> None:
    """Have a tenant belong to a region no more."""
    from monitor import compose, regions_admin

    compose.run(regions_admin.release(compose.installed(data), tenant, slug))


@group.command("standbys")
def standbys(*, data: Data = None) -> None:
    """Say how every standby stands: its state, and how far it is behind."""
    from monitor import compose, regions_admin

    for one in compose.run(regions_admin.list_standings(compose.installed(data))):
        seconds = "-" if one.lag_seconds is None else f"{one.lag_seconds:.1f} s"
        size = "-" if one.lag_bytes is None else f"{one.lag_bytes} bytes"
        typer.echo(f"{one.application_name:<24} {one.state:<10} {seconds:>12} {size:>20}  at {one.checked_at:%H:%M:%S}")


@group.command("forget")
def forget(standby: Annotated[str, typer.Argument(help="Its application_name.")], *, data: Data = None) -> None:
    """Expect a standby no more."""
    from monitor import compose, regions_admin

    compose.run(regions_admin.forget(compose.installed(data), standby))
