"""Queries about rows: executions, agents, alerts, and what fills the variables."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text

from dashboards.queries import base
from dashboards.queries import fleet as of_fleet
from dashboards.queries import latency as of_latency
from dashboards.queries.base import VARIABLES, Query
from monitor.agents.status import Evidence, OpenCall, State, Work, state_of
from monitor.agents.store import list_agents
from monitor.agents.work import put_patience
from monitor.db import Database
from monitor.ids import uuid7
from monitor.series.postgres import PostgresSeriesStore
from monitor.series.store import Kind, SeriesName
from tests.dashboards.conftest import ODD, Fleet, Grafana, answered
from tests.factories import TenantMade, make_agent
from tests.points import Point, columns_of


async def test_executions(fleet: Fleet) -> None:
    """Lines of log are not counted, nor is the other tenant."""
    grafana = fleet.grafana
    assert await answered(grafana, of_fleet.EXECUTIONS_PER_MINUTE) == {
        "success": fleet.at({0: 0.2, 5: 0.4}), "error": fleet.at({0: 0.4}), "warning": fleet.at({0: 0.2}),
    }  # fmt: skip
    assert await answered(grafana, of_fleet.ERROR_RATE) == {"failed": fleet.at({0: 0.5, 5: 0.0})}
    assert await _rows(grafana, of_fleet.ERROR_SHARE) == [(pytest.approx(Decimal(2) / 6),)]
    assert await _rows(grafana, of_fleet.BUSIEST) == [("akira-001", 3), (ODD, 2), ("shop", 1)]
    assert await _rows(grafana, of_fleet.FAILING) == [("akira-001", 1), (ODD, 1)]
    assert await _rows(grafana, of_latency.SLOWEST) == [(ODD, 900), ("akira-001", 300), ("shop", 50)]


async def test_executions_of_chosen_agents(fleet: Fleet) -> None:
    assert await _rows(fleet.grafana.choose(agent=ODD), of_fleet.BUSIEST) == [(ODD, 2)]
    assert await _rows(fleet.grafana.choose(agent=[ODD, "shop"]), of_fleet.BUSIEST) == [(ODD, 2), ("shop", 1)]
    assert await _rows(fleet.grafana.choose(agent_type="seller"), of_fleet.BUSIEST) == [("shop", 1)]
    assert await _rows(fleet.grafana.choose(agent="akira-00"), of_fleet.BUSIEST) == []


async def _rows(grafana: Grafana, query: Query) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in await grafana.sql(query.sql)]


SECONDS = timedelta(seconds=1)


class Life(NamedTuple):
    """An agent's evidence in seconds before now. `call`: a call of a tool that is open; `task`: a task in hand."""

    seen: float | None
    active: float | None = None
    beat: float | None = None
    expected: bool = True
    interval: float | None = 10.0
    last_status: str | None = None
    heartbeat_status: str | None = None
    ephemeral: bool = False
    patience: float | None = None
    call: float | None = None
    tool: str = "bash"
    task: float | None = None


LIVES = {
    "never": Life(None, expected=False),
    "fresh": Life(5, 5, last_status="success"),
    "quiet": Life(70, 70, last_status="success"),
    "beats-only": Life(5, 500, 5),
    "late": Life(95, 95, last_status="success"),
    "slow-heart": Life(95, 95, interval=60),
    "own-patience": Life(95, 95, patience=600),
    "nobody-waits": Life(5000, 5000, expected=False),
    "failed": Life(70, 70, last_status="error"),
    "failed-and-gone": Life(500, 500, last_status="error"),
    "failing": Life(5, 300, 5, heartbeat_status="ERROR"),
    "tasked": Life(5, 300, 5, task=300),
    "stands-still": Life(5, 700, 5, task=700),
    "short-patience": Life(5, 50, 5, patience=40, task=50),
    "in-a-tool": Life(300, 300, 301, call=300),
    "in-a-tool-and-busy": Life(5, 5, call=300),
    "in-a-tool-after-its-log": Life(80, 80, call=300),
    "in-a-tool-too-long": Life(640, 640, 641, call=640),
    "in-a-tool-and-gone": Life(1000, 1000, 1001, call=1000),
    "in-a-slow-tool": Life(3000, 3000, 3001, call=3000, tool="deploy"),
    "beats-stopped-in-the-tool": Life(200, 300, 200, call=300),
    "lost-the-end-of-a-tool": Life(5, 800, 5, call=2000),
    "went-on-then-stands": Life(5, 1000, 5, call=1500),
    "said-goodbye": Life(100, 200, 100, expected=False, heartbeat_status="Stopped", call=200),
    "ephemeral": Life(900, 900, ephemeral=True, expected=False, call=900),
}
PATIENCE = {"deploy": 7200.0}


