"""Rules over HTTP: every fault named with its path, versions, warnings, and what others may not see."""

from typing import Any

import pytest

from monitor.principal import Scope
from tests.alerts.timeline import Timeline
from tests.factories import make_key, make_tenant

FAILS = {"status": "error"}
BODY: dict[str, Any] = {"name": "r", "agent": "akira-001", "conditions": FAILS, "channels": {"email": "a@example.com"}}

FAULTS = [
    ({"conditions": {"status": "confused"}}, "conditions.status"),
    ({"conditions": {"all": [FAILS, {"metric": "x", "threshold": 1, "window": "-5m"}]}}, "conditions.all[1].window"),
    ({"conditions": {"status": "error", "consecutive_failure": 3}}, "conditions.consecutive_failure"),
    ({"conditions": "error"}, "conditions"),
    ({"conditions": None}, "conditions"),
    ({"for": "soon"}, "for"),
    ({"repeat": 0}, "repeat"),
    ({"escalate": [{"after": "5m", "channels": {}}]}, "escalate[0].channels"),
    ({"channels": {"email": "nobody"}}, "channels.email"),
    ({"channels": {"pigeon": "coop 7"}}, "channels.pigeon"),
    ({"channels": {"channel": "nowhere"}}, "channels.channel"),
    ({"channels": {"slack": ["#ok", "general"]}}, "channels.slack[1]"),
    ({"severity": "fatal"}, None),
    ({"labels": {"agent": "x"}}, "labels.agent"),
    ({"selector": {"tags": {"env": "prod"}}}, "selector"),
    ({"agent": None, "selector": {}}, "selector"),
    ({"agent": None, "agent_id": "00000000-0000-7000-8000-00000000dead"}, "agent_id"),
    ({"agent_id": "akira-001"}, "agent_id"),
    ({"name": ""}, None),
    ({"name": "nul \x00"}, None),
    ({"name": "\ud800"}, None),
    ({"conditions": {"log": {"contains": "\ud800"}}}, None),
    ({"surprise": 1}, None),
]


@pytest.mark.parametrize(("change", "path"), FAULTS)
async def test_a_fault_is_refused_with_its_path(t: Timeline, change: dict[str, Any], path: str | None) -> None:
    problem = await t.request("POST", "alert-configs", BODY | change, expect=422)
    assert path is None or problem["path"] == path, problem
    assert (await t.request("GET", "alert-configs"))["items"] == []


async def test_a_rule_comes_back_as_it_was_sent(t: Timeline) -> None:
    sent = BODY | {
        "for": "2m",
        "keep_firing_for": "5m",
        "repeat": "2h",
        "escalate": [{"after": "15m", "channels": {"slack": "#boss"}}],
        "severity": "critical",
        "labels": {"team": "platform"},
        "runbook": "https://run.book",
        "owner": "platform",
        "enabled": False,
    }
    made = await t.request("POST", "alert-configs", sent, expect=201)
    assert {name: made[name] for name in sent} == sent
    assert (made["version"], made["warnings"]) == (1, [])
    assert await t.request("GET", f"alert-configs/{made['id']}") == made


async def test_the_rate_of_a_gauge_is_refused(t: Timeline) -> None:
    await t.metric("akira-001", "cpu", 0.5, "1s")
    await t.metric("akira-001", "requests", 5, "1s", kind="counter")
    rate = {"metric": "cpu", "reduce": "rate", "threshold": 1}
    problem = await t.request("POST", "alert-configs", BODY | {"conditions": {"any": [FAILS, rate]}}, expect=422)
    assert problem["path"] == "conditions.any[1].reduce"
    await t.request("POST", "alert-configs", BODY | {"conditions": rate | {"metric": "requests"}}, expect=201)


async def test_keep_without_a_heartbeat_rule_is_warned_of(t: Timeline) -> None:
    threshold = BODY | {"conditions": {"metric": "cpu", "threshold": 1}}
    made = await t.request("POST", "alert-configs", threshold, expect=201)
    assert ["heartbeat" in warning for warning in made["warnings"]] == [True]
    await t.rule({"heartbeat": "missed"}, agent=None, name="Alive")
    made = await t.request("POST", "alert-configs", threshold, expect=201)
    assert made["warnings"] == []


async def test_nobody_to_tell_is_warned_of(t: Timeline) -> None:
    made = await t.request("POST", "alert-configs", BODY | {"channels": None}, expect=201)
    assert [warning.startswith("nobody is told") for warning in made["warnings"]] == [True]


