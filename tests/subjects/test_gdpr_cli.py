"""`agent-monitor gdpr` as commands; killed in the middle of an erasure, it goes on with what is left."""

import asyncio
import json
import sys
from pathlib import Path

from sqlalchemy import text

from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from tests.conftest import urls
from tests.http.furnished import furnish
from tests.stage import ROOT, VARIABLES
from tests.subjects.somebody import CALLED, EMAIL, MARKS, settle
from tests.subjects.test_erasing import everything, where
from tests.usage.test_prices_cli import run

MESSAGES = 300
SLOWLY = """
from monitor.subjects import steps
steps.BATCH = 1
from monitor.cli import main
main()
"""
_FILL = text("""
    INSERT INTO model_calls (tenant_id, id, agent_id, user_ref, failed, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, started_at, source, metadata)
    SELECT tenant_id, (left(id::text, 23) || right(gen_random_uuid()::text, 13))::uuid,
        agent_id, user_ref, failed, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, started_at, source, metadata
    FROM model_calls, generate_series(1, :rows) WHERE tenant_id = :tenant
""")
_DONE = text("SELECT coalesce((report->>'model_calls')::int, 0) FROM data_requests WHERE kind = 'erasure'")


async def test_export_dry_run_and_erasure(
    postgres: EmbeddedPostgres, database_name: str, db: Database, tmp_path: Path
) -> None:
    env = {VARIABLES[role]: url for role, url in urls(postgres, database_name).items()}
    made = await furnish(db, "apple")
    await settle(db, made)
    file = tmp_path / "her.ndjson"
    code, said = await run(env, "gdpr", "export", EMAIL, "--to", str(file), "--also", CALLED)
    assert code == 0, said
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert f"users {sum(row['table'] == 'users' for row in rows)}" in said[0]
    assert all(mark in file.read_text(encoding="utf-8") for mark in MARKS)
    before = await everything(db)
    code, said = await run(env, "gdpr", "erase", EMAIL, "--dry-run", "--also", CALLED)
    assert (code, "rag_queries 1," in said[0]) == (0, True), said
    assert await everything(db) == before, "nothing was changed"
    code, said = await run(env, "gdpr", "erase", EMAIL, "--also", CALLED)
    assert code == 0, said
    assert where(await everything(db), MARKS) == set()
    assert await run(env, "gdpr", "erase", EMAIL) == (1, ["agent-monitor: there is no such user"])


async def test_an_owner_without_a_successor_is_not_erased(
    postgres: EmbeddedPostgres, database_name: str, db: Database
) -> None:
    env = {VARIABLES[role]: url for role, url in urls(postgres, database_name).items()}
    made = await furnish(db, "apple")
    code, said = await run(env, "gdpr", "erase", f"owner@{made.tenant.slug}.example")
    assert (code, "name another owner first" in said[0]) == (1, True)


async def test_killed_in_the_middle_it_goes_on(postgres: EmbeddedPostgres, database_name: str, db: Database) -> None:
    env = {VARIABLES[role]: url for role, url in urls(postgres, database_name).items()}
    made = await furnish(db, "apple")
    her = await settle(db, made)
    async with db.owner() as owner:
        await owner.execute(_FILL, {"tenant": made.tenant.id, "rows": MESSAGES})
    words = ("gdpr", "erase", EMAIL, "--also", CALLED)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SLOWLY, *words, cwd=ROOT, env=env)
    async with asyncio.timeout(60):
        while True:
            async with db.owner() as owner:
                done = (await owner.execute(_DONE)).scalar() or 0
            if done:
                break
            assert process.returncode is None
            await asyncio.sleep(0.01)
    process.kill()
    await process.wait()
    async with db.owner() as owner:
        done = (await owner.execute(_DONE)).scalar_one()
        assert 0 < done < MESSAGES, "it was in the middle"
    code, said = await run(env, *words)
    assert (code, f"model_calls {MESSAGES + 1}," in said[0]) == (0, True), said
    assert where(await everything(db), (*MARKS, str(her))) == set()
