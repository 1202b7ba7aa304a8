"""A backtest tells what the alerter did on the same punctual history, message for message."""

from random import Random
from typing import Any

import pytest

from tests.alerts.timeline import Timeline
from tests.backtest.both import about, ask, live, told


def _points(t: Timeline, *, models: tuple[str, ...] = ("",), kind: str = "gauge") -> Any:
    total = {"akira-001": 0.0, "akira-002": 0.0}

    async def feed(second: int, rng: Random) -> None:
        for agent in total:
            for model in models:
                if rng.random() < 0.6:
                    high = (second // 120) % 2 == 1
                    value = rng.choice([50, 99, 100, 101, 250]) + (100 if high else 0)
                    total[agent] += value
                    tags = {"tags": {"model": model}} if model else {}
                    at = f"{second + rng.randint(0, 9)}s"
                    sent = total[agent] if kind == "counter" else value
                    await t.metric(agent, "latency_ms", sent, at, kind=kind, **tags)

    return feed


def _logs(t: Timeline) -> Any:
    async def feed(second: int, rng: Random) -> None:
        bad = (second // 100) % 2 == 1
        for agent in ("akira-001", "akira-002"):
            if rng.random() < 0.7:
                good = ["success", "success", "error", "warning"]
                status = rng.choice(["error", "error", "success"] if bad else good)
                said = "Traceback (most recent call last)" if status == "error" else "done"
                await t.log(agent, status, f"{second + rng.randint(0, 9)}s", message=said)

    return feed


METRIC = {"metric": "latency_ms", "window": "30s", "op": ">", "threshold": 150}
RULES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("p95", METRIC | {"reduce": "p95"}, {}),
    ("p50 by model", METRIC | {"reduce": "p50", "by": ["model"]}, {"models": ("opus", "haiku")}),
    ("mean, held", METRIC | {"reduce": "mean", "recover": 120}, {"for": "30s", "keep_firing_for": "20s"}),
    ("max, repeated", METRIC | {"reduce": "max", "threshold": 200}, {"repeat": "30s"}),
    ("few points", METRIC | {"reduce": "last", "min_count": 3}, {}),
    ("no data alerts", METRIC | {"reduce": "min", "op": "<", "window": "10s", "threshold": 60, "no_data": "alert"}, {}),
    ("no data is ok", METRIC | {"reduce": "sum", "window": "10s", "threshold": 300, "no_data": "ok"}, {}),
    ("increase", METRIC | {"reduce": "increase", "threshold": 400}, {"kind": "counter"}),
    ("long window", METRIC | {"reduce": "mean", "window": "8m", "threshold": 140}, {}),
    ("status", {"status": "error", "consecutive_failures": 3}, {"repeat": "50s"}),
    ("warning", {"status": "warning"}, {}),
    ("rate", {"rate": "error", "window": "1m", "threshold": 0.5, "min_count": 4}, {"for": "20s"}),
    ("lines", {"log": {"contains": "Traceback"}, "window": "40s", "count": 3}, {"keep_firing_for": "30s"}),
    ("burning", {"burn_rate": "error", "objective": 0.8, "long": "4m", "short": "30s", "factor": 2}, {}),
    ("slow burn", {"burn_rate": "error", "objective": 0.9, "long": "15m", "short": "10m", "factor": 3}, {}),
    (
        "both",
        {"all": [{"rate": "error", "window": "1m", "threshold": 0.4}, {"not": {"status": "success"}}]},
        {"escalate": [{"after": "20s", "channels": {"slack": "#late"}}]},
    ),
]


@pytest.mark.parametrize(("name", "conditions", "more"), RULES, ids=[name for name, _, _ in RULES])
async def test_a_backtest_tells_what_the_alerter_did(
    t: Timeline, name: str, conditions: dict[str, Any], more: dict[str, Any]
) -> None:
    feeds = {key: more.pop(key) for key in ("models", "kind") if key in (more := dict(more))}
    made = await t.rule(conditions, agent=None, name=name, **more)
    for agent in ("akira-001", "akira-002"):
        await t.heartbeat(agent, "0s")
    feed = _points(t, **feeds) if about(conditions, "metric") else _logs(t)
    heard = await live(t, feed, seed=len(name))
    found = await ask(t, made["id"])
    assert heard, "the test is about nothing"
    assert told(t, found) == heard
    assert found.pages == sum(1 for one in heard if one[3] != "RESOLVED")
