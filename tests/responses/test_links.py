"""Links in mails: a page asks, a person acts once; forged, used and expired ones do nothing, neither do programs."""

import base64
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from alerts.core.vocabulary import Action, ChannelKind
from alerts.offers import LINK_LASTS, Offer, Offers
from monitor.console.respond import confirmation
from monitor.errors import Forbidden
from tests.responses.scene import KEYS, READERS, Scene

ANN, BOB = (f"email:{reader}" for reader in READERS)
NOTHING_DONE = "Nothing was changed."


async def state(s: Scene) -> str:
    """The alert's status."""
    return str((await s.alert())["status"])


async def test_a_link_acknowledges_in_the_name_of_whose_copy_it_was_in(s: Scene) -> None:
    done = await s.confirm(s.link("Acknowledge", READERS[1]))
    assert (done.status_code, "You have it" in done.text) == (200, True)
    alert = await s.alert()
    assert (alert["status"], alert["acknowledged_by"]) == ("acknowledged", BOB)
    assert await s.timeline() == [("acknowledged", BOB)]
    assert await s.audit() == [("alert.acknowledged", BOB)]
    # What is told in Slack says who has it, too.
    await s.t.deliver("11s")
    assert f"{BOB} acknowledged it until" in s.slack.calls[-1][1]["text"]
    # The other one may say so as well: it stays with who was first.
    assert (await s.confirm(s.link("Acknowledge", READERS[0]))).status_code == 200
    assert await s.timeline() == [("acknowledged", BOB)]


async def test_every_link_of_a_mail_does_what_it_says(s: Scene) -> None:
    snoozed = await s.confirm(s.link("Snooze"))
    assert "Nobody is told of it until" in snoozed.text
    alert = await s.alert()
    assert (alert["status"], alert["snoozed_by"]) == ("open", ANN)
    assert alert["snoozed_until"][:19] == (s.t.clock.time + timedelta(hours=1)).isoformat()[:19]
    s.t.clock.advance(1)
    assert "The alert is closed" in (await s.confirm(s.link("Resolve"))).text
    assert await s.timeline() == [("snoozed", ANN), ("closed", ANN)]
    # A link that is left over says how things are, and has nothing to press.
    left = await s.t.client.get(s.link("Acknowledge"))
    assert "It has ended already" in left.text
    assert "<button>" not in left.text


async def test_opening_a_link_does_nothing_and_neither_do_posts_of_programs(s: Scene) -> None:
    for label in ("Acknowledge", "Snooze", "Resolve"):
        path = s.link(label)
        for _ in range(3):
            assert (await s.t.client.get(path, headers={"User-Agent": "mail scanner"})).status_code == 200
        assert (await s.t.client.head(path)).status_code == 405
        for body in ({"List-Unsubscribe": "One-Click"}, {}, {"confirm": ""}, {"confirm": "yes"}):
            answer = await s.t.client.post(path, data=body)
            assert (answer.status_code, 'name="confirm"' in answer.text) == (200, True)
        assert (await s.t.client.post(path, content=b"x" * 40_000)).status_code == 413
    assert await s.timeline() == []
    assert await state(s) == "open"


async def test_a_used_link_is_refused_however_its_token_is_spelled(s: Scene) -> None:
    path = s.link("Snooze")
    assert (await s.confirm(path)).status_code == 200
    await s.t.request("POST", f"alerts/{(await s.alert())['id']}/snooze", {"until": None})
    (other,) = respelled(path)
    for spelled in (path, other):
        for answer in (await s.t.client.get(spelled), await post(s, spelled)):
            assert answer.status_code == 410
            assert "This link was used already" in answer.text
            assert NOTHING_DONE in answer.text
    assert [kind for kind, _ in await s.timeline()] == ["snoozed", "snooze ended"]


async def post(s: Scene, path: str) -> httpx.Response:
    """What the page's form sends, without the page."""
    offer = Offers(KEYS, "").read(path.rpartition("/")[2], channel=ChannelKind.EMAIL, now=s.t.start)
    return await s.t.client.post(path, data={"confirm": confirmation(offer)})


