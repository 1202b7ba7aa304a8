"""Fixtures shared by all: a fresh database for each test, a settable clock. Servers: tests/servers/fixtures.py."""

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

from monitor.db import Database, Role
from monitor.embedded import EmbeddedPostgres

# When a process that speaks gRPC forks, gRPC starts its threads anew in the child, which breaks what is about to become
# another program there: servers that are started as another user, which needs a fork, said nothing and did not start.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

pytest_plugins = ("tests.parts", "tests.servers.fixtures")


def pytest_configure(config: pytest.Config) -> None:
    """The suite says the same of the same code at every run; the long tests look for what nobody has seen yet."""
    settings.register_profile("suite", derandomize=True)
    if "not accept" in config.option.markexpr:
        settings.load_profile("suite")


def pytest_sessionfinish() -> None:
    """Undo what applications that tests started did to the garbage collector: plugins that end now ask it questions."""
    gc.unfreeze()


def urls(server: EmbeddedPostgres, database: str) -> dict[Role, str]:
    """A URL for each login role."""
    return {role: server.url(role, database) for role in Role}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A directory for a server of this test's own.

    Not below pytest's: whenever another run begins as root, pytest closes that to everyone else, and so to
    the account that the server runs under.
    """
    made = Path(tempfile.mkdtemp(prefix="agent-monitor-test-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def database_name(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """A fresh database, cloned from the migrated template."""
    name = f"t_{uuid4().hex}"
    await postgres.create_database(name, template=template)
    yield name
    await postgres.drop_database(name)


@pytest.fixture
async def db(postgres: EmbeddedPostgres, database_name: str) -> AsyncIterator[Database]:
    """The four doors to a fresh database."""
    made = Database(urls(postgres, database_name), pool_size=5)
    yield made
    await made.close()


class SettableClock:
    """A clock that tests move. Starts at the real time, so that partitions stand ready."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> datetime:
        """Move on and return the new time."""
        self.time += timedelta(seconds=seconds)
        return self.time


@pytest.fixture
def clock() -> SettableClock:
    """A clock for this test."""
    return SettableClock()


@pytest.fixture
def root() -> Path:
    """The root of the checkout."""
    return Path(__file__).parent.parent
