"""Buttons in Slack, as signed requests: they act once, for whom Slack names; forged, old and used ones do nothing."""

from typing import Any
from uuid import UUID

import pytest

from alerts.core.vocabulary import Action, ChannelKind
from alerts.offers import Offer, Offers
from tests.responses.scene import Scene

ALICE = "slack:U024BE7LH (alice)"


async def test_a_button_acknowledges_in_the_name_of_who_pressed_it_and_the_message_shows_it_at_once(s: Scene) -> None:
    answer = await s.press(s.pressed(s.button("acknowledge")))
    assert (answer.status_code, answer.content) == (200, b"")
    alert = await s.alert()
    assert (alert["status"], alert["acknowledged_by"]) == ("acknowledged", ALICE)
    assert await s.timeline() == [("acknowledged", ALICE)]
    assert await s.audit() == [("alert.acknowledged", ALICE)]
    before = len(s.mailbox.envelopes)
    await s.t.deliver("11s")
    edit, reply = (body for _, body in s.slack.calls[-2:])
    assert s.slack.methods == ["chat.postMessage", "chat.update", "chat.postMessage"]
    assert edit["text"].startswith("[ACKNOWLEDGED]")
    assert f"*Acknowledged:* by {ALICE}, until" in str(edit["blocks"])
    assert [one["action_id"] for one in edit["blocks"][2]["elements"]] == ["snooze", "resolve"]
    assert (reply["thread_ts"], reply["reply_broadcast"]) == (edit["ts"], False)
    assert f"{ALICE} acknowledged it until" in reply["text"]
    # Nobody is told anew.
    assert len(s.mailbox.envelopes) == before


async def test_a_message_that_was_edited_repeats_when_it_would_have_and_ends_as_resolved(s: Scene) -> None:
    await s.press(s.pressed(s.button("snooze")))
    await s.t.deliver("11s")
    assert (await s.alert())["snoozed_by"] == ALICE
    # The tick began before the press: what it tells is newer all the same, and comes after.
    await s.press(s.pressed(s.button("acknowledge")))
    await s.t.log("akira-001", "success", "12s")
    await s.t.evaluator.run_once(s.t.at("12s"))
    await s.t.deliver("13s")
    last = [body for method, body in s.slack.calls if method == "chat.update"][-1]
    assert last["text"].startswith("[RESOLVED]")
    assert not [block for block in last["blocks"] if block["type"] == "actions"]


async def test_the_button_resolve_closes_and_what_has_ended_is_told_to_who_pressed_alone(s: Scene) -> None:
    acknowledge = s.button("acknowledge")
    await s.press(s.pressed(s.button("resolve")))
    await s.t.deliver("11s")
    alert = await s.alert()
    assert (alert["status"], alert["reason"], alert["details"]["closed_by"]) == ("resolved", "resolved by hand", ALICE)
    edit = [body for method, body in s.slack.calls if method == "chat.update"][-1]
    assert f"(closed by hand, {ALICE})" in str(edit["blocks"])
    s.t.clock.advance(1)
    assert (await s.press(s.pressed(acknowledge))).status_code == 200
    method, said = s.slack.calls[-1]
    assert (method, said["response_type"], said["replace_original"]) == ("reply", "ephemeral", False)
    assert said["text"] == "Nothing was changed: the alert has ended already."
    assert await s.timeline() == [("closed", ALICE)]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"secret": "another secret"}, 401),
        ({"sent": b"payload=%7B%22type%22%3A%22block_actions%22%7D"}, 401),
        ({"late": 301.0}, 401),
        ({"late": -301.0}, 401),
    ],
)
async def test_forged_and_old_requests_do_nothing(s: Scene, given: dict[str, Any], status: int) -> None:
    assert (await s.press(s.pressed(s.button("acknowledge")), **given)).status_code == status
    assert (await s.t.client.post("/slack/actions", content=b"payload={}")).status_code == 401
    assert (await s.alert())["status"] == "open"
    assert await s.timeline() == []


async def test_a_replayed_request_is_refused_by_every_process(s: Scene) -> None:
    payload = s.pressed(s.button("snooze"))
    assert (await s.press(payload)).status_code == 200
    alert = f"alerts/{(await s.alert())['id']}"
    await s.t.request("POST", f"{alert}/snooze", {"until": None})
    # The same bytes, the same signature: nothing but the database remembers it.
    answer = await s.press(payload)
    assert (answer.status_code, answer.json()["detail"]) == (410, "this request was used already")
    assert [kind for kind, _ in await s.timeline()] == ["snoozed", "snooze ended"]


async def test_a_button_that_was_not_made_here_does_nothing(s: Scene) -> None:
    alert = await s.alert()
    value = s.button("acknowledge")
    offer = Offer(s.t.tenant.id, UUID(alert["id"]), Action.ACKNOWLEDGE, ChannelKind.SLACK, "#alerts")
    forged = Offers(["the key of somebody else"], "").token(offer)
    from_mail = s.link("Acknowledge").rpartition("/")[2]
    for number, other in enumerate(("", "no token", value[:-5], f"A{value}", forged, from_mail)):
        s.t.clock.advance(number)
        assert (await s.press(s.pressed(other))).status_code == 200
        assert s.slack.calls[-1][1]["text"].startswith("Nothing was changed: this link")
    assert await s.timeline() == []


async def test_a_suspended_tenants_people_do_nothing_and_other_interactions_are_let_pass(s: Scene) -> None:
    assert (await s.press({"type": "view_submission", "view": {}})).status_code == 200
    assert (await s.press(["no object"])).status_code == 400
    await s.t.all_rows("UPDATE tenants SET status = 'suspended' WHERE id = :id", id=s.t.tenant.id)
    await s.press(s.pressed(s.button("acknowledge")))
    assert "the tenant is suspended" in s.slack.calls[-1][1]["text"]
    rows = await s.t.rows("SELECT status FROM alerts")
    assert [row["status"] for row in rows] == ["open"]
