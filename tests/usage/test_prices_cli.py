"""`agent-monitor prices` as commands, and the list that `migrate` loads."""

import asyncio
import sys
from pathlib import Path

from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from monitor.usage import prices
from tests.conftest import urls
from tests.factories import make_tenant
from tests.stage import MAIN, ROOT, VARIABLES

FILE = """
prices = [{ model = "Our-Model", from = 2026-01-01, input = 0.25, output = 1, cache_read = 0.025 }]
"""


async def run(env: dict[str, str], *words: str) -> tuple[int | None, list[str]]:
    """A command's exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAIN, *words, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode().splitlines()


async def test_migrate_loads_the_list_and_more_is_imported(
    postgres: EmbeddedPostgres, database_name: str, db: Database, tmp_path: Path
) -> None:
    env = {VARIABLES[role]: url for role, url in urls(postgres, database_name).items()}
    tenant = await make_tenant(db)
    file = tmp_path / "prices.toml"
    file.write_text(FILE)
    assert (await run(env, "migrate"))[0] == 0
    code, said = await run(env, "prices", "list")
    assert (code, len(said)) == (0, len(prices.shipped()))
    assert (await run(env, "prices", "list", "OUR-"))[1] == []
    assert await run(env, "prices", "import", str(file), "--tenant", tenant.slug) == (0, ["1 new or changed"])
    assert await run(env, "prices", "import", str(file), "--tenant", tenant.slug) == (0, ["0 new or changed"])
    assert (await run(env, "prices", "list", "our-"))[1] == []
    _, (line,) = await run(env, "prices", "list", "our-", "--tenant", tenant.slug)
    assert line.split() == ["our-model", "2026-01-01", "0.25", "1", "0.025", "-", "tenant"]
    file.write_text("prices = 1")
    code, said = await run(env, "prices", "import", str(file))
    assert (code, said) == (1, ["agent-monitor: prices: a list of prices is missing"])
