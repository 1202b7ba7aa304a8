"""A real Prometheus: the program as it is packaged, with a configuration of the test's."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from tests.parts import program
from tests.servers.process import Process, free_port


class Prometheus(Process):
    """One server. `ask` puts a question to its API."""

    def __init__(self, folder: Path, configuration: dict[str, Any]) -> None:
        """`configuration` is written as JSON, which is YAML too."""
        self.port = free_port()
        file = folder / "prometheus.yml"
        file.write_text(json.dumps(configuration))
        words = [
            program("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}", "--enable-feature=exemplar-storage",
        ]  # fmt: skip
        super().__init__(words, log=folder / "prometheus.log")

    async def answers(self) -> bool:
        """Whether it is ready."""
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{self.port}/-/ready")).status_code == 200
        except httpx.HTTPError:
            return False

    async def ask(self, query: str, **more: Any) -> list[dict[str, Any]]:
        """The result of an instant query."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(
                f"http://127.0.0.1:{self.port}/api/v1/query", params={"query": query, **more}, timeout=30
            )
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    async def figure(self, name: str) -> float:
        """A figure of its own, over all its labels; 0 where there is none."""
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{self.port}/metrics", timeout=30)).text
        lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
        return sum(float(value) for _, _, value in lines)


@contextlib.asynccontextmanager
async def running(folder: Path, configuration: dict[str, Any]) -> AsyncIterator[Prometheus]:
    """A server until the end of the block."""
    made = Prometheus(folder, configuration)
    await made.start()
    try:
        yield made
    finally:
        await asyncio.shield(made.stop())
