"""Queries about rows: executions, agents, alerts, and what fills the variables."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from dashboards import queries
from dashboards.queries import VARIABLES, Query
from monitor.agents.status import Evidence, state_of
from monitor.db import Database
from monitor.ids import uuid7
from monitor.series.postgres import PostgresSeriesStore
from monitor.series.store import Kind, SeriesName
from tests.dashboards.conftest import ODD, Fleet, Grafana, answered
from tests.factories import make_agent
from tests.points import Point, columns_of


async def test_executions(fleet: Fleet) -> None:
    """Lines of log are not counted, nor is the other tenant."""
    grafana = fleet.grafana
    assert await answered(grafana, queries.EXECUTIONS_PER_MINUTE) == {
        "success": fleet.at({0: 0.2, 5: 0.4}), "error": fleet.at({0: 0.4}), "warning": fleet.at({0: 0.2}),
    }  # fmt: skip
    assert await answered(grafana, queries.ERROR_RATE) == {"failed": fleet.at({0: 0.5, 5: 0.0})}
    assert await _rows(grafana, queries.ERROR_SHARE) == [(pytest.approx(Decimal(2) / 6),)]
    assert await _rows(grafana, queries.BUSIEST) == [("akira-001", 3), (ODD, 2), ("shop", 1)]
    assert await _rows(grafana, queries.FAILING) == [("akira-001", 1), (ODD, 1)]
    assert await _rows(grafana, queries.SLOWEST) == [(ODD, 900), ("akira-001", 300), ("shop", 50)]


async def test_executions_of_chosen_agents(fleet: Fleet) -> None:
    assert await _rows(fleet.grafana.choose(agent=ODD), queries.BUSIEST) == [(ODD, 2)]
    assert await _rows(fleet.grafana.choose(agent=[ODD, "shop"]), queries.BUSIEST) == [(ODD, 2), ("shop", 1)]
    assert await _rows(fleet.grafana.choose(agent_type="seller"), queries.BUSIEST) == [("shop", 1)]
    assert await _rows(fleet.grafana.choose(agent="akira-00"), queries.BUSIEST) == []


async def _rows(grafana: Grafana, query: Query) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in await grafana.sql(query.sql)]


SECONDS = timedelta(seconds=1)
LIVES = {
    "never": (None, False, None, None),
    "fresh": (5, True, 10.0, "success"),
    "quiet": (70, True, 10.0, "success"),
    "late": (95, True, 10.0, "success"),
    "patient": (95, True, 60.0, None),
    "nobody-waits": (5000, False, None, "success"),
    "failed": (5, True, 10.0, "error"),
    "failed-and-gone": (500, True, 10.0, "error"),
}
"""Seconds since an agent was last seen, whether it is expected, its interval in seconds, its last status."""


async def test_states_are_those_of_the_product(fleet: Fleet, db: Database) -> None:
    """Computed by SQL as by monitor/agents/status.py, a little later."""
    tenant, now = fleet.grafana.tenant.id, datetime.now(UTC)
    expected: dict[str, str] = dict.fromkeys(("akira-001", ODD, "shop"), "unknown")
    for name, (silent, awaited, interval, status) in LIVES.items():
        agent = await make_agent(db, tenant, name)
        seen = None if silent is None else now - silent * SECONDS
        expected[name] = state_of(Evidence(seen, awaited, interval, status), now)
        async with db.owner() as owner:
            await owner.execute(
                text("UPDATE agent_live SET last_seen_at = :seen, expected = :awaited, heartbeat_interval = :interval, "
                     "last_status = :status WHERE agent_id = :agent"),
                {"seen": seen, "awaited": awaited, "interval": interval, "status": status, "agent": agent},
            )  # fmt: skip
    found = {row["agent"]: row["state"] for row in await fleet.grafana.sql(queries.LAST_SEEN.sql)}
    assert found == expected
    assert set(expected.values()) == {"unknown", "working", "idle", "dead", "error"}
    (counts,) = await fleet.grafana.sql(queries.STATES.sql)
    assert counts == {state: list(expected.values()).count(state) for state in counts}


async def test_the_longest_silent_agent_is_first(fleet: Fleet, db: Database) -> None:
    async with db.owner() as owner:
        for name, silent in (("akira-001", 10), ("shop", 300)):
            seen = {"seen": datetime.now(UTC) - silent * SECONDS, "agent": fleet.agents[name]}
            await owner.execute(
                text("UPDATE agent_live SET last_seen_at = :seen, last_heartbeat_at = :seen, last_status = 'error', "
                     "consecutive_failures = 4 WHERE agent_id = :agent"), seen,
            )  # fmt: skip
    never, shop, akira = await fleet.grafana.sql(queries.LAST_SEEN.sql)
    assert [row["agent"] for row in (never, shop, akira)] == [ODD, "shop", "akira-001"]
    assert never["silent"] is None
    assert 300 <= shop["silent"] < 400
    assert (akira["agent_type"], akira["last_status"], akira["consecutive_failures"]) == ("coder", "error", 4)


async def _alert(db: Database, fleet: Fleet, severity: str, agent: str | None, **more: Any) -> None:
    at = more.get("at", fleet.start)
    tenant = more.get("tenant", fleet.grafana.tenant.id)
    values = {
        "tenant": tenant, "id": uuid7(at), "agent": fleet.agents[agent] if agent else None, "at": at,
        "severity": severity, "rule": more.get("rule", severity), "resolved": more.get("resolved"),
        "status": "resolved" if more.get("resolved") else "open",
    }  # fmt: skip
    async with db.owner() as owner:
        await owner.execute(
            text("INSERT INTO alerts (tenant_id, id, agent_id, rule, fingerprint, severity, status, triggered_at, "
                 "resolved_at) VALUES (:tenant, :id, :agent, :rule, 'f', :severity, :status, :at, :resolved)"),
            values,
        )  # fmt: skip


async def test_alerts(fleet: Fleet, db: Database) -> None:
    """Open ones by severity and one by one, of this tenant; marks for those of the span, resolved ones too."""
    hour = timedelta(hours=1)
    await _alert(db, fleet, "info", "shop")
    await _alert(db, fleet, "critical", "akira-001", rule="old", at=fleet.start - 9 * hour)
    await _alert(db, fleet, "critical", "akira-001", rule="new")
    await _alert(db, fleet, "warning", None, rule="nobody's", at=fleet.start + 2 * hour)
    await _alert(db, fleet, "critical", "shop", rule="over", resolved=fleet.start + hour / 2)
    grafana = fleet.grafana
    assert await _rows(grafana, queries.OPEN_ALERTS) == [(2, 1, 1)]
    assert [row[1] for row in await _rows(grafana, queries.ALERTS)] == ["new", "old", "nobody's", "info"]
    assert [row[1] for row in await _rows(grafana.choose(agent="shop"), queries.ALERTS)] == ["info"]
    marks = await _rows(grafana, queries.ALERT_MARKS)
    assert sorted(row[2] for row in marks) == ["info", "new", "over"]
    assert next(row for row in marks if row[2] == "over")[1:] == (fleet.start + hour / 2, "over", "critical,shop")


async def _choices(grafana: Grafana, name: str) -> list[str]:
    return [row.get("__value", next(iter(row.values()))) for row in await grafana.sql(VARIABLES[name])]


async def test_variables(fleet: Fleet, db: Database) -> None:
    """Each lists what the tenant has; agents those of the chosen types."""
    grafana, tenant = fleet.grafana, fleet.grafana.tenant.id
    named = [
        SeriesName(fleet.agents["shop"], metric, tags, Kind.GAUGE, None)
        for metric, tags in (("load", ()), ("cost_usd", (("model", "opus"),)), ("cost_usd", ()))
    ]
    await columns_of(PostgresSeriesStore(db), tenant, [Point(series, 0, 1.0) for series in named])
    assert str(tenant) in await _choices(grafana, "tenant")
    assert await _choices(grafana, "agent_type") == ["coder", "seller"]
    assert set(await _choices(grafana, "agent")) == {"akira-001", ODD, "shop"}
    assert await _choices(grafana.choose(agent_type=["seller", "none"]), "agent") == ["shop"]
    assert await _choices(grafana, "metric") == ["cost_usd", "load"]
    assert await _choices(grafana, "model") == ["opus"]
    assert await _choices(grafana, "of_agents") == [".*"]
    assert await _choices(grafana.choose(agent_type="seller"), "of_agents") == ["shop"]
    assert await _choices(grafana.choose(agent=ODD), "of_agents") == [r"o'br\$re\$ien\/1\.\(x\)\|\[y\]%[0-9A-F]+"]
    assert await _choices(grafana.choose(agent="nobody"), "of_agents") == [""]
