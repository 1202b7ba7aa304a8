"""An import that is killed goes on where it was, and leaves nothing out and brings nothing twice."""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any

import pytest

from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from monitor.imports.running import DOCUMENTS
from tests.conftest import urls
from tests.factories import TenantMade
from tests.imports import talking
from tests.imports.conftest import KEYS, Bring
from tests.imports.doc002_known import document_002
from tests.imports.doc003_rows import document_003
from tests.imports.made import Rows
from tests.imports.rows import document_000
from tests.imports.stored import FEW, Stored, filled
from tests.imports.test_bring import compare_000, compare_004, fill_004
from tests.imports.test_doc002 import compare_002
from tests.imports.test_doc003 import compare_003
from tests.imports.test_talks import compare_001, compare_talks_000

BATCH = 25
KILLS = 5
"""How often at least; each table of FEW rows has five batches."""
_LONGER = sorted(DOCUMENTS.keys() - {"004"})
Compared = Callable[[Stored], Awaitable[None]]


async def _made(number: str, scratch: str, tenant: TenantMade) -> Compared:
    """Fill a document's database; what compares it with what is here."""
    if number == "004":
        rows, parents = await fill_004(scratch, FEW)
        return lambda stored: compare_004(stored, rows, parents)
    making = {"000": document_000, "001": talking.document_001, "002": document_002, "003": document_003}
    given: Rows = making[number](FEW)
    await filled(scratch, number, given)

    async def both(stored: Stored) -> None:
        await compare_000(stored, given)
        await compare_talks_000(stored, given["chat_sessions"], given["chat_messages"])

    compared: dict[str, Compared] = {
        "000": both,
        "001": lambda stored: compare_001(stored, given, UTC),
        "002": lambda stored: compare_002(stored, given),
        "003": lambda stored: compare_003(stored, given, tenant.id),
    }
    return compared[number]


async def _killed(said: dict[str, Any], batches: int) -> list[str]:
    """What an import said of its batches until it was killed in the midst of the next one, or was through."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.imports.child", json.dumps(said), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines: list[str] = []
    while len(lines) < batches and (line := await process.stdout.readline()):
        lines.append(line.decode().strip())
    if len(lines) < batches:
        assert await process.wait() == 0
        return lines
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    return lines


@pytest.mark.parametrize("number", [*(pytest.param(one, marks=pytest.mark.accept) for one in _LONGER), "004"])
async def test_killed_again_and_again_everything_is_brought_once(
    number: str,
    postgres: EmbeddedPostgres,
    db: Database,
    database_name: str,
    scratch: str,
    tenant: TenantMade,
    bring: Bring,
) -> None:
    compare = await _made(number, scratch, tenant)
    said = {
        "urls": urls(postgres, database_name), "url": scratch, "document": number, "tenant": str(tenant.id),
        "batch": BATCH, "keys": KEYS,
    }  # fmt: skip
    tables = len(DOCUMENTS[number].STEPS)
    each = max(2, tables * (FEW // BATCH) // KILLS)
    heard = [await _killed(said, each)]
    while len(heard[-1]) == each:
        heard.append(await _killed(said, each))
    assert len(heard) > KILLS
    # Each attempt begins where the one before had come to, at the earliest one batch behind what was heard.
    lines = [line for some in heard for line in some]
    assert len(set(lines)) == len(lines)
    assert len({line.split()[0] for line in lines}) == tables
    reports = await bring(number, scratch)
    assert {one.read for one in reports.values() if not one.missing and one.whole is None} <= {FEW, FEW - FEW // 10}
    await compare(Stored(db, tenant))
    if number == "004":
        await _spent_once(Stored(db, tenant))


async def _spent_once(stored: Stored) -> None:
    """Of each task that cost anything there is one line of the ledger, and it is counted as completed once."""
    (counted,) = await stored.rows("""
        SELECT (SELECT count(*) FROM model_calls) = (SELECT count(*) FROM tasks WHERE calls > 0) AS calls,
               (SELECT count(*) FROM tasks WHERE calls > 1) AS twice,
               (SELECT sum(completed) FROM (SELECT completed FROM agent_totals UNION ALL
                SELECT completed FROM agent_counts) c) =
               (SELECT count(*) FROM tasks WHERE status = 'completed') AS completed
    """)
    assert counted == {"calls": True, "twice": 0, "completed": True}
