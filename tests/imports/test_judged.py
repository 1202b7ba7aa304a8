"""An open alert that is brought here is judged on by its rule: it ends when that says so, and no second one opens."""

from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry
from psycopg.types.json import Jsonb

from alerts.evaluate import Evaluator
from alerts.meters import Meters
from monitor.db import Database
from monitor.series.postgres import PostgresSeriesStore
from tests.imports.conftest import Bring
from tests.imports.made import Maker, Many, Rows
from tests.imports.stored import Stored, filled

_NOW = datetime.now(UTC).replace(microsecond=0)
_STEP = timedelta(seconds=10)


def _platform(logs: dict[str, str]) -> tuple[Rows, dict[str, Any]]:
    """An agent for each, with these logs a minute apart, a rule on three failures, and an open alert; the alerts' ids.

    Each has an older open alert, too.
    """
    make, begun = Maker(0), _NOW - timedelta(hours=1)
    rows: Rows = {"agents": [], "agent_logs": [], "alert_configs": [], "alerts": []}
    for name, statuses in logs.items():
        agent, rule = make.uuid(), make.uuid()
        rows["agents"].append({"id": agent, "name": name, "config": Jsonb({}), "status": "active", "created_at": begun})
        rows["agent_logs"] += [
            {"id": make.uuid(), "agent_id": agent, "status": "error" if one == "e" else "success", "message": one,
             "started_at": begun + timedelta(minutes=place)} for place, one in enumerate(statuses)
        ]  # fmt: skip
        conditions = Jsonb({"status": "error", "consecutive_failures": 3})
        rows["alert_configs"].append({"id": rule, "agent_id": agent, "name": name, "conditions": conditions,
                                      "channels": Jsonb({"email": "user@example.com"}), "enabled": True})  # fmt: skip
        rows["alerts"] += [
            {"id": make.uuid(), "config_id": rule, "agent_id": agent, "status": "open",
             "triggered_at": begun + timedelta(minutes=minute)} for minute in (1, 3)
        ]  # fmt: skip
    newest: Many = rows["alerts"][1::2]
    return rows, {name: row["id"] for name, row in zip(logs, newest, strict=True)}


async def test_an_open_alert_ends_when_its_rule_says_so(
    db: Database, scratch: str, bring: Bring, stored: Stored
) -> None:
    given, ids = _platform({"failing": "eee", "recovered": "eees"})
    await filled(scratch, "003", given)
    reports = await bring("003", scratch)
    older = "a newer one of its rule and agent is open: it stays open until somebody closes it"
    assert reports["alerts"].notes[older].count == 2
    series, meters = PostgresSeriesStore(db), Meters(CollectorRegistry())
    judge = Evaluator(db, series, holder="one", interval=_STEP, public_url="http://here", meters=meters)
    for place in range(3):
        await judge.run_once(_NOW + place * _STEP)
    alerts = await stored.by("id", "SELECT * FROM alerts")
    assert alerts.keys() == {row["id"] for row in given["alerts"]}
    assert (alerts[ids["failing"]]["status"], alerts[ids["recovered"]]["status"]) == ("open", "resolved")
    assert alerts[ids["recovered"]]["reason"] == "recovered"
    told = await stored.rows("SELECT alert_id, kind FROM alert_events ORDER BY at")
    assert [row["kind"] for row in told if row["alert_id"] == ids["recovered"]] == ["opened", "resolved"]
    others = [one for key, one in alerts.items() if key not in ids.values()]
    assert {one["status"] for one in others} == {"open"}
