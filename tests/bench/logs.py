"""One log per request over 64 connections, durable, against the same server answering without storing."""

import asyncio
import itertools
import json
import os
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

from tests.bench.client import closed, lasting, paced, request
from tests.bench.figure import Figure
from tests.bench.traffic import log
from tests.factories import TenantMade, make_tenant
from tests.servers.process import free_port
from tests.stage import Program, Stage

CONNECTIONS = 64
AGENTS = 100
PACE = 1000
SCRIPT = Path(__file__).parent / "post.lua"


def bodies() -> list[bytes]:
    """A log of each agent, without a time: receipt counts."""
    made = []
    for number in range(AGENTS):
        row = json.loads(log(f"agent-{number:03d}"))
        del row["started_at"], row["completed_at"]
        made.append(json.dumps(row, separators=(",", ":")).encode())
    return made


def posts(server: Program, tenant: TenantMade) -> Callable[[], bytes]:
    """Requests of all agents in turn."""
    ready = [request(server.url, "/api/v1/logs", tenant.key, body) for body in bodies()]
    turn = itertools.cycle(ready)
    return lambda: next(turn)


async def fastest(server: Program, tenant: TenantMade, folder: Path, seconds: float) -> float:
    """Requests a second with every connection busy: by wrk where there is one, else by our own slower client."""
    wrk = shutil.which("wrk")
    if wrk is None:
        load = await closed(server.url, posts(server, tenant), connections=CONNECTIONS, until=lasting(seconds))
        load.expect(202)
        return load.rate
    file = folder / "bodies.ndjson"
    file.write_bytes(b"\n".join(bodies()) + b"\n")
    env = os.environ | {"BENCH_KEY": tenant.key, "BENCH_BODIES": str(file), "BENCH_PATH": "/api/v1/logs"}
    words = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", str(SCRIPT), server.url]
    process = await asyncio.create_subprocess_exec(wrk, *words, env=env, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    said = json.loads(out.splitlines()[-1])
    assert (process.returncode, said["refused"]) == (0, 0), out.decode()
    return float(said["requests"] / said["microseconds"] * 1e6)


async def tail(server: Program, tenant: TenantMade, seconds: float) -> float:
    """The 99th percentile of latency at 1,000 requests a second, in ms."""
    load = await paced(server.url, posts(server, tenant), rate=PACE, seconds=seconds, connections=CONNECTIONS)
    load.expect(202)
    return load.percentile(99) * 1000


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Both servers in turns, one at a time at work."""
    rounds, seconds = (2, 2.0) if quick else (4, 4.0)
    tenant = await make_tenant(stage.db)
    port = free_port()
    storing = await stage.collector().start()
    silent = await stage.script("tests.bench.silent", str(port), port=port).start()
    rates: dict[str, list[float]] = {storing.url: [], silent.url: []}
    tails: dict[str, list[float]] = {storing.url: [], silent.url: []}
    # The first seconds register agents and series and fill the database's caches of plans and pages.
    for server in (storing, silent):
        await fastest(server, tenant, stage.folder, 4.0)
    for _ in range(rounds):
        for server in (storing, silent):
            rates[server.url].append(await fastest(server, tenant, stage.folder, seconds))
        for server in (storing, silent):
            tails[server.url].append(await tail(server, tenant, seconds))
    ours, theirs = (statistics.mean(rates[server.url]) for server in (storing, silent))
    slow, base = (statistics.median(tails[server.url]) for server in (storing, silent))
    by = "wrk" if shutil.which("wrk") else "a client in Python, which slows both: install wrk"
    return [
        Figure(f"requests, by {by}", ours, "/s", least=3000),
        Figure("without storing", theirs, "/s"),
        Figure("ratio", ours / theirs, least=0.4),
        Figure(f"p99 at {PACE:,} requests/s", slow, "ms"),
        Figure("without storing", base, "ms"),
        Figure("ratio of p99", slow / base, most=5),
    ]
