"""Rows of one request that carry no times keep their order."""

from monitor.db import Database
from tests.conftest import SettableClock
from tests.http.collector import collecting


async def test_logs_without_times_keep_the_order_of_their_array(db: Database, clock: SettableClock) -> None:
    rows = [{"agent": "a", "status": "error", "message": str(number)} for number in range(20)]
    async with collecting(db, clock) as api:
        await api.post("logs", [*rows[:10], {"agent": "a", "status": "success"}, *rows[10:]])
        live = await api.live()
        points = await api.one("SELECT count(DISTINCT at) AS times FROM samples")
    assert (live["consecutive_failures"], live["last_message"]) == (10, "19")
    assert points["times"] == 21
