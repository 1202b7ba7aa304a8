"""`agent-monitor series copy` and `check` as commands."""

import asyncio
import sys
from datetime import datetime, timedelta

from monitor.embedded import EmbeddedPostgres
from tests.conftest import urls
from tests.factories import make_agent, make_tenant
from tests.series.conftest import History, point
from tests.servers.fixtures import Influx as Corner
from tests.stage import MAIN, ROOT, VARIABLES


async def run(env: dict[str, str], *words: str) -> tuple[int | None, list[str]]:
    """A command's exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAIN, "series", *words, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode().splitlines()


async def test_copy_makes_the_stores_equal_and_check_says_whether_they_are(
    postgres: EmbeddedPostgres,
    database_name: str,
    history_on_postgres: History,
    history_on_influx: History,
    influx: Corner,
    day: datetime,
) -> None:
    tenant = await make_tenant(history_on_postgres.db)
    agent = await make_agent(history_on_postgres.db, tenant.id, "a")
    await history_on_postgres.write(
        tenant.id, [point(agent, day + timedelta(hours=hour), float(hour)) for hour in range(30)]
    )
    env = {VARIABLES[role]: url for role, url in urls(postgres, database_name).items()}
    plain = {**env, "AGENT_MONITOR_SECRET_KEYS": "a key for tests only"}
    env = {
        **plain,
        "AGENT_MONITOR_INFLUX_URL": influx.url,
        "AGENT_MONITOR_INFLUX_TOKEN": influx.token,
        "AGENT_MONITOR_INFLUX_ORG": influx.org,
        "AGENT_MONITOR_INFLUX_BUCKET": influx.bucket,
    }
    since = f"--since={day:%Y-%m-%d}"
    code, said = await run(env, "check", since)
    # Count and sum of two days.
    assert (code, said[-1]) == (1, "4 differences")
    code, said = await run(env, "copy", "--from", "postgres", "--to", "influx", since)
    assert (code, said[-1]) == (0, "copied 30 points and 0 rollups")
    assert len([line for line in said if ": 24 points" in line or ": 6 points" in line]) == 2
    assert await run(env, "check", since) == (0, ["0 differences"])
    code, said = await run(env, "copy", "--from", "influx", "--to", "influx")
    assert code == 2
    code, said = await run(plain, "check")
    assert code == 1
    assert "AGENT_MONITOR_INFLUX_URL is not set" in said[-1]
