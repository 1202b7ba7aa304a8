"""Plain metric rules, which are judged in columns: they say what they would say if each were judged alone."""

from collections.abc import Sequence
from datetime import datetime
from random import Random
from typing import Any

import pytest

from alerts import evaluate
from alerts.core.vocabulary import Reason
from monitor.series.postgres import PostgresSeriesStore
from monitor.series.store import Answer, Reduction, Selection
from tests.alerts.timeline import Timeline

SLOW: dict[str, Any] = {"metric": "latency_ms", "reduce": "mean", "window": "1m", "op": ">", "threshold": 100}
HELD: dict[str, Any] = {"for": "30s"}
OPS = (">", ">=", "<", "<=", "==", "!=")
REDUCERS = ("mean", "max", "min", "last", "count", "sum")


def seconds(number: int) -> str:
    return f"{number // 60}m{number % 60}s"


@pytest.mark.parametrize("seed", range(4))
async def test_rules_in_columns_do_what_the_same_rules_do_one_by_one(t: Timeline, seed: int) -> None:
    """A rule under `any` has the same meaning, and is judged by itself."""
    chance = Random(seed)
    pairs = []
    for number in range(12):
        leaf = {
            "metric": f"m{number % 3}", "reduce": chance.choice(REDUCERS), "window": chance.choice(("30s", "1m")),
            "op": chance.choice(OPS), "threshold": chance.choice((1, 2, 3, 50)),
            "min_count": chance.choice((1, 1, 3)), "no_data": chance.choice(("keep", "ok")),
        }  # fmt: skip
        timing = {"for": chance.choice(("0s", "20s")), "keep_firing_for": chance.choice(("0s", "15s"))}
        pairs.append((number, leaf, timing))
    for kind in ("columns", "alone"):
        for number, leaf, timing in pairs:
            condition = leaf if kind == "columns" else {"any": [leaf]}
            await t.rule(condition, agent="akira-001", name=f"{kind}:{number}", **timing)
    at = 0
    for _ in range(24):
        for metric in range(3):
            if chance.random() < 0.5:
                tags = {"tags": {"host": str(chance.randrange(2))}} if chance.random() < 0.3 else {}
                moment = max(0, at + chance.randrange(-15, 10))
                await t.metric("akira-001", f"m{metric}", chance.choice((0, 1, 2, 3, 100)), seconds(moment), **tags)
        at += 10
        await t.evaluate(seconds(at))
    columns, alone = [await _changes(t, kind) for kind in ("columns", "alone")]
    assert columns == alone
    assert len(columns) > 4


async def _changes(t: Timeline, kind: str) -> list[tuple[Any, ...]]:
    """When which rule of a kind opened or ended an alert, and what it said."""
    rows = await t.rows(
        """
        SELECT e.at, split_part(a.rule, ':', 2), e.kind, e.details::text FROM alert_events e
        JOIN alerts a ON a.tenant_id = e.tenant_id AND a.id = e.alert_id
        WHERE e.kind IN ('fired', 'resolved') AND a.rule LIKE :kind ORDER BY 1, 2
        """,
        kind=f"{kind}:%",
    )
    return [tuple(row.values()) for row in rows]


async def test_a_series_that_is_new_is_read(t: Timeline) -> None:
    await t.rule(SLOW)
    await t.metric("akira-001", "latency_ms", 50, "5s", tags={"host": "a"})
    await t.ticks("10s", "30s")
    await t.metric("akira-001", "latency_ms", 500, "35s", tags={"host": "b"})
    await t.tick("40s")
    t.expect("email", Reason.FIRST)


async def test_an_agent_that_is_new_is_read(t: Timeline) -> None:
    await t.rule(SLOW, selector={"agent_type": "coder"})
    await t.tick("10s")
    await t.request("POST", "agents", {"external_id": "new-001", "agent_type": "coder"}, expect=201)
    await t.metric("new-001", "latency_ms", 500, "15s")
    await t.tick("20s")
    t.expect("email", Reason.FIRST, agents=["new-001"])
    t.expect_silence()