async def test_an_agent_that_may_not_register_is_refused(t: Timeline) -> None:
    await t.all_rows("UPDATE tenants SET auto_register = false WHERE id = :id", id=t.tenant.id)
    problem = await t.request("POST", "alert-configs", BODY, expect=422)
    assert problem["path"] == "agent"


async def test_versions_say_who_changed_what(t: Timeline) -> None:
    rule = await t.rule(FAILS)
    path = f"alert-configs/{rule['id']}"
    changed = await t.request("PATCH", path, {"for": "2m", "version": 1})
    assert (changed["for"], changed["version"]) == ("2m", 2)
    assert (await t.request("PATCH", path, {"for": "2m"}))["version"] == 2
    await t.request("PATCH", path, {"for": "3m", "version": 1}, expect=409)
    replaced = await t.request("PUT", path, BODY | {"name": "Replaced"})
    assert (replaced["for"], replaced["name"], replaced["version"]) == (None, "Replaced", 3)
    versions = (await t.request("GET", f"{path}/versions"))["items"]
    assert [(one["version"], one["rule"]["name"]) for one in versions] == [
        (3, "Replaced"),
        (2, "Akira fails"),
        (1, "Akira fails"),
    ]
    assert versions[0]["changed_by"] == f"key:{t.tenant.key_id}"


async def test_pages_and_filters(t: Timeline) -> None:
    for number in range(5):
        await t.rule(FAILS, name=f"r{number}", agent=f"a{number % 2}")
    first = await t.request("GET", "alert-configs?limit=3")
    rest = await t.request("GET", f"alert-configs?limit=3&cursor={first['next']}")
    assert [rule["name"] for rule in first["items"] + rest["items"]] == ["r4", "r3", "r2", "r1", "r0"]
    assert rest["next"] is None
    mine = await t.request("GET", "alert-configs?agent=a1")
    assert [rule["name"] for rule in mine["items"]] == ["r3", "r1"]
    assert (await t.request("GET", "alert-configs?agent=nobody"))["items"] == []


async def test_another_tenant_sees_and_changes_nothing(t: Timeline) -> None:
    rule = await t.rule(FAILS)
    other = await make_tenant(t.db)
    for method, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
        answer = await t.client.request(method, f"/api/v1/alert-configs/{rule['id']}", json=body, headers=other.headers)
        assert answer.status_code == 404


async def test_scopes(t: Timeline) -> None:
    rule = await t.rule(FAILS)
    _, reader = await make_key(t.db, t.tenant.id, scopes=(Scope.READ,))
    headers = {"Authorization": f"Bearer {reader}"}
    path = f"/api/v1/alert-configs/{rule['id']}"
    assert (await t.client.get(path, headers=headers)).status_code == 200
    assert (await t.client.patch(path, json={"name": "x"}, headers=headers)).status_code == 403
    alert = f"/api/v1/alerts/{rule['id']}/acknowledge"
    assert (await t.client.post(alert, headers=headers)).status_code == 403


async def test_channels_are_checked_named_and_kept_while_used(t: Timeline) -> None:
    ops = {"name": "ops", "kind": "webhook", "target": "https://hooks.example", "secret": "s3cret s3cret"}
    made = await t.request("POST", "channels", ops, expect=201)
    assert made["signed"]
    assert "secret" not in made
    await t.request("POST", "channels", ops, expect=409)
    await t.request("POST", "channels", ops | {"name": "bad", "target": "ftp://x"}, expect=422)
    await t.request("POST", "channels", {"name": "m", "kind": "email", "target": "a@b.c", "secret": "x"}, expect=422)
    rule = await t.rule(FAILS, channels={"channel": "ops"})
    await t.request("DELETE", "channels/ops", expect=409)
    await t.request("PATCH", "channels/ops", {"target": "https://hooks.example/2"}, expect=200)
    await t.request("DELETE", f"alert-configs/{rule['id']}", expect=204)
    await t.request("PUT", "channels/fallback", {"channel": "gone"}, expect=422)
    await t.request("PUT", "channels/fallback", {}, expect=422)
    assert await t.request("PUT", "channels/fallback", {"channel": "ops"}) == {"channel": ["ops"]}
    assert await t.request("GET", "channels/fallback") == {"channel": ["ops"]}
    await t.request("DELETE", "channels/ops", expect=409)
    await t.request("PUT", "channels/fallback", {"email": "a@example.com"})
    await t.request("DELETE", "channels/ops", expect=204)
    assert (await t.request("GET", "channels"))["items"] == []