def _evidence(life: Life, now: datetime) -> Evidence:
    def ago(seconds: float | None) -> datetime | None:
        return None if seconds is None else now - seconds * SECONDS

    call = None
    if life.call is not None:
        since = now - life.call * SECONDS
        call = OpenCall(life.tool, since, since + PATIENCE.get(life.tool, 600) * SECONDS)
    return Evidence(
        last_seen_at=ago(life.seen), last_active_at=ago(life.active), last_heartbeat_at=ago(life.beat),
        heartbeat_interval=life.interval, heartbeat_status=life.heartbeat_status, expected=life.expected,
        ephemeral=life.ephemeral, last_status=life.last_status, patience=life.patience,
        work=Work(call, ago(life.task)),
    )  # fmt: skip


async def _live(db: Database, tenant: TenantMade, name: str, life: Life, now: datetime) -> Evidence:
    """Make an agent with this evidence."""
    agent, evidence = await make_agent(db, tenant.id, name), _evidence(life, now)
    fields = ("last_seen_at", "last_active_at", "last_heartbeat_at", "heartbeat_interval", "heartbeat_status",
              "expected", "last_status")  # fmt: skip
    live = {name: getattr(evidence, name) for name in fields}
    call, task = evidence.work.call, evidence.work.task_since
    async with db.owner() as owner:
        assignments = ", ".join(f"{name} = :{name}" for name in live)
        await owner.execute(
            text(f"UPDATE agent_live SET {assignments} WHERE agent_id = :agent"), live | {"agent": agent}
        )
        await owner.execute(
            text("UPDATE agents SET ephemeral = :ephemeral, patience = :patience WHERE id = :agent"),
            {"ephemeral": life.ephemeral, "patience": life.patience, "agent": agent},
        )
        if call is not None:
            await owner.execute(
                text("INSERT INTO tool_executions (tenant_id, id, agent_id, tool_name, status, started_at, created_at) "
                     "VALUES (:tenant, :id, :agent, :tool, 'running', :at, :at)"),
                {"tenant": tenant.id, "id": uuid7(call.since), "agent": agent, "tool": call.tool, "at": call.since},
            )  # fmt: skip
        if task is not None:
            await owner.execute(
                text("INSERT INTO tasks (tenant_id, id, agent_id, task_type, status, created_at) "
                     "VALUES (:tenant, :id, :agent, 'review', 'running', :at)"),
                {"tenant": tenant.id, "id": uuid7(task), "agent": agent, "at": task},
            )  # fmt: skip
    return evidence


async def test_states_are_those_of_the_product(fleet: Fleet, db: Database) -> None:
    """Computed by SQL as by monitor/agents/status.py, a little later."""
    tenant, now = fleet.grafana.tenant.id, datetime.now(UTC)
    expected: dict[str, str] = dict.fromkeys(("akira-001", ODD, "shop"), "unknown")
    async with db.tenant(tenant) as connection:
        for tool, seconds in PATIENCE.items():
            await put_patience(connection, tenant, tool, seconds, now)
    evidence = {name: await _live(db, fleet.grafana.tenant, name, life, now) for name, life in LIVES.items()}
    expected |= {name: state_of(one, now) for name, one in evidence.items()}
    async with db.tenant(tenant) as connection:
        listed = {row.external_id: row.state for row in await list_agents(connection, tenant, now, limit=100)}
    assert listed == expected
    found = {row["agent"]: row["state"] for row in await fleet.grafana.sql(of_fleet.LAST_SEEN.sql)}
    assert found == expected
    assert set(expected.values()) == set(State)
    (counts,) = await fleet.grafana.sql(of_fleet.STATES.sql)
    assert counts == {state: list(expected.values()).count(state) for state in counts}


async def test_the_longest_silent_agent_is_first(fleet: Fleet, db: Database) -> None:
    async with db.owner() as owner:
        for name, silent in (("akira-001", 10), ("shop", 300)):
            seen = {"seen": datetime.now(UTC) - silent * SECONDS, "agent": fleet.agents[name]}
            await owner.execute(
                text("UPDATE agent_live SET last_seen_at = :seen, last_heartbeat_at = :seen, last_status = 'error', "
                     "consecutive_failures = 4 WHERE agent_id = :agent"), seen,
            )  # fmt: skip
    never, shop, akira = await fleet.grafana.sql(of_fleet.LAST_SEEN.sql)
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
    assert await _rows(grafana, of_fleet.OPEN_ALERTS) == [(2, 1, 1)]
    assert [row[1] for row in await _rows(grafana, of_fleet.ALERTS)] == ["new", "old", "nobody's", "info"]
    assert [row[1] for row in await _rows(grafana.choose(agent="shop"), of_fleet.ALERTS)] == ["info"]
    marks = await _rows(grafana, base.ALERT_MARKS)
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
