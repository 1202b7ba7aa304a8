"""`agent-monitor`: the command line. Exit codes: 0 done, 1 failed, 2 wrong usage."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from monitor.errors import DatabaseDown, MonitorError

app = typer.Typer(
    name="agent-monitor",
    help="Observability and alerting for fleets of AI agents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
Data = Annotated[Path | None, typer.Option(help="Data directory of `dev`; AGENT_MONITOR_DATA_DIR without it.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any.")]

# Each command imports what it runs: `--help` and wrong usage answer at once.


@app.command()
def dev(
    *,
    data: Data = None,
    host: Host = "127.0.0.1",
    port: Port = 4318,
    demo: Annotated[bool, typer.Option("--demo", help="Run a small fleet of simulated agents.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Empty the data directory first.")] = False,
) -> None:
    """Run everything in one process: bundled PostgreSQL, collector, alerter and console."""
    from monitor import compose
    from monitor import dev as everything
    from monitor.settings import load

    settings = load()
    options = everything.Options(data=data or settings.data_dir, host=host, port=port, demo=demo, fresh=fresh)
    compose.run(everything.run(options, settings))


@app.command()
def serve(
    *,
    host: Host = "127.0.0.1",
    port: Port = 4318,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Run the collector and the console against AGENT_MONITOR_DATABASE_URL."""
    import uvicorn

    from monitor import compose, serving

    compose.check_serving()
    uvicorn.run(
        "monitor.compose:serve_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        timeout_graceful_shutdown=10,
        **serving.UVICORN,
    )


@app.command()
def alert(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port for /healthz, /readyz and /metrics; none without it.")
    ] = None,
) -> None:
    """Run the alerter against AGENT_MONITOR_DATABASE_URL: rules, messages, rollups, partitions."""
    from monitor import compose
    from monitor.settings import load

    settings = load()
    compose.configure_logs(settings)
    compose.run(compose.alert_until_stopped(settings, host=host, port=port))


@app.command()
def migrate(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; 1 if revisions are missing.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the database.")] = 60.0,
) -> None:
    """Bring the database to the newest revision; make partitions, and InfluxDB's buckets. Safe to run twice at once."""
    from monitor import administration, compose
    from monitor.settings import load

    before, newest = compose.run(administration.migrate(load(), check=check, wait=wait))
    if before == newest:
        typer.echo(f"at revision {newest}: nothing to do")
    elif check:
        typer.echo(f"at revision {before or 'none'}, the newest is {newest}")
        raise typer.Exit(1)
    else:
        typer.echo(f"from revision {before or 'none'} to {newest}")


@app.command("sign-in")
def sign_in(
    *,
    tenant: Annotated[str, typer.Option(help="Slug.")] = "default",
    email: Annotated[str | None, typer.Option(help="Whose address; the owner's unless said.")] = None,
    data: Data = None,
) -> None:
    """Print a link that signs a browser in as a member, with what their role may do."""
    from monitor import administration, compose

    typer.echo(compose.run(administration.sign_in_link(compose.installed(data), tenant, email=email)))


@app.command()
def seed(
    *,
    first: Annotated[
        bool,
        typer.Option("--first", help="Only the tenant `default`, its owner and a key: how production begins."),
    ] = False,
    data: Data = None,
) -> None:
    """Fill a tenant to develop against: an administrator, keys and agents. Password and keys are printed once."""
    from monitor import administration, compose

    for line in compose.run(administration.seed(compose.installed(data), first=first)):
        typer.echo(line)


@app.command()
def doctor(*, data: Data = None) -> None:
    """Check the database, its roles, revision and partitions, the disk and the channels."""
    from monitor import compose
    from monitor.doctor import examine

    findings = compose.run(examine(compose.installed(data)))
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.well else 'FAIL'}  {finding.subject}: {finding.detail}")
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


