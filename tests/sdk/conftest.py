"""A collector for each test."""

from collections.abc import Iterator

import pytest

from tests.sdk.collector import Collector


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A running one."""
    running = Collector()
    running.start()
    yield running
    running.stop()
