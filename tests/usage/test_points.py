"""Calls as points: once each, and nothing is left where a call no longer is."""

from decimal import Decimal

from msgspec.structs import replace

from monitor.usage.model import Tokens
from monitor.usage.points import UsagePoint, points_of
from tests.usage.stage import Stage


async def test_calls_become_points_and_what_goes_becomes_nothing(stage: Stage) -> None:
    one = stage.call(trace_id="t", given_cost=Decimal("0.5"))
    twin = stage.call(trace_id="t", at=one.started_at, given_cost=Decimal("0.25"))
    unknown = stage.call(trace_id="t", model="who-knows", tokens=Tokens(input=7, output=3, cache_read=7))
    agent = stage.agents[0]
    posted = await stage.put([one, twin, unknown], trace_ids=["t"])
    assert set(points_of(posted)) == {
        UsagePoint(agent, "tokens", "m-1", one.started_at, 2200.0),
        UsagePoint(agent, "cost_usd", "m-1", one.started_at, 0.75),
        UsagePoint(agent, "tokens", "who-knows", unknown.started_at, 10.0),
    }
    # One is told differently, one goes: whatever stood where they stood is overwritten.
    posted = await stage.put([replace(one, model="m-1-x")], trace_ids=["t"])
    assert set(points_of(posted)) == {
        UsagePoint(agent, "tokens", "m-1-x", one.started_at, 1100.0),
        UsagePoint(agent, "cost_usd", "m-1-x", one.started_at, 0.5),
        *(UsagePoint(agent, metric, "m-1", one.started_at, 0.0) for metric in ("tokens", "cost_usd")),
        *(UsagePoint(agent, metric, "who-knows", unknown.started_at, 0.0) for metric in ("tokens", "cost_usd")),
    }


async def test_an_api_call_told_again_is_the_same_point(stage: Stage) -> None:
    call = stage.call()
    first, second = [list(points_of(await stage.put([call]))) for _ in range(2)]
    assert first == second
    assert len(first) == 2