@app.command()
def health(*, port: Port = 4318) -> None:
    """Ask the collector or alerter of this machine whether it lives; 1 if it does not say so."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as fault:
        typer.echo(f"nothing answers at port {port}: {fault}", err=True)
        raise typer.Exit(1) from None
    finally:
        connection.close()
    if status != 200:
        typer.echo(f"port {port} answers {status}", err=True)
        raise typer.Exit(1)


@app.command()
def secrets(folder: Annotated[Path, typer.Argument(help="Made where it is missing.")]) -> None:
    """Make the files of secrets that docker-compose.yml wants, where they are missing."""
    from monitor import secretfiles

    made = secretfiles.make(folder)
    typer.echo(f"made {', '.join(made)} in {folder}" if made else f"all secrets are in {folder}")


@app.command()
def schema(
    *, write: Annotated[bool, typer.Option("--write", help="Write it and its documents into sql/ anew.")] = False
) -> None:
    """Print the schema that the revisions make, on a database of its own."""
    from monitor import compose
    from sql import dump

    text = compose.run(dump.migrated())
    if write:
        for path in dump.write(text):
            typer.echo(f"{path} written")
    else:
        typer.echo(text, nl=False)


@app.command()
def retention(
    *, dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False, data: Data = None
) -> None:
    """Drop partitions and remove rows that are past their time, and make the partitions that are due."""
    from monitor import administration, compose

    plan, rows = compose.run(administration.retain(compose.installed(data), dry_run=dry_run))
    for name in plan.drop:
        typer.echo(f"{'would drop' if dry_run else 'dropped'} {name}")
    for table, count in rows.items():
        if count:
            typer.echo(f"{'would remove' if dry_run else 'removed'} {count} rows of {table}")
    typer.echo(f"{len(plan.drop)} to drop, {len(plan.create)} to make" if dry_run else "done")


@app.command()
def maintenance(
    *, dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is due.")] = False, data: Data = None
) -> None:
    """Vacuum, analyse and rebuild what is due; the alerter does so every hour."""
    from monitor import administration, compose

    planned, outcomes = compose.run(administration.maintain(compose.installed(data), dry_run=dry_run))
    for work in planned if dry_run else ():
        typer.echo(f"would {work.task} {work.relation}")
    for one in outcomes:
        took = f"{one.seconds:.1f} s, {one.before:,} bytes before, {one.after:,} after"
        typer.echo(f"{one.work.task} {one.work.relation}: {one.failed or took}")
    typer.echo("nothing is due" if not planned else "done" if outcomes else f"{len(planned)} due")
    if any(one.failed for one in outcomes):
        raise typer.Exit(1)


@cache
def complete() -> typer.Typer:
    """The command line with all of its groups."""
    from monitor import (
        admin_cli,
        audit_cli,
        backup_cli,
        billing_cli,
        dashboards_cli,
        gdpr_cli,
        imports_cli,
        prices_cli,
        quota_cli,
        regions_cli,
        roles_cli,
        rules_cli,
        secrets_cli,
        series_cli,
    )

    for part in (
        admin_cli,
        audit_cli,
        backup_cli,
        dashboards_cli,
        series_cli,
        prices_cli,
        quota_cli,
        billing_cli,
        regions_cli,
        roles_cli,
        rules_cli,
        imports_cli,
        gdpr_cli,
        secrets_cli,
    ):
        part.attach(app)
    return app


def main() -> None:
    """Entry point: our own errors become one line and exit code 1."""
    guarded(lambda: complete()(prog_name="agent-monitor"))


def guarded(run: Callable[[], object]) -> None:
    """Run; errors that are nobody's bug are said in one line: of the database's, what the driver said too."""
    try:
        run()
    except MonitorError as fault:
        why = str(fault.__cause__ or "").strip().splitlines()[:1] if isinstance(fault, DatabaseDown) else []
        typer.echo(": ".join(["agent-monitor", fault.message, *why]), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(1)


if __name__ == "__main__":
    main()
