"""Responses over the API: what they do, that they are on record, that once more changes nothing, and who may."""

from datetime import timedelta

from monitor.principal import Scope
from tests.factories import make_key
from tests.responses.scene import Scene


async def test_a_snooze_is_shown_recorded_and_ended(s: Scene) -> None:
    alert = f"alerts/{(await s.alert())['id']}"
    until = (s.t.clock.time + timedelta(hours=3)).isoformat()
    key = f"key:{s.t.tenant.key_id}"
    for _ in range(2):
        shown = await s.t.request("POST", f"{alert}/snooze", {"until": until})
        assert (shown["snoozed_until"], shown["snoozed_by"], shown["status"]) == (
            until.replace("+00:00", "Z"),
            key,
            "open",
        )
    assert await s.timeline() == [("snoozed", key)]
    await s.t.request("POST", f"{alert}/snooze", {"until": None, "comment": "it is worse than I thought"})
    assert await s.timeline() == [("snoozed", key), ("snooze ended", key)]
    assert await s.audit() == [("alert.snoozed", key), ("alert.snooze_ended", key)]
    rows = await s.t.rows("SELECT old_values, new_values FROM audit_logs WHERE resource_type = 'alert' ORDER BY id")
    assert rows[0]["old_values"] == {"snoozed_until": None}
    assert rows[0]["new_values"]["snoozed_until"] == rows[1]["old_values"]["snoozed_until"] == until


async def test_what_is_acknowledged_stays_with_who_has_it_unless_more_is_said(s: Scene) -> None:
    alert = f"alerts/{(await s.alert())['id']}"
    first = await s.t.request("POST", f"{alert}/acknowledge", {"comment": "mine"})
    s.t.clock.advance(60)
    again = await s.t.request("POST", f"{alert}/acknowledge")
    assert again == first
    until = (s.t.clock.time + timedelta(hours=2)).isoformat()
    longer = await s.t.request("POST", f"{alert}/acknowledge", {"until": until})
    assert longer["acknowledged_until"] == until.replace("+00:00", "Z")
    assert [kind for kind, _ in await s.timeline()] == ["acknowledged", "acknowledged"]


async def test_resolving_and_commenting_are_on_record(s: Scene) -> None:
    alert = f"alerts/{(await s.alert())['id']}"
    await s.t.request("POST", f"{alert}/comment", {"comment": "looking"}, expect=201)
    s.t.clock.advance(1)
    await s.t.request("POST", f"{alert}/resolve", {"comment": "was a test"})
    key = f"key:{s.t.tenant.key_id}"
    assert await s.timeline() == [("comment", key), ("closed", key), ("comment", key)]
    assert await s.audit() == [("alert.commented", key), ("alert.resolved", key)]


async def test_times_that_have_passed_and_alerts_that_have_ended_are_refused(s: Scene) -> None:
    alert = f"alerts/{(await s.alert())['id']}"
    passed = {"until": s.t.clock.time.isoformat()}
    await s.t.request("POST", f"{alert}/snooze", passed, expect=409)
    await s.t.request("POST", f"{alert}/acknowledge", passed, expect=409)
    await s.t.request("POST", f"{alert}/snooze", {}, expect=422)
    await s.t.request("POST", f"{alert}/resolve")
    await s.t.request("POST", f"{alert}/snooze", {"until": "2099-01-01T00:00:00Z"}, expect=409)
    assert [kind for kind, _ in await s.timeline()] == ["closed"]


async def test_a_key_needs_the_scope_alerts(s: Scene) -> None:
    alert = f"/api/v1/alerts/{(await s.alert())['id']}"
    body = {"until": "2099-01-01T00:00:00Z"}
    for scopes, status in (((Scope.READ, Scope.WRITE, Scope.INGEST), 403), ((Scope.ALERTS,), 200)):
        _, text = await make_key(s.t.db, s.t.tenant.id, scopes=scopes)
        headers = {"Authorization": f"Bearer {text}"}
        for verb in ("snooze", "acknowledge"):
            answer = await s.t.client.post(f"{alert}/{verb}", json=body, headers=headers)
            assert answer.status_code == status, answer.text
    assert [kind for kind, _ in await s.timeline()] == ["snoozed", "acknowledged"]
