"""Nothing is lost and nothing is said twice: failed reads, crashes between the steps, two alerters at once."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from alerts import leases, targets
from alerts.core.message import Message, Reference
from alerts.core.vocabulary import ChannelKind, Reason
from alerts.evaluate import LEASE
from alerts.leases import LeaseLost
from monitor.errors import SeriesDown
from monitor.series.postgres import PostgresSeriesStore
from monitor.series.store import Answer, Reduction, Selection
from tests.alerts.timeline import Timeline

FAILS = {"status": "error"}
LATENCY = {"metric": "latency_ms", "reduce": "max", "window": "1m", "op": ">", "threshold": 100, "no_data": "ok"}


class Breakable(PostgresSeriesStore):
    """The real store, with a switch."""

    down = False

    async def read(self, wanted: Sequence[tuple[Reduction, Selection]], *, now: datetime) -> list[Answer]:
        """Read, unless it is switched off."""
        if self.down:
            raise SeriesDown("switched off")
        return await super().read(wanted, now=now)


def breakable(t: Timeline) -> Breakable:
    """What the timeline's alerter reads from, from now on."""
    store = Breakable(t.db)
    t.read_from(store)
    return store


async def test_a_failed_read_resolves_nothing_and_opens_nothing_and_is_one_alert(
    t: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = breakable(t)
    await t.request("PUT", "channels/fallback", {"email": "fallback@example.com"})
    await t.rule(LATENCY)
    await t.rule(LATENCY, agent="kaneda-001", name="Kaneda", channels={"slack": "#alerts"})
    await t.rule(FAILS, agent="tetsuo-001", name="Tetsuo", channels={"webhook": "https://hooks.example"})
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST, target="ops@example.com")
    store.down = True
    await t.metric("kaneda-001", "latency_ms", 500, "15s")
    await t.log("tetsuo-001", "error", "15s")
    await t.ticks("20s", "40s")
    blind = t.expect("email", Reason.FIRST, target="fallback@example.com")
    assert blind.message.lines[0].rule == "history store unreachable"
    t.expect("webhook", Reason.FIRST)
    t.expect_silence()
    store.down = False
    await t.tick("50s")
    t.expect("slack", Reason.FIRST)
    t.expect("email", Reason.RESOLVED, target="fallback@example.com")
    t.expect_silence()
    await t.ticks("1m", "1m20s")
    t.expect("email", Reason.RESOLVED, target="ops@example.com")


