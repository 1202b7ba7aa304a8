"""`agent-monitor plans` and `agent-monitor quotas`: what tenants may use."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from monitor.usage.quota_tables import Resource

plans = typer.Typer(no_args_is_help=True, help="Subscription plans: list them, import others, give one to a tenant.")
quotas = typer.Typer(no_args_is_help=True, help="What a tenant may use: agents, requests a day, tokens a month.")

Data = Annotated[Path | None, typer.Option(help="Data directory of `dev`; AGENT_MONITOR_DATA_DIR without it.")]
Tenant = Annotated[str, typer.Argument(help="Slug.")]


def attach(app: typer.Typer) -> None:
    """Add the groups."""
    app.add_typer(plans, name="plans")
    app.add_typer(quotas, name="quotas")


@plans.command("list")
def list_plans(*, data: Data = None) -> None:
    """List plans: price a month, model calls included, and limits."""
    from monitor import compose, quota_admin
    from monitor.usage.bodies import plain

    for row in compose.run(quota_admin.list_plans(compose.installed(data))):
        limits = [row.max_agents, row.daily_requests, row.monthly_tokens]
        shown = [f"{'-' if limit is None else limit:>15}" for limit in limits]
        typer.echo(
            f"{row.slug:<12} {plain(row.price_usd):>8} {plain(row.included_usd):>8} {' '.join(shown)}  {row.source}"
        )


@plans.command("import")
def import_plans(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="TOML, as the list that is shipped.")],
    *,
    data: Data = None,
) -> None:
    """Keep the plans of a file; one with the same slug is replaced."""
    from monitor import compose, quota_admin

    work = quota_admin.import_plans(compose.installed(data), file.read_text(encoding="utf-8"))
    typer.echo(f"{compose.run(work)} new or changed")


@plans.command("give")
def give(tenant: Tenant, plan: Annotated[str, typer.Argument(help="Slug of the plan.")], *, data: Data = None) -> None:
    """Give a tenant another plan; it binds within seconds."""
    from monitor import compose, quota_admin

    compose.run(quota_admin.give_plan(compose.installed(data), tenant, plan))


@quotas.command("list")
def list_quotas(tenant: Tenant, *, data: Data = None) -> None:
    """Say what a tenant may use, what it used, and who set the limit."""
    from monitor import compose, quota_admin

    for one in compose.run(quota_admin.list_quotas(compose.installed(data), tenant)):
        limit = "-" if one.limit is None else str(one.limit)
        until = "" if one.resets_at is None else f"  until {one.resets_at:%Y-%m-%d}"
        typer.echo(f"{one.resource:<16} {one.used:>15} of {limit:<15} {one.state:<10} {one.said_by}{until}")


@quotas.command("set")
def set_quota(
    tenant: Tenant,
    resource: Resource,
    limit: Annotated[int | None, typer.Argument(min=0, help="Without it: what the tenant or its plan says.")] = None,
    *,
    enforced: Annotated[bool, typer.Option(help="Whether anything is refused beyond it, or only counted.")] = True,
    warn_at: Annotated[float, typer.Option(min=0, max=1, help="The share from which on it is `warned`.")] = 0.8,
    data: Data = None,
) -> None:
    """Give a tenant a limit of its own; it binds within seconds."""
    from monitor import compose, quota_admin

    share = round(Decimal(str(warn_at)), 4)
    work = quota_admin.set_quota(
        compose.installed(data), tenant, resource, limit=limit, enforced=enforced, warn_at=share
    )
    compose.run(work)


@quotas.command("clear")
def clear_quota(tenant: Tenant, resource: Resource, *, data: Data = None) -> None:
    """Take a tenant's own limit away: its plan's binds again."""
    from monitor import compose, quota_admin

    compose.run(quota_admin.clear_quota(compose.installed(data), tenant, resource))
