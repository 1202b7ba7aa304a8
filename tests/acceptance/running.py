"""`agent-monitor dev` as a process, as a newcomer runs it."""

import asyncio
import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.servers.process import free_port
from tests.stage import MAIN, ROOT

READY = "Agent Monitor is ready."
SECONDS = 60.0


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process' environment without settings of ours, then these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_MONITOR_")}
    return kept | {f"AGENT_MONITOR_{name.upper()}": value for name, value in settings.items()}


@dataclass
class Dev:
    """One run of the command; what it prints goes to two files beside its data."""

    data: Path
    port: int
    process: subprocess.Popen[bytes]
    output: Path
    errors: Path

    @property
    def printed(self) -> str:
        """Its standard output so far."""
        return self.output.read_text()

    async def ended(self) -> str:
        """Its standard error, once it has ended."""
        await asyncio.to_thread(self.process.wait, SECONDS)
        return self.errors.read_text()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def said(self) -> dict[str, Any]:
        """What `dev.json` says."""
        found: dict[str, Any] = json.loads((self.data / "dev.json").read_text())
        return found

    def line(self, label: str) -> str:
        """The rest of the printed line that begins with a label."""
        return next(line for line in self.printed.splitlines() if line.strip().startswith(label)).strip()

    @property
    def curl(self) -> list[str]:
        """The printed curl line as words."""
        return shlex.split(self.line("curl "))

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client with the printed key."""
        headers = {"Authorization": f"Bearer {self.said['api_key']}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30) as made:
            yield made

    async def stop(self) -> int:
        """SIGTERM, then its exit code."""
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, SECONDS)


async def start(data: Path, *words: str, port: int | None = None, settings: Mapping[str, str] | None = None) -> Dev:
    """Run it, and return when it says that it is ready, or has ended."""
    port = port or free_port()
    output, errors = (data.with_name(f"{data.name}-{port}.{name}") for name in ("out", "err"))
    command = [sys.executable, "-c", MAIN, "dev", "--data", str(data), "--port", str(port), *words]
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(  # noqa: ASYNC220 - forking takes no time that anybody waits for
            command, cwd=ROOT, env=environment(settings or {}), stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
    dev = Dev(data, port, process, output, errors)
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and "\n  curl " not in dev.printed:
        assert time.monotonic() < deadline, dev.printed
        await asyncio.sleep(0.05)
    return dev


@contextlib.asynccontextmanager
async def running(
    data: Path, *words: str, port: int | None = None, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Dev]:
    """Run it for a while; it must become ready, and end well."""
    dev = await start(data, *words, port=port, settings=settings)
    try:
        assert READY in dev.printed, await dev.ended()
        yield dev
    finally:
        code = await dev.stop()
    assert code == 0