async def test_a_crash_between_taking_the_news_and_saving_loses_nothing(
    t: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")

    async def crash(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(t.evaluator._sources, "read", crash)
        with pytest.raises(asyncio.CancelledError):
            await t.evaluate("10s")
    assert await t.rows("SELECT 1 FROM touched") == []
    await t.tick("20s")
    t.expect("email", Reason.FIRST)
    t.expect_silence()


async def test_a_crash_while_saving_saves_nothing_and_the_next_pass_all(
    t: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")

    async def crash(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(targets, "save_due", crash)
        with pytest.raises(asyncio.CancelledError):
            await t.evaluate("10s")
    assert await t.rows("SELECT 1 FROM alerts UNION ALL SELECT 1 FROM notifications") == []
    await t.tick("20s")
    t.expect("email", Reason.FIRST)
    t.expect_silence()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"group": {"by": ["rule"], "wait": "30s"}}, Reason.FIRST),
        ({"digest": [{"channels": {"email": "ops@example.com"}, "every": "30s"}]}, Reason.DIGEST),
        ({"settle": "30s"}, Reason.FIRST),
    ],
    ids=["group", "digest", "settling"],
)
async def test_a_crash_while_held_messages_are_released_releases_them_at_the_next_pass(
    t: Timeline, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], reason: Reason
) -> None:
    await t.settings(**settings)
    await t.rule(FAILS)
    await t.tick("0s")
    await t.log("akira-001", "error", "9m55s")
    # Ten minutes without a pass: an outage has just ended.
    await t.ticks("10m", "10m20s")
    t.expect_silence()

    async def crash(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(targets, "save_due", crash)
        with pytest.raises(asyncio.CancelledError):
            await t.evaluate("10m30s")
    assert await t.rows("SELECT 1 FROM notifications") == []
    t.evaluator, t.deliverer = t.another_evaluator("alerter-1"), t.another_deliverer("alerter-1")
    await t.tick("10m40s")
    t.expect("email", reason)
    await t.ticks("10m50s", "11m30s")
    t.expect_silence()


async def test_a_crash_between_save_and_send_delivers_once(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.evaluate("10s")
    t.deliverer = t.another_deliverer("alerter-2")
    t.evaluator = t.another_evaluator("alerter-2")
    await t.tick("1m")
    t.expect("email", Reason.FIRST)
    await t.ticks("1m10s", "2m")
    t.expect_silence()


async def test_a_crash_between_send_and_mark_sends_at_most_once_more(
    t: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.evaluate("10s")
    recorder = t.channels[ChannelKind.EMAIL]
    send = type(recorder).send

    async def die(self: Any, target: str, message: Message, previous: Reference | None) -> Reference:
        await send(self, target, message, previous)
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(type(recorder), "send", die)
        with pytest.raises(asyncio.CancelledError):
            await t.deliver("10s")
    first = t.expect("email", Reason.FIRST)
    t.deliverer = t.another_deliverer("alerter-2")
    await t.deliver("1m")
    t.expect_silence()
    await t.deliver("2m11s")
    again = t.expect("email", Reason.FIRST)
    assert again.message.notification_id == first.message.notification_id
    await t.deliver("10m")
    t.expect_silence()


async def test_two_alerters_at_once_never_double(t: Timeline) -> None:
    await t.rule(FAILS, agent=None)
    other = t.another_evaluator("alerter-2")
    messengers = [t.deliverer, t.another_deliverer("alerter-2", seed=2)]
    for said in ("1s", "2s", "3s"):  # until they have shared the tenants
        await t.evaluator.run_once(t.at(said))
        await other.run_once(t.at(said))
    for round_number in range(5):
        moment = f"{round_number * 10 + 5}s"
        for agent in range(4):
            await t.log(f"a-{round_number}-{agent}", "error", moment)
        now = t.at(f"{round_number * 10 + 10}s")
        done = await asyncio.gather(t.evaluator.run_once(now), other.run_once(now), return_exceptions=True)
        assert [one for one in done if isinstance(one, BaseException)] == []
        await asyncio.gather(*(messenger.run_once(now) for messenger in messengers * 3))
        assert t.expect("email", Reason.FIRST).message.firing == 4
        t.expect_silence()
    assert len(await t.alerts(limit=100)) == 20


async def test_another_alerter_takes_over_when_the_lease_expires_and_the_late_one_saves_nothing(
    t: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    other = t.another_evaluator("alerter-2")
    read = t.evaluator._sources.read

    async def stall(*given: Any, **more: Any) -> Any:
        facts = await read(*given, **more)
        assert (await other.run_once(t.at("20s"))).shards == 0
        assert (await other.run_once(t.at("2m"))).fired == 1
        return facts

    with monkeypatch.context() as patch:
        patch.setattr(t.evaluator._sources, "read", stall)
        with pytest.raises(LeaseLost):
            await t.evaluate("10s")
    assert len(await t.alerts()) == 1
    await t.deliver("2m10s")
    t.expect("email", Reason.FIRST)
    t.expect_silence()


async def test_a_clean_stop_gives_the_lease_up(t: Timeline) -> None:
    await t.evaluate("1s")
    other = t.another_evaluator("alerter-2")
    assert (await other.run_once(t.at("2s"))).shards == 0
    await t.evaluator.give_up()
    assert (await other.run_once(t.at("3s"))).shards == leases.SHARDS
    async with t.db.alerter() as connection:
        await leases.fence(connection, LEASE, leases.ALL, holder="alerter-2")


async def test_a_poisoned_rule_harms_itself_only_and_is_put_off(t: Timeline) -> None:
    rule = await t.rule(FAILS, name="Poisoned")
    await t.rule(FAILS, name="Sound", channels={"slack": "#alerts"})
    poison = """UPDATE alert_configs SET conditions = '{"status": "confused"}' WHERE name = 'Poisoned' RETURNING id"""
    await t.all_rows(poison)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("slack", Reason.FIRST)
    t.expect_silence()
    said = await t.request("GET", f"alert-configs/{rule['id']}")
    assert "conditions.status" in said["last_error"]
    (due,) = await t.rows("SELECT due_at FROM alert_targets WHERE config_id = :id", id=rule["id"])
    assert due["due_at"] == t.clock.time + timedelta(minutes=5)
    await t.request("PATCH", f"alert-configs/{rule['id']}", {"conditions": FAILS})
    await t.tick("20s")
    t.expect("email", Reason.FIRST)
    assert (await t.request("GET", f"alert-configs/{rule['id']}"))["last_error"] is None
