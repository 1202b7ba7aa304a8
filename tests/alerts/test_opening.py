"""Alerts are stored together with who is told of them, once, and never twice for the same rule, agent and labels."""

from datetime import timedelta
from typing import Any

import pytest

from alerts import transition
from alerts.core.vocabulary import Reason
from tests.alerts.timeline import Timeline

FAILS = {"status": "error"}
_ALERTS = """
    SELECT id, ctid::text AS place, details -> 'muted' ->> 'by' AS muted, jsonb_array_length(heard) AS heard,
           last_notified_at
    FROM alerts ORDER BY id
"""


@pytest.mark.parametrize("silenced", [False, True])
async def test_an_alert_that_opens_is_written_once(t: Timeline, silenced: bool) -> None:
    if silenced:
        ends = {"ends_at": (t.start + timedelta(hours=1)).isoformat()}
        await t.request("POST", "silences", {"matchers": ["agent=akira-001"], "comment": "known", **ends})
    await t.rule(FAILS)
    await t.log("akira-001", "error", "0s")
    await t.tick("10s")
    stored = (await t.rows(_ALERTS))[0]
    # A row that was changed would stand in the table's second place.
    assert stored["place"] == "(0,1)"
    assert (stored["muted"], stored["heard"]) == (("silence", 0) if silenced else (None, 1))
    assert (stored["last_notified_at"] is None) == silenced


async def test_what_is_open_already_is_taken_over(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "0s")
    await t.tick("10s")
    first = (await t.rows(_ALERTS))[0]
    async with t.db.owner() as connection:
        await connection.exec_driver_sql("DELETE FROM alert_states")
    await t.log("akira-001", "error", "15s")
    await t.tick("20s")
    assert [row["id"] for row in await t.rows(_ALERTS)] == [first["id"]]
    await t.log("akira-001", "success", "25s")
    await t.tick("30s")
    assert [one.message.reason for one in t.sent][-1] is Reason.RESOLVED
    assert await t.rows("SELECT 1 FROM alerts WHERE resolved_at IS NULL") == []


async def test_a_fault_while_it_is_decided_who_is_told_opens_nothing_yet(
    t: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "0s")

    def fail(*_: Any, **__: Any) -> Any:
        raise ValueError("poisoned")

    with monkeypatch.context() as broken:
        broken.setattr(transition, "tell_open", fail)
        await t.tick("10s")
    assert await t.rows(_ALERTS) == []
    await t.tick("6m")
    assert [one.message.reason for one in t.sent] == [Reason.FIRST]
