"""Packs of rules: switched on and off, changed, edited by people, and brought up to date."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from alerts import packing, packs
from alerts.core.vocabulary import Reason
from tests.alerts.timeline import Timeline

ALL = ("liveness", "latency", "errors", "cost", "runaway", "replication")


async def rules(t: Timeline) -> dict[str, dict[str, Any]]:
    """The rules that packs have made, by key."""
    found = (await t.request("GET", "alert-configs"))["items"]
    return {one["pack_rule"]: one for one in found if one["pack"] is not None}


async def everything(t: Timeline) -> list[list[dict[str, Any]]]:
    """All rows that a switch may write."""
    tables = ("alert_configs", "alert_config_versions", "rule_packs", "audit_logs", "alert_states", "alerts")
    return [await t.rows(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in tables]


def ship(monkeypatch: pytest.MonkeyPatch, name: str, rules: Mapping[str, Mapping[str, Any]]) -> None:
    """As if a later release had these rules in a pack."""
    later = dict(packs.shipped()) | {name: replace(packs.shipped()[name], rules=rules, digest="later")}
    monkeypatch.setattr(packs, "shipped", lambda: later)


async def test_every_pack_that_is_shipped_can_be_switched_on_and_off(t: Timeline) -> None:
    listed = (await t.request("GET", "rule-packs"))["items"]
    assert [(one["name"], one["switched_on"]) for one in listed] == [(name, False) for name in ALL]
    for name in ALL:
        answer = await t.request("PUT", f"rule-packs/{name}", {}, expect=200)
        assert answer["switched_on"]
        assert {one["key"] for one in answer["rules"]} == set(packs.shipped()[name].rules)
    made = await rules(t)
    assert len(made) == sum(len(pack.rules) for pack in packs.shipped().values())
    await t.tick("0s")
    assert [one["last_error"] for one in made.values()] == [None] * len(made)
    for name in ALL:
        await t.request("DELETE", f"rule-packs/{name}", expect=204)
        await t.request("DELETE", f"rule-packs/{name}", expect=404)
    assert await rules(t) == {}
    await t.request("PUT", "rule-packs/nonesuch", {}, expect=404)


async def test_its_rules_are_ordinary_rules_that_fire(t: Timeline) -> None:
    await t.request("PUT", "rule-packs/liveness", {"channels": {"email": "ops@example.com"}})
    dead = (await rules(t))["dead"]
    versions = (await t.request("GET", f"alert-configs/{dead['id']}/versions"))["items"]
    assert [(one["version"], one["rule"]["name"]) for one in versions] == [(1, "An agent is dead")]
    audit = await t.rows("SELECT action FROM audit_logs ORDER BY id")
    assert [one["action"] for one in audit] == ["rule_pack.switched_on", *["alert_config.created"] * 3]
    await t.heartbeat("akira-001", "0s", interval=30)
    await t.ticks("10s", "1m40s")
    sent = t.expect("email", Reason.FIRST)
    assert sent.message.lines[0].rule == "An agent is dead"
    await t.request("DELETE", "rule-packs/liveness")
    (alert,) = await t.alerts()
    assert (alert["status"], alert["reason"]) == ("resolved", "rule deleted")


async def test_switching_on_twice_changes_nothing(t: Timeline) -> None:
    body = {"severity": "info", "rules": {"dead": {"severity": "critical"}}}
    first = await t.request("PUT", "rule-packs/liveness", body)
    before = await everything(t)
    assert await t.request("PUT", "rule-packs/liveness", body) == first
    assert await everything(t) == before
    assert await packing.renew(t.deps, t.clock()) == 0
    assert await everything(t) == before


async def test_overrides_are_for_all_rules_or_for_one(t: Timeline) -> None:
    body = {
        "severity": "info", "channels": {"email": "ops@example.com"}, "selector": {"agent_type": "coder"},
        "rules": {
            "error-rate": {"conditions": {"threshold": 0.5, "recover": 0.25}, "for": "5m", "severity": "critical"},
            "new-error": {"enabled": False},
        },
    }  # fmt: skip
    await t.request("PUT", "rule-packs/errors", body)
    made = await rules(t)
    rate = made["error-rate"]
    assert (rate["conditions"]["threshold"], rate["conditions"]["min_count"], rate["for"]) == (0.5, 20, "5m")
    assert {key: one["severity"] for key, one in made.items()} == {
        "failing": "info", "error-rate": "critical", "new-error": "info",
    }  # fmt: skip
    assert [made[key]["enabled"] for key in ("failing", "new-error")] == [True, False]
    assert all(one["selector"] == {"agent_type": "coder"} for one in made.values())
    # Another word for it changes what is changed, and nothing else.
    await t.request("PUT", "rule-packs/errors", body | {"rules": {}})
    after = await rules(t)
    assert after["failing"]["version"] == 1
    assert (after["error-rate"]["version"], after["error-rate"]["conditions"]["threshold"]) == (2, 0.2)
    assert after["new-error"]["enabled"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"rules": {"nonesuch": {}}}, "rules.nonesuch"),
        ({"rules": {"dead": {"conditions": {"state": "asleep"}}}}, "rules.dead.conditions.state"),
        ({"rules": {"dead": {"conditions": {"threshold": 1}}}}, "rules.dead.conditions.threshold"),
        ({"channels": {"channel": "nonesuch"}}, "channels.channel"),
        ({"channels": {"pigeon": "x"}}, "channels.pigeon"),
        ({"thresholds": 1}, "thresholds"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_switched_on(t: Timeline, body: Any, path: str) -> None:
    answer = await t.request("PUT", "rule-packs/liveness", body, expect=422)
    assert path in str(answer)
    assert await rules(t) == {}
    assert await t.rows("SELECT * FROM rule_packs") == []


async def test_an_upgrade_updates_what_nobody_edited(t: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    await t.request("PUT", "rule-packs/liveness", {"rules": {"stalled": {"for": "3m"}}})
    made = await rules(t)
    await t.request("PATCH", f"alert-configs/{made['dead']['id']}", {"severity": "warning"})
    await t.request("DELETE", f"alert-configs/{made['missed-run']['id']}")
    old = packs.shipped()["liveness"].rules
    ship(monkeypatch, "liveness", {
        "dead": {**old["dead"], "name": "Gone"},
        "stalled": {**old["stalled"], "name": "Stuck"},
        "missed-run": {**old["missed-run"], "name": "Late"},
        "blocked": {"name": "Long in a tool", "severity": "info", "for": "1h", "conditions": {"state": "blocked"}},
    })  # fmt: skip
    assert await packing.renew(t.deps, t.clock()) == 1
    after = await rules(t)
    assert {key: (one["name"], one["version"]) for key, one in after.items()} == {
        "dead": ("An agent is dead", 2), "stalled": ("Stuck", 2), "blocked": ("Long in a tool", 1),
    }  # fmt: skip
    assert after["stalled"]["for"] == "3m"
    (pack,) = [one for one in (await t.request("GET", "rule-packs"))["items"] if one["switched_on"]]
    assert {one["key"]: one["edited"] for one in pack["rules"]} == {"dead": True, "stalled": False, "blocked": False}
    assert await packing.renew(t.deps, t.clock()) == 0
    # What is shipped no more goes; what somebody edited stays theirs.
    ship(monkeypatch, "liveness", {"stalled": old["stalled"]})
    await t.request("PUT", "rule-packs/liveness", {})
    assert sorted(await rules(t)) == ["dead", "stalled"]


async def test_switched_off_and_on_again_it_is_as_new(t: Timeline) -> None:
    await t.request("PUT", "rule-packs/liveness", {})
    made = await rules(t)
    await t.request("PATCH", f"alert-configs/{made['dead']['id']}", {"severity": "warning"})
    await t.request("DELETE", f"alert-configs/{made['stalled']['id']}")
    t.at("1m")
    await t.request("DELETE", "rule-packs/liveness")
    t.at("2m")
    await t.request("PUT", "rule-packs/liveness", {})
    again = await rules(t)
    assert sorted(again) == ["dead", "missed-run", "stalled"]
    assert again["dead"]["severity"] == "critical"


async def test_secrets_of_channels_are_covered_and_kept(t: Timeline) -> None:
    hook = {"webhook": {"url": "https://example.com/hook", "secret": "s3cret"}}
    answer = await t.request("PUT", "rule-packs/cost", {"channels": hook})
    assert "s3cret" not in str(answer)
    before = await t.rows("SELECT id, channels, version FROM alert_configs ORDER BY id")
    await t.request("PUT", "rule-packs/cost", answer["overrides"])
    assert await t.rows("SELECT id, channels, version FROM alert_configs ORDER BY id") == before
    assert "s3cret" in str(before)
    assert "s3cret" not in str(await t.rows("SELECT new_values FROM audit_logs"))
