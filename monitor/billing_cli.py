"""`agent-monitor statements`: what tenants' months came to."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.usage.statement_tables import BillingStatus

group = typer.Typer(no_args_is_help=True, help="Statements of a tenant's months: list them, issue them, mark them.")

Data = Annotated[Path | None, typer.Option(help="Data directory of `dev`; AGENT_MONITOR_DATA_DIR without it.")]
Tenant = Annotated[str, typer.Argument(help="Slug.")]
Month = Annotated[str, typer.Argument(help="As in 2026-10.")]


def attach(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="statements")


@group.command("list")
def list_statements(tenant: Tenant, *, data: Data = None) -> None:
    """List statements: month, status, plan, calls, those without a price, and what is due in US dollars."""
    from monitor import billing_admin, compose
    from monitor.usage.bodies import plain

    for row in compose.run(billing_admin.list_statements(compose.installed(data), tenant)):
        counts = f"{row['calls']:>10} {row['unpriced_calls']:>10} {plain(row['total_usd']):>20}"
        typer.echo(f"{row['period_start']:%Y-%m}  {row['status']:<8} {row['plan']:<12} {counts}")


@group.command("issue")
def issue(tenant: Tenant, month: Month, *, data: Data = None) -> None:
    """Issue a month's statement now; it is done by itself three days after the month."""
    _settle(tenant, month, BillingStatus.ISSUED, data)


@group.command("paid")
def paid(tenant: Tenant, month: Month, *, data: Data = None) -> None:
    """Mark an issued statement as paid."""
    _settle(tenant, month, BillingStatus.PAID, data)


@group.command("void")
def void(tenant: Tenant, month: Month, *, data: Data = None) -> None:
    """Mark an issued statement as void: nothing is due by it, and nothing corrects it."""
    _settle(tenant, month, BillingStatus.VOID, data)


def _settle(tenant: str, month: str, status: BillingStatus, data: Path | None) -> None:
    from monitor import billing_admin, compose

    compose.run(billing_admin.settle(compose.installed(data), tenant, month, status))
