"""Mail addresses that bounce are noticed, told through another channel, and left alone until somebody clears them."""

from typing import Any

import pytest

from alerts.bounces import follow_bounces
from alerts.core.vocabulary import ChannelKind, Reason
from alerts.dsn import read_report
from monitor.errors import ChannelError
from tests.alerts.bounced import report
from tests.alerts.timeline import PUBLIC_URL, Sent, Timeline

FAILS = {"status": "error"}
OPS = "Ops@example.com"


async def post(t: Timeline, raw: bytes, *, expect: int = 202) -> Any:
    headers = t.tenant.headers | {"Content-Type": "message/rfc822"}
    answer = await t.client.post("/api/v1/bounces", content=raw, headers=headers)
    assert answer.status_code == expect, answer.text
    return answer.json()


async def fired(t: Timeline) -> Sent:
    """A rule that mails, with a fallback beside it, has fired."""
    await t.request("PUT", "channels/fallback", {"slack": "#fallback"})
    await t.rule(FAILS, channels={"email": OPS}, repeat="10m")
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    return t.expect("email", Reason.FIRST, target=OPS)


async def follow(t: Timeline, at: str) -> None:
    await follow_bounces(t.db, now=t.at(at), public_url=PUBLIC_URL)
    await t.deliver(at)


@pytest.mark.parametrize("original", ["message/rfc822", "text/rfc822-headers"])
async def test_a_report_is_told_by_its_message_id_and_the_lost_mail_goes_another_way(
    t: Timeline, original: str
) -> None:
    sent = await fired(t)
    raw = report(f"<{sent.message.notification_id}@example.com>", original=original)
    assert await post(t, raw) == {"bounced": [OPS]}
    await follow(t, "20s")
    copy = t.expect("slack", Reason.FIRST, target="#fallback")
    assert "could not be delivered to email Ops@example.com: mail to it bounced: 5.1.1 550" in copy.message.why
    (system,) = await t.all_rows("SELECT status, labels FROM alerts WHERE rule = 'notification undeliverable'")
    assert (system["status"], system["labels"]["target"]) == ("open", "ops@example.com")
    (bounce,) = (await t.request("GET", "bounces"))["items"]
    assert (bounce["address"], bounce["said"][:5]) == ("ops@example.com", "5.1.1")
    await post(t, raw)
    await follow(t, "30s")
    t.expect_silence()


async def test_later_mail_goes_the_other_way_until_it_is_cleared(t: Timeline) -> None:
    sent = await fired(t)
    await post(t, report(f"<{sent.message.notification_id}@example.com>"))
    await follow(t, "20s")
    t.expect("slack", Reason.FIRST)
    email = t.channels[ChannelKind.EMAIL]
    attempts = email.attempts
    await t.log("kaneda-001", "error", "25s")
    await t.rule(FAILS, name="Other", agent="kaneda-001", channels={"email": OPS})
    await t.tick("30s")
    assert "mail to it bounced" in t.expect("slack", Reason.FIRST).message.why
    assert email.attempts == attempts
    await t.request("DELETE", "bounces/ops@example.com", expect=204)
    await t.request("DELETE", "bounces/ops@example.com", expect=404)
    await follow(t, "40s")
    assert await t.rows("SELECT 1 FROM bounces") == []
    (system,) = await t.all_rows("SELECT status FROM alerts WHERE rule = 'notification undeliverable'")
    assert system["status"] == "resolved"
    await t.log("akira-002", "error", "55s")
    await t.rule(FAILS, name="Third", agent="akira-002", channels={"email": OPS})
    await t.tick("1m")
    t.expect("email", Reason.FIRST, target=OPS, agents=["akira-002"])


async def test_an_address_that_its_server_does_not_know_is_noticed_at_once(t: Timeline) -> None:
    email = t.channels[ChannelKind.EMAIL]
    email.failing[OPS] = ChannelError("the mail server refused it: 550 no such user", permanent=True, bounced=True)
    await t.request("PUT", "channels/fallback", {"slack": "#fallback"})
    rule = await t.rule(FAILS, channels={"email": OPS}, repeat="10m")
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    await t.deliver("11s")
    assert "550 no such user" in t.expect("slack", Reason.FIRST).message.why
    assert [one["address"] for one in (await t.request("GET", "bounces"))["items"]] == ["ops@example.com"]
    email.failing.clear()
    attempts = email.attempts
    await t.tick("11m")
    assert "550 no such user" in t.expect("slack", Reason.REPEAT).message.why
    assert email.attempts == attempts
    # Whoever wants to know whether it works again asks for a test message, and gets it.
    await t.request("POST", f"alert-configs/{rule['id']}/test")
    await t.deliver("12m")
    t.expect("email", Reason.TEST, target=OPS)


async def test_another_fault_of_mail_is_no_bounce(t: Timeline) -> None:
    email = t.channels[ChannelKind.EMAIL]
    email.failing[OPS] = ChannelError("the mail server refused it: 554 spam", permanent=True)
    await t.rule(FAILS, channels={"email": OPS, "slack": "#alerts"})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    assert (await t.request("GET", "bounces"))["items"] == []
    assert t.expect("slack", Reason.FIRST) is not None


@pytest.mark.parametrize(("action", "status"), [("delayed", "4.4.1"), ("delivered", "2.0.0"), ("relayed", "2.0.0")])
async def test_a_delay_or_a_delivery_is_no_bounce(t: Timeline, action: str, status: str) -> None:
    sent = await fired(t)
    raw = report(f"<{sent.message.notification_id}@example.com>", action=action, status=status)
    assert await post(t, raw) == {"bounced": []}
    assert (await t.request("GET", "bounces"))["items"] == []


async def test_what_is_no_report_or_about_somebody_elses_mail_is_refused(t: Timeline) -> None:
    await fired(t)
    for raw in (b"", b"\xff\x00", b"Subject: hello\r\n\r\nbody", b"Content-Type: multipart/report\r\n\r\n--x--"):
        assert "not a delivery status" in (await post(t, raw, expect=422))["detail"]
    for message_id in ("<0192f1a0-0000-7000-8000-000000000001@example.com>", "<other@example.com>", ""):
        await post(t, report(message_id), expect=404)
    assert (await t.request("GET", "bounces"))["items"] == []


def test_the_reference_may_stand_in_the_report_itself() -> None:
    raw = report("<other@example.com>").replace(
        b"To: monitor", b"In-Reply-To: <0192f1a0-0000-7000-8000-000000000001@example.com>\r\nTo: monitor"
    )
    found = read_report(raw)
    assert [str(one) for one in found.notifications] == ["0192f1a0-0000-7000-8000-000000000001"]
    assert found.failed == (("ops@example.com", "5.1.1 550 5.1.1 <ops@example.com>: Recipient address rejected"),)
