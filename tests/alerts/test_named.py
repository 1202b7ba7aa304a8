"""What something still names is neither deleted nor renamed, and who names it is said; who leaves stands nowhere."""

from typing import Any

import pytest
from sqlalchemy import text

from alerts.core.vocabulary import Reason
from monitor.errors import Conflict, NotFound
from monitor.identity.store import insert_member, remove_member
from tests.alerts.timeline import Timeline, span

FAILS = {"status": "error"}
STEPS = "steps"


async def _names(t: Timeline, where: str, channels: dict[str, Any]) -> str:
    """Have something name these channels; returns what it is called."""
    match where:
        case "rule":
            await t.rule(FAILS, channels=channels)
            return "the rule 'Akira fails'"
        case "rule's escalation":
            await t.rule(FAILS, escalate=[{"after": "5m", "channels": channels}])
            return "the rule 'Akira fails'"
        case "policy":
            await t.request("POST", "escalations", {"name": "usual", STEPS: [{"after": "5m", "channels": channels}]})
            return "the escalation policy 'usual'"
        case "route":
            await t.settings(routes=[{"matchers": ["severity=critical"], "channels": channels}])
            return "the alert settings"
        case "digest":
            await t.settings(digest=[{"channels": channels, "every": "1h"}])
            return "the alert settings"
        case "pack":
            await t.request("PUT", "rule-packs/liveness", {"channels": channels})
            return "the rule pack 'liveness'"
        case _:
            await t.request("PUT", "channels/fallback", channels)
            return "the fallback channel"


async def _let_go(t: Timeline, where: str) -> None:
    match where:
        case "rule" | "rule's escalation":
            for rule in (await t.request("GET", "alert-configs"))["items"]:
                await t.request("DELETE", f"alert-configs/{rule['id']}")
        case "policy":
            await t.request("DELETE", "escalations/usual")
        case "route" | "digest":
            await t.settings()
        case "pack":
            await t.request("DELETE", "rule-packs/liveness")
        case _:
            await t.request("PUT", "channels/fallback", {"email": "ops@example.com"})


async def _member(t: Timeline, name: str) -> str:
    async with t.db.owner() as owner:
        await insert_member(owner, t.tenant.id, email=f"{name}@example.com", role="on-call", now=t.clock())
    return f"{name}@example.com"


async def _rotation(t: Timeline, *members: str, **more: Any) -> str:
    body = {
        "kind": "on_call", "title": "rotation", "schedule": "platform", "members": list(members),
        "start_time": t.start.isoformat(), "end_time": (t.start + span("1d")).isoformat(),
    }  # fmt: skip
    return str((await t.request("POST", "calendar-events", body | more, expect=201))["id"])


@pytest.mark.parametrize("where", ["rule", "rule's escalation", "policy", "route", "digest", "pack", "fallback"])
async def test_a_channel_that_is_named_stays_until_nothing_names_it(t: Timeline, where: str) -> None:
    await t.request("POST", "channels", {"name": "ops", "kind": "email", "target": "ops@example.com"}, expect=201)
    user = await _names(t, where, {"channel": "ops"})
    refused = [
        await t.request("DELETE", "channels/ops", expect=409),
        await t.request("PATCH", "channels/ops", {"name": "other"}, expect=409),
    ]
    assert all(user in answer["detail"] for answer in refused), refused
    await t.request("PATCH", "channels/ops", {"target": "others@example.com"})
    await _let_go(t, where)
    await t.request("DELETE", "channels/ops")


@pytest.mark.parametrize("where", ["rule", "policy", "route", "fallback"])
async def test_the_last_rotation_of_a_schedule_that_is_named_stays(t: Timeline, where: str) -> None:
    ann = await _member(t, "ann")
    first, second = await _rotation(t, ann), await _rotation(t, ann, layer=1)
    user = await _names(t, where, {"on_call": "platform"})
    await t.request("DELETE", f"calendar-events/{first}")
    refused = [
        await t.request("DELETE", f"calendar-events/{second}", expect=409),
        await t.request("PATCH", f"calendar-events/{second}", {"schedule": "other"}, expect=409),
    ]
    assert all(user in answer["detail"] for answer in refused), refused
    await t.request("PATCH", f"calendar-events/{second}", {"title": "another title"})
    await _let_go(t, where)
    await t.request("DELETE", f"calendar-events/{second}")


async def test_a_policy_that_a_rule_names_stays_and_many_who_name_it_are_counted(t: Timeline) -> None:
    await t.request("POST", "escalations", {"name": "usual", STEPS: [{"after": "5m", "channels": {"slack": "#a"}}]})
    for number in range(5):
        await t.rule(FAILS, name=f"Rule {number}", escalate="usual")
    answer = await t.request("DELETE", "escalations/usual", expect=409)
    assert answer["detail"] == "still named by the rule 'Rule 0', the rule 'Rule 1', the rule 'Rule 2' and 2 more"
    await t.request("PATCH", "escalations/usual", {"name": "other"}, expect=409)


async def test_whoever_stands_in_a_rotation_is_not_taken_out_of_the_tenant(t: Timeline) -> None:
    ann, ben, cleo = [await _member(t, name) for name in ("ann", "ben", "cleo")]
    first = t.start.isoformat()
    await _rotation(t, ann, rrule="FREQ=DAILY", overrides=[{"occurrence": first, "members": [ben]}])
    async with t.db.owner() as owner:
        for email in (ann, ben):
            with pytest.raises(Conflict, match="the on-call schedule 'platform'"):
                await remove_member(owner, t.tenant.id, email)
        with pytest.raises(Conflict, match="last owner"):
            await remove_member(owner, t.tenant.id, f"owner@{t.tenant.slug}.example")
        await remove_member(owner, t.tenant.id, cleo)
        with pytest.raises(NotFound):
            await remove_member(owner, t.tenant.id, cleo)
    assert cleo not in [one["email"] for one in (await t.request("GET", "members"))["items"]]


async def test_whoever_is_erased_stands_in_no_rotation_and_the_others_are_told(t: Timeline) -> None:
    ann, ben = await _member(t, "ann"), await _member(t, "ben")
    first = t.start.isoformat()
    event = await _rotation(t, ann, ben, rrule="FREQ=DAILY", overrides=[{"occurrence": first, "members": [ann, ben]}])
    async with t.db.owner() as owner:
        await owner.execute(text("DELETE FROM users WHERE email = :email"), {"email": ann})
    stored = await t.request("GET", f"calendar-events/{event}")
    assert [one["email"] for one in stored["members"]] == [ben]
    assert [[one["email"] for one in each["members"]] for each in stored["overrides"]] == [[ben]]
    await t.rule(FAILS, channels={"on_call": "platform"})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST, target=ben)
    t.expect_silence()
