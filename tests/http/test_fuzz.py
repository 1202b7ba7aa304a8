"""The description of the API is true: what schemathesis makes of it is answered as it says, and never with a fault.

A collector is asked on loopback, with the key of a tenant's owner. What is asked is made from the description alone:
each operation's values at their limits and beyond, and random ones.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.app import create_app
from monitor.compose import make_deps
from monitor.db import Database
from monitor.ingest import Ingest
from monitor.serving import listen, serving
from monitor.settings import Settings
from tests.http.furnished import furnish

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
)  # fmt: skip
EXAMPLES = 12
"""Random requests for each operation, beside those at the limits."""
LEFT_OUT = ("/api/v1/api-keys/{key_id}", "/api/v1/write", "/api/v1/bounces")
"""Nothing may revoke the key that asks; and schemathesis writes neither protobuf nor mails."""

pytestmark = pytest.mark.accept


@pytest.fixture
async def address(db: Database, tmp_path: Path) -> AsyncIterator[str]:
    """A collector on a port of this machine."""
    deps = make_deps(Settings(data_dir=tmp_path, disk_reserve=0, secret_keys=("a key for this",)), db)
    app = create_app(deps, Ingest(deps))
    app.openapi()  # Made here and not while somebody waits for it.
    with contextlib.closing(listen("127.0.0.1", 0)) as listening:
        async with serving(app, listening):
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    await deps.live.close()
    await deps.series.close()


async def test_what_the_description_allows_is_answered_as_it_says(db: Database, address: str, tmp_path: Path) -> None:
    owner = await furnish(db, "apple")
    left_out = [word for path in LEFT_OUT for word in ("--exclude-path", path)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json",
        "--header", f"Authorization: Bearer {owner.tenant.key}", "--checks", ",".join(CHECKS),
        "--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-shrink",
        "--generation-deterministic", "--suppress-health-check", "all",
        "--request-timeout", "60", "--wait-for-schema", "60", "--warnings", "off", "--no-color", *left_out,
        cwd=tmp_path, env=dict(os.environ), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
