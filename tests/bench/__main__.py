"""`python -m tests.bench [names…]`: every figure with its target, as a table; exit code 1 where one is missed."""

import argparse
import asyncio
import gc
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from tests.bench import (
    dashboards,
    delivery,
    disk,
    drain,
    fleet,
    influx,
    knowledge,
    line,
    logs,
    memory,
    metrics,
    opening,
    query,
    retention,
    rules,
    seeds,
    spans,
    trace,
    watching,
)
from tests.bench.figure import Figure, table
from tests.bench.machine import ENOUGH, free_share
from tests.stage import Stage, open_stage, scene

Bench = Callable[..., Awaitable[list[Figure]]]
BENCHES: dict[str, Bench] = {
    "metrics": metrics.run,
    "line": line.run,
    "logs": logs.run,
    "memory": memory.run,
    "rules": rules.run,
    "fleet": fleet.run,
    "opening": opening.run,
    "delivery": delivery.run,
    "disk": disk.run,
    "query": query.run,
    "retention": retention.run,
    "influx": influx.run,
    "drain": drain.run,
    "seeds": seeds.run,
    "spans": spans.run,
    "trace": trace.run,
    "knowledge": knowledge.run,
    "watching": watching.run,
    "dashboards": dashboards.run,
}


async def _run(name: str, stage: Stage, *, quick: bool) -> list[Figure]:
    print(f"{name}: {sys.modules[BENCHES[name].__module__].__doc__ or ''}", file=sys.stderr, flush=True)
    async with scene(stage, f"bench_{name}") as own:
        return await BENCHES[name](own, quick=quick)


async def main() -> int:
    """Run the benches that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], help="which ones; all unless said", metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="shorter and rougher")
    asked = parser.parse_args()
    figures: list[tuple[str, Figure]] = []
    shares: list[float] = []
    # Our own garbage collection would show up in the latencies.
    gc.disable()
    with tempfile.TemporaryDirectory(prefix="agent-monitor-bench-") as folder:
        async with open_stage(Path(folder)) as stage:
            for name in asked.names or BENCHES:
                shares.append(await free_share())
                figures += [(name, figure) for figure in await _run(name, stage, quick=asked.quick)]
                gc.collect()
    shares.append(await free_share())
    print(table(figures))
    print(f"{os.cpu_count()} cores, {min(shares):.0%} of them free at worst{', quick' if asked.quick else ''}")
    if min(shares) < ENOUGH:
        print("This machine was busy with other things: measure again when it is not.")
    return 0 if all(figure.passed for _name, figure in figures) else 1


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main()))
