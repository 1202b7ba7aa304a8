"""`agent-monitor prices`: what models cost, for everybody or for one tenant."""

from pathlib import Path
from typing import Annotated

import typer

group = typer.Typer(no_args_is_help=True, help="Prices of models: list them, import more.")

Data = Annotated[Path | None, typer.Option(help="Data directory of `dev`; AGENT_MONITOR_DATA_DIR without it.")]
Tenant = Annotated[str | None, typer.Option(help="Slug; everybody's prices without it.")]


def attach(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="prices")


@group.command("list")
def list_prices(
    search: Annotated[str | None, typer.Argument(help="Part of a model's name.")] = None,
    *,
    tenant: Tenant = None,
    data: Data = None,
) -> None:
    """List prices by model, in US dollars for a million tokens: input, output, read from a cache, written into it."""
    from monitor import administration, compose
    from monitor.usage.bodies import plain

    for row in compose.run(administration.list_prices(compose.installed(data), tenant=tenant, search=search)):
        amounts = [row.input, row.output, row.cache_read, row.cache_write]
        shown = [f"{'-' if amount is None else plain(amount):>10}" for amount in amounts]
        typer.echo(f"{row.model:<46} {row.valid_from:%Y-%m-%d} {' '.join(shown)}  {row.source}")


@group.command("import")
def import_prices(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="TOML, as the list that is shipped.")],
    *,
    tenant: Tenant = None,
    data: Data = None,
) -> None:
    """Keep the prices of a file; one for the same model and time is replaced. Calls are priced anew by them."""
    from monitor import administration, compose

    work = administration.import_prices(compose.installed(data), file.read_text(encoding="utf-8"), tenant=tenant)
    typer.echo(f"{compose.run(work)} new or changed")