def respelled(path: str) -> list[str]:
    """The same signature in other characters: the last one of 32 bytes in base64 has two bits to spare."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = path[:-1] + alphabet[alphabet.index(path[-1]) ^ 1]
    ends = [base64.urlsafe_b64decode(one.rpartition(".")[2] + "=") for one in (path, other)]
    return [other] if ends[0] == ends[1] else []


async def test_an_expired_link_is_refused(s: Scene) -> None:
    path = s.link("Acknowledge")
    s.t.clock.advance(LINK_LASTS.total_seconds() - 60)
    assert (await s.t.client.get(path)).status_code == 200
    s.t.clock.advance(120)
    for answer in (await s.t.client.get(path), await post(s, path)):
        assert (answer.status_code, "This link has expired" in answer.text) == (410, True)
    rows = await s.t.rows("SELECT status FROM alerts")
    assert [row["status"] for row in rows] == ["open"]


async def test_forged_links_are_refused(s: Scene) -> None:
    alert_id = UUID((await s.alert())["id"])
    path = s.link("Acknowledge")
    token = path.rpartition("/")[2]
    forged = [
        "x" * 32,
        token[:-6],
        token[5:],
        ("B" if token[3] != "B" else "C").join((token[:3], token[4:])),
        token.rpartition(".")[0] + "." + s.link("Resolve").rpartition(".")[2],
        s.button("acknowledge"),
        Offers(["somebody else's secret key"], "").token(
            Offer(s.t.tenant.id, alert_id, Action.ACKNOWLEDGE, ChannelKind.EMAIL, READERS[0])
        ),
    ]
    for one in forged:
        for answer in (await s.t.client.get(f"/respond/{one}"), await s.t.client.post(f"/respond/{one}")):
            assert answer.status_code == 403, one
            assert NOTHING_DONE in answer.text
            assert "akira" not in answer.text
    assert await state(s) == "open"


async def test_pages_of_links_run_no_script_load_nothing_and_escape_what_agents_say(s: Scene) -> None:
    await s.t.log("akira-001", "error", "11s", message="<script>alert(1)</script><img src=x onerror=alert(1)>")
    await s.t.all_rows("UPDATE alerts SET rule = '<script>alert(2)</script>', labels = '{\"<b>\": \"<i>\"}'")
    shown = await s.t.client.get(s.link("Acknowledge"))
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert shown.headers["cache-control"] == "no-store"
    assert not re.search(r"<script|<img src=x|<b>|<i>|style=|onerror=[^&]*>", shown.text.replace("&lt;", ""))
    assert "&lt;script&gt;alert(2)" in shown.text


async def test_a_suspended_tenants_links_do_nothing(s: Scene) -> None:
    path = s.link("Acknowledge")
    await s.t.all_rows("UPDATE tenants SET status = 'suspended' WHERE id = :id", id=s.t.tenant.id)
    assert (await s.t.client.get(path)).status_code == 403
    assert (await post(s, path)).status_code == 403
    rows = await s.t.rows("SELECT status FROM alerts")
    assert [row["status"] for row in rows] == ["open"]


def test_what_an_older_key_signed_is_read_while_it_is_in_the_ring() -> None:
    tenant, alert = UUID(int=1), UUID(int=2)
    offer = Offer(tenant, alert, Action.SNOOZE, ChannelKind.EMAIL, READERS[0])
    before = Offers(KEYS[1:], "https://monitor.example")
    rotated, forgotten = Offers(KEYS, ""), Offers(KEYS[:1], "")
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert rotated.read(before.token(offer), channel=ChannelKind.EMAIL, now=now) == offer
    assert rotated.token(offer) == forgotten.token(offer) != before.token(offer)
    with pytest.raises(Forbidden, match="not one that was sent"):
        forgotten.read(before.token(offer), channel=ChannelKind.EMAIL, now=now)
