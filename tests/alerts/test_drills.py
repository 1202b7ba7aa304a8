"""Drills arrive, and it is an alert when one does not; the heartbeat to another monitor."""

from typing import Any

from aiohttp import web

from alerts.core.vocabulary import ChannelKind, Reason
from alerts.drill import Drills, results, start
from alerts.pulse import Pulse
from monitor.errors import ChannelError
from monitor.http.outbound import Allowed
from tests.alerts.timeline import PUBLIC_URL, Timeline


async def _settings(t: Timeline, **given: Any) -> None:
    await t.request("PUT", "alert-settings", given)


async def test_a_drill_goes_through_every_channel_and_its_time_is_recorded(t: Timeline) -> None:
    await t.rule({"status": "error"}, channels={"email": "ops@example.com", "slack": "#alerts"})
    await t.rule({"status": "warning"}, name="again", channels={"slack": "#alerts"})
    async with t.db.alerter() as connection:
        ids = await start(connection, t.tenant.id, now=t.at("10s"), public_url=PUBLIC_URL)
    t.at("13s")
    await t.deliver("13s")
    sent = [t.expect("email", Reason.TEST), t.expect("slack", Reason.TEST)]
    t.expect_silence()
    assert all(one.message.lines[0].rule == "DRILL" and "DRILL" in one.message.why for one in sent)
    await Drills(t.db, public_url=PUBLIC_URL).run_once(t.at("20s"))
    async with t.db.alerter() as connection:
        assert [one.seconds for one in await results(connection, t.tenant.id, ids)] == [3.0, 3.0]
    assert await t.alerts() == []


async def test_a_drill_comes_as_often_as_the_tenant_asks(t: Timeline) -> None:
    await t.rule({"status": "error"})
    await _settings(t, drill="1h")
    drills = Drills(t.db, public_url=PUBLIC_URL)
    for minute in (0, 30, 59, 60, 90, 121):
        await drills.run_once(t.at(f"{minute}m"))
        await t.deliver(f"{minute}m")
    assert [one.message.reason for one in t.sent] == [Reason.TEST] * 3
    assert len(await t.rows("SELECT 1 AS one FROM drills")) == 3


async def test_a_drill_that_does_not_arrive_is_an_alert_through_another_channel(t: Timeline) -> None:
    await t.rule({"status": "error"}, channels={"slack": "#alerts"})
    await t.all_rows(
        'UPDATE tenants SET fallback_channel = \'{"email": "chief@example.com"}\' WHERE id = :id', id=t.tenant.id
    )
    t.channels[ChannelKind.SLACK].failing["#alerts"] = ChannelError("down", retry_after=60)
    drills = Drills(t.db, public_url=PUBLIC_URL)
    async with t.db.alerter() as connection:
        await start(connection, t.tenant.id, now=t.at("10s"), public_url=PUBLIC_URL)
    await t.deliver("10s")
    t.expect("email", Reason.TEST, target="chief@example.com")
    await drills.run_once(t.at("4m"))
    t.expect_silence()
    await drills.run_once(t.at("6m"))
    await t.deliver("6m")
    said = t.expect("email", Reason.FIRST, target="chief@example.com")
    assert said.message.lines[0].rule == "drill did not arrive"
    t.channels[ChannelKind.SLACK].failing.clear()
    await t.deliver("8m")
    t.expect("slack", Reason.TEST)
    await drills.run_once(t.at("8m10s"))
    await t.deliver("8m10s")
    t.expect("email", Reason.RESOLVED, target="chief@example.com")
    t.expect_silence()


class _Other:
    """Another monitor."""

    def __init__(self) -> None:
        self.calls = 0
        self.status = 200

    async def take(self, request: web.Request) -> web.Response:
        """A heartbeat."""
        self.calls += 1
        return web.Response(status=self.status)


async def test_the_heartbeat_goes_out_after_good_passes_only_and_its_loss_is_an_alert(t: Timeline) -> None:
    other = _Other()
    app = web.Application()
    app.router.add_post("/beat", other.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    pulse = Pulse(t.db, f"http://{host}:{port}/beat", allowed=Allowed.of(["127.0.0.1"]), public_url=PUBLIC_URL)
    try:
        assert not await pulse.run_once(t.at("10s"))
        pulse.ticked()
        assert await pulse.run_once(t.at("20s"))
        assert not await pulse.run_once(t.at("30s"))
        assert other.calls == 1
        other.status = 500
        pulse.ticked()
        for second in (40, 50, 60):
            assert not await pulse.run_once(t.at(f"{second}s"))
        query = "SELECT count(*) AS open FROM alerts WHERE rule = 'outbound heartbeat not sent' AND resolved_at IS NULL"
        assert (await t.all_rows(query))[0]["open"] == 1
        other.status = 200
        assert await pulse.run_once(t.at("70s"))
        assert (await t.all_rows(query))[0]["open"] == 0
    finally:
        await pulse.close()
        await runner.cleanup()
