"""Redis for tests: a server of our own, one that the environment names, or one in a container."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests import parts
from tests.servers.certificates import Identity
from tests.servers.process import Process, free_port

if TYPE_CHECKING:
    from testcontainers.community.redis import RedisContainer

DATABASES = 16


class RedisServer(Process):
    """A server that keeps nothing on disk: after a kill and a new start it is empty."""

    def __init__(self, folder: Path, *, tls: Identity | None = None) -> None:
        """With `tls` by that alone, at localhost. Ends the test where there is no program."""
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        words = [parts.program("redis-server"), "--bind", "127.0.0.1", "--port", "0" if tls else str(port)]
        if tls is not None:
            self.url = f"rediss://localhost:{port}/0?ssl_ca_certs={tls.authority}"
            words += ["--tls-port", str(port), "--tls-cert-file", str(tls.certificate), "--tls-key-file", str(tls.key)]
            words += ["--tls-auth-clients", "no"]
        words += ["--dir", str(folder), "--save", "", "--appendonly", "no"]
        super().__init__(words, log=folder / "redis.log")

    async def answers(self) -> bool:
        """Whether it takes commands."""
        async with Redis.from_url(self.url) as client:
            try:
                return bool(await client.ping())
            except RedisError:
                return False


async def flush(url: str) -> None:
    """Forget everything in the database that `url` names."""
    async with Redis.from_url(url) as client:
        await client.flushdb()


@contextlib.asynccontextmanager
async def anywhere(folder: Path) -> AsyncIterator[str]:
    """The URL of a server: the environment's, one of our own in `folder`, or a container. Or the end of this test.

    In the environment's, each worker of pytest has a database of its own: they flush it.
    """
    if url := parts.setting("REDIS_URL"):
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        yield f"{url.rstrip('/')}/{worker % DATABASES}"
    elif parts.found("redis-server"):
        server = await RedisServer(folder).start()
        try:
            yield server.url
        finally:
            server.kill()
    elif parts.docker_runs():
        with _container() as container:
            yield f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
    else:
        parts.leave_out("redis-server is not on PATH, and no Docker engine runs")


def _container() -> "RedisContainer":
    from testcontainers.community.redis import RedisContainer

    return RedisContainer(parts.image("REDIS"))
