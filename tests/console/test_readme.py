"""The README says what there is: every setting, every command, the example that is tested."""

import re
from dataclasses import fields
from pathlib import Path

from typer.main import get_command

from monitor import admin_cli, dashboards_cli
from monitor.cli import app
from monitor.settings import PREFIX, Settings

SCREENSHOT_BYTES = 300_000


def test_every_setting_is_in_the_table(root: Path) -> None:
    rows = dict(re.findall(r"^\| `(AGENT_MONITOR_\w+)` \|[^|]*\| (.*) \|$", (root / "README.md").read_text(), re.M))
    assert rows == {PREFIX + item.name.upper(): item.metadata["about"] for item in fields(Settings)}


def test_every_command_is_named(root: Path) -> None:
    if not app.registered_groups:
        admin_cli.attach(app)
        dashboards_cli.attach(app)
    readme = (root / "README.md").read_text()
    commands = set(getattr(get_command(app), "commands", {}))
    assert {"dev", "serve", "alert", "migrate", "keys", "tenants", "users", "sign-in"} <= commands
    assert {name for name in commands - {"schema"} if f"agent-monitor {name}" not in readme} <= {"tenants", "users"}


def test_the_python_example_is_the_one_that_is_tested(root: Path) -> None:
    example = (root / "tests" / "sdk" / "example_agent.py").read_text()
    assert f"```python\n{example.rstrip()}\n```" in (root / "README.md").read_text()
    assert len(example.splitlines()) < 15


def test_its_picture_is_there_and_light(root: Path) -> None:
    path = re.search(r"!\[.*\]\((.*)\)", (root / "README.md").read_text())
    assert path is not None
    assert (root / path[1]).stat().st_size < SCREENSHOT_BYTES
