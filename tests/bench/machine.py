"""Whether this machine is ours: a figure measured beside somebody else's work says nothing."""

import asyncio
import os
import sys

SECONDS = 0.5
ENOUGH = 0.9
_SPIN = f"""
import time
until = time.perf_counter() + {SECONDS}
while time.perf_counter() < until:
    pass
print(time.process_time())
"""


async def free_share() -> float:
    """The share of all cores that as many busy processes get: 1.0 on a machine that does nothing else."""

    async def spin() -> float:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-c", _SPIN, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        return float(out)

    count = os.cpu_count() or 1
    # A process' own start counts as well: hence never more than the whole.
    return min(1.0, sum(await asyncio.gather(*(spin() for _ in range(count)))) / SECONDS / count)