async def test_a_rule_that_is_changed_looks_at_what_is_there(t: Timeline) -> None:
    rule = await t.rule(SLOW)
    await t.metric("akira-001", "latency_ms", 50, "5s")
    await t.ticks("10s", "20s")
    t.expect_silence()
    await t.request("PATCH", f"alert-configs/{rule['id']}", {"conditions": SLOW | {"threshold": 40}}, expect=200)
    await t.tick("30s")
    t.expect("email", Reason.FIRST)
    await t.request("PATCH", f"alert-configs/{rule['id']}", {"conditions": SLOW | {"threshold": 60}}, expect=200)
    await t.tick("40s")
    t.expect("email", Reason.RESOLVED)
    await t.request("DELETE", f"alert-configs/{rule['id']}", expect=204)
    await t.metric("akira-001", "latency_ms", 500, "45s")
    assert (await t.tick("50s")).evaluated == 0
    t.expect_silence()


async def test_who_takes_over_looks_at_everything_once(t: Timeline) -> None:
    """The news went to one that saved nothing of it."""
    await t.rule(SLOW)
    await t.tick("10s")
    await t.metric("akira-001", "latency_ms", 500, "15s")
    await t.all_rows("DELETE FROM touched")
    t.evaluator = t.another_evaluator("alerter-2")
    await t.tick("20s")
    t.expect_silence()
    await t.tick("50s")
    t.expect("email", Reason.FIRST)


async def test_who_was_away_for_longer_than_its_lease_looks_at_everything_again(t: Timeline) -> None:
    await t.rule(SLOW | {"window": "10m"})
    await t.ticks("10s", "30s")
    await t.metric("akira-001", "latency_ms", 500, "35s")
    await t.all_rows("DELETE FROM touched")
    await t.tick("40s")
    t.expect_silence()
    await t.tick("2m")
    t.expect("email", Reason.FIRST)


async def test_points_that_leave_the_window_are_a_reason_to_look(t: Timeline) -> None:
    await t.rule(SLOW | {"op": "<"})
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.metric("akira-001", "latency_ms", 50, "40s")
    await t.ticks("40s", "1m")
    t.expect_silence()
    await t.tick("1m10s")
    t.expect("email", Reason.FIRST)


async def test_more_than_one_pass_can_judge_are_judged_by_the_next(
    t: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "TARGETS_AT_MOST", 3)
    for number in range(7):
        await t.rule(SLOW, agent=f"a-{number}", name=f"Slow {number}", **HELD)
        await t.metric(f"a-{number}", "latency_ms", 500, "5s")
    done = [await t.evaluate(at) for at in ("10s", "10s", "10s")]
    assert [one.evaluated for one in done] == [3, 3, 1]
    assert [one.more for one in done] == [True, True, False]


async def test_what_fires_takes_no_room_from_what_begins_to(t: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "TARGETS_AT_MOST", 3)
    for number in range(4):
        agent = f"a-{number}"
        await t.rule(SLOW, agent=agent, name=f"Slow {number}")
        await t.metric(agent, "latency_ms", 500 if number < 3 else 50, "5s")
    await t.tick("10s")
    assert len(await t.rows("SELECT id FROM alerts WHERE resolved_at IS NULL")) == 3
    for number in range(4):
        await t.metric(f"a-{number}", "latency_ms", 500, "1m15s")
    await t.evaluate("1m20s")
    assert len(await t.rows("SELECT id FROM alerts WHERE resolved_at IS NULL")) == 4


async def test_a_shape_that_cannot_be_read_spoils_no_other(t: Timeline) -> None:
    t.read_from(_Choosy(t.db))
    await t.rule(SLOW | {"metric": "odd"}, name="Odd")
    await t.rule(SLOW, name="Slow", channels={"slack": "#alerts"})
    for metric in ("odd", "latency_ms"):
        await t.metric("akira-001", metric, 500, "5s")
    await t.tick("10s")
    t.expect("slack", Reason.FIRST)
    t.expect_silence()


class _Choosy(PostgresSeriesStore):
    """The real store, which cannot stand one metric."""

    async def read(self, wanted: Sequence[tuple[Reduction, Selection]], *, now: datetime) -> list[Answer]:
        """Read, or say that a value is wrong."""
        if any(reduction.metric == "odd" for reduction, _ in wanted):
            raise ValueError("odd")
        return await super().read(wanted, now=now)
