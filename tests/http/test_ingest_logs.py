"""POST /api/v1/logs, line by line of what logs mean."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.http.collector import Collector, collecting


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


async def test_a_log_is_kept_and_its_agent_registered(api: Collector) -> None:
    answer = await api.post("logs", {"agent": "a", "status": "success", "message": "done", "duration": 12})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    log = await api.one("SELECT kind, status, message, duration, details FROM agent_logs")
    assert log == {"kind": "execution", "status": "success", "message": "done", "duration": 12, "details": None}
    agent = await api.one("SELECT name, external_id, length(ping_token) > 20 AS token FROM agents")
    assert agent == {"name": "a", "external_id": "a", "token": True}
    touched = await api.rows("SELECT kinds FROM touched ORDER BY id")
    assert touched == [{"kinds": [16]}, {"kinds": [1 | 4]}]
    live = await api.live()
    assert (live["last_status"], live["consecutive_failures"], live["last_duration"]) == ("success", 0, 12)
