"""A backtest of rules that look far back, or at what is not kept: what it tells, and what it says of itself."""

from datetime import timedelta
from random import Random

import pytest

from tests.alerts.timeline import INTERVAL, Timeline
from tests.backtest.both import TICKS, ask, live, told

DAYS = 4


async def _remember(t: Timeline, *, around: float) -> None:
    """A point a minute at these hours of some earlier days."""
    rng = Random(5)
    points = [
        {
            "agent": "akira-001",
            "metric": "latency_ms",
            "value": around + rng.randint(-10, 10),
            "timestamp": (t.start - timedelta(days=day) + timedelta(minutes=minute)).isoformat(),
        }
        for day in range(1, DAYS + 1)
        for minute in range(-60, 75)
    ]
    await t.request("POST", "metrics", points, expect=202)


@pytest.mark.parametrize(("direction", "reduce"), [("above", "mean"), ("both", "p90"), ("below", "min")])
async def test_what_is_unusual_is_told_as_the_alerter_told_it(t: Timeline, direction: str, reduce: str) -> None:
    await _remember(t, around=100)
    shape = {"reduce": reduce, "window": "1m", "baseline": "4d", "sigma": 4, "direction": direction}
    made = await t.rule({"anomaly": "latency_ms"} | shape, repeat="1m")

    async def feed(second: int, rng: Random) -> None:
        if rng.random() < 0.7:
            usual = {0: 100, 1: 170, 2: 100, 3: 20}[second // 100 % 4]
            await t.metric("akira-001", "latency_ms", usual + rng.randint(-15, 15), f"{second + rng.randint(0, 9)}s")

    heard = await live(t, feed, seed=len(reduce))
    assert heard, "the test is about nothing"
    assert told(t, await ask(t, made["id"])) == heard


async def test_an_agent_without_enough_history_is_told_by_neither(t: Timeline) -> None:
    made = await t.rule({"anomaly": "latency_ms", "window": "1m", "baseline": "4d"})
    for second in range(0, 300, 5):
        await t.metric("akira-001", "latency_ms", 10 if second < 200 else 10_000, f"{second}s")
    await t.ticks("5m", "6m")
    found = await ask(t, made["id"])
    assert (told(t, found), t.sent, found.complete) == ([], [], True)


@pytest.mark.parametrize(
    ("conditions", "why"),
    [
        ({"heartbeat": "missed", "after": "40s"}, "of heartbeats only the newest is kept"),
        ({"state": "dead"}, "of an agent's signs of life only the newest are kept"),
    ],
)
async def test_what_is_not_kept_is_said_to_be_unknown(t: Timeline, conditions: dict[str, str], why: str) -> None:
    for second in (0, 10, 20):
        await t.heartbeat("akira-001", f"{second}s")
    made = await t.rule(conditions)
    await t.ticks("30s", "4m")
    assert t.sent, "the alerter has told it"
    found = await ask(t, made["id"])
    assert found.messages == ()
    assert any(said.endswith(f"is unknown here: {why}") for said in found.differs)


async def test_what_else_is_asked_for_beside_what_is_not_kept_is_told(t: Timeline) -> None:
    await t.heartbeat("akira-001", "0s")
    made = await t.rule({"any": [{"heartbeat": "missed", "after": "10m"}, {"status": "error"}]})

    async def feed(second: int, rng: Random) -> None:
        if rng.random() < 0.5:
            status = rng.choice(["error", "success"])
            await t.log("akira-001", status, f"{second + rng.randint(0, 9)}s")

    heard = await live(t, feed, seed=7)
    found = await ask(t, made["id"])
    # An error is one whatever heartbeats say; that all is well again is not known without them.
    assert told(t, found)[:1] == heard[:1]
    assert found.differs


async def test_points_of_another_metric_wake_the_rule_too(t: Timeline) -> None:
    """A long window is looked at now and then, but whenever any point comes."""
    made = await t.rule({"metric": "latency_ms", "reduce": "mean", "window": "20m", "threshold": 150})

    async def feed(second: int, rng: Random) -> None:
        if second in (0, 10):
            await t.metric("akira-001", "latency_ms", 10 if second == 0 else 200, f"{second + 5}s")
        if 1190 < second < 1260 or rng.random() < 0.05:
            await t.metric("akira-001", "tokens", 1, f"{second + 2}s")

    ticks = 130
    heard = await live(t, feed, seed=3, ticks=ticks)
    assert [one[0] for one in heard if one[3] == "FIRST"] == [1210.0], "only the low point has left the window"
    assert told(t, await ask(t, made["id"], ticks=ticks)) == heard
    assert INTERVAL * ticks > timedelta(minutes=20) > INTERVAL * TICKS
