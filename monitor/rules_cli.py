"""`agent-monitor rules`, `backtest` and `drill`: rules as YAML, what they would have done, whether alerts arrive."""

from pathlib import Path
from typing import Annotated

import typer

group = typer.Typer(no_args_is_help=True, help="Alert rules as YAML: check, test, export, import.")

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="YAML with rules and tests.")]
Data = Annotated[Path | None, typer.Option(help="Data directory of `dev`; AGENT_MONITOR_DATA_DIR without it.")]
Tenant = Annotated[str, typer.Option(help="Slug.")]


def attach(app: typer.Typer) -> None:
    """Add the group and the commands."""
    app.add_typer(group, name="rules")
    app.command()(backtest)
    app.command()(drill)


@group.command()
def check(file: File) -> None:
    """Say whether the rules of a file can be; needs no database."""
    from alerts.rule_files import read_file

    found = read_file(file.read_text(encoding="utf-8"))
    typer.echo(f"{len(found.rules)} rules, {len(found.tests)} tests: all can be read")


@group.command()
def test(file: File) -> None:
    """Run the tests of a file; needs no database. 1 if one fails."""
    from alerts.rule_files import read_file
    from alerts.rule_tests import run_tests

    results = run_tests(read_file(file.read_text(encoding="utf-8")))
    for result in results:
        typer.echo(f"{'FAIL' if result.faults else 'ok  '}  {result.name}")
        for fault in result.faults:
            typer.echo(f"      {fault}")
    if any(result.faults for result in results):
        raise typer.Exit(1)


@group.command()
def export(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Written anew.")],
    *,
    tenant: Tenant = "default",
    data: Data = None,
) -> None:
    """Write all rules of a tenant to a file; secrets are covered."""
    from monitor import compose, rules_admin

    text, count = compose.run(rules_admin.export(compose.installed(data), tenant))
    file.write_text(text, encoding="utf-8")
    typer.echo(f"{count} rules written to {file}")


@group.command("import")
def import_rules(file: File, *, tenant: Tenant = "default", data: Data = None) -> None:
    """Make and change a tenant's rules by their names; those that the file does not name stay."""
    from monitor import compose, rules_admin

    document = file.read_text(encoding="utf-8")
    done = compose.run(rules_admin.bring_in(compose.installed(data), tenant, document))
    typer.echo(f"{done.created} made, {done.changed} changed, {done.same} as they were")


def backtest(
    file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False, help="YAML with rules.")] = None,
    *,
    rule: Annotated[str | None, typer.Option(help="Id of a stored rule, instead of a file.")] = None,
    since: Annotated[str, typer.Option(help="How far back: 24h, 7d.")] = "7d",
    time_zone: Annotated[str, typer.Option(help="Whose nights count.")] = "UTC",
    tenant: Tenant = "default",
    data: Data = None,
) -> None:
    """Tell what rules would have done with what agents really sent."""
    from monitor import compose, rules_admin

    if (file is None) == (rule is None):
        raise typer.BadParameter("name a file, or a rule with --rule")
    document = None if file is None else file.read_text(encoding="utf-8")
    settings = compose.installed(data)
    asked = rules_admin.Asked(tenant=tenant, document=document, rule=rule, since=since, time_zone=time_zone)
    for line in compose.run(rules_admin.look_back(settings, asked)):
        typer.echo(line)


def drill(
    *,
    tenant: Tenant = "default",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait until all have arrived.")] = 60.0,
    data: Data = None,
) -> None:
    """Send a synthetic alert, marked DRILL, through every channel of a tenant; 1 if one does not arrive in time."""
    from monitor import compose, rules_admin

    arrivals = compose.run(rules_admin.drill(compose.installed(data), tenant, wait=wait))
    for one in arrivals:
        said = "has not arrived" if one.seconds is None else f"arrived after {one.seconds:.1f} s"
        typer.echo(f"{'FAIL' if one.seconds is None else 'ok  '}  {one.channel} {one.target}: {said}")
    if not arrivals:
        typer.echo("the tenant has no channel")
    if not arrivals or any(one.seconds is None for one in arrivals):
        raise typer.Exit(1)
