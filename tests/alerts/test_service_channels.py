"""Channels whose addresses are secrets: rules, named channels and fallbacks use them, and nobody is shown them."""

import json
import logging

import pytest

from alerts.core.covering import cover, seal
from alerts.core.vocabulary import ChannelKind, Reason
from alerts.rule_files import import_rules, read_file, stored_rules, write_file
from monitor.errors import ChannelError
from tests.alerts.timeline import Timeline, span

FAILS = {"status": "error"}
KEY = "0123456789abcdef0123456789abcdef"
DISCORD = "https://discord.com/api/webhooks/1234567890/" + "s3cret" * 10
TELEGRAM = "tgram://123456789:" + "s3cret" * 6 + "/-100200300"
NTFY = "ntfys://ntfy.example.com/s3cret"
GOTIFY = "gotifys://push.example.com/s3cretS3cretS3"
WORKFLOW = (
    "https://prod-01.westeurope.logic.azure.com:443/workflows/" + "a" * 32 + "/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=s3cret" + "b" * 40
)
HOOK = "https://hooks.slack.com/services/T0/B0/s3cretS3cretS3"
ALL = {
    "slack": HOOK, "webhook": "https://receiver.example/s3cret?a=b",
    "pagerduty": KEY, "discord": DISCORD, "telegram": TELEGRAM, "ntfy": NTFY, "teams": WORKFLOW, "apprise": GOTIFY,
}  # fmt: skip
SHOWN = {kind: cover(address) for kind, address in ALL.items()}


def unseen(said: object) -> bool:
    """Whether no secret stands in what was said."""
    text = json.dumps(said, default=str) if not isinstance(said, str) else said
    return "s3cret" not in text and KEY not in text


async def test_a_rule_uses_them_and_nobody_is_shown_them(t: Timeline, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rule = await t.rule(FAILS, channels=ALL, escalate=[{"after": "5m", "channels": {"ntfy": [NTFY + "2"]}}])
    assert rule["channels"] == SHOWN
    assert unseen(rule)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    for kind in ALL:
        sent = t.expect(kind, Reason.FIRST)
        assert (sent.target, sent.message.secret) == (SHOWN[kind], ALL[kind])
    await t.tick("6m")
    assert t.expect("ntfy", Reason.ESCALATED).message.secret == NTFY + "2"
    await t.log("akira-001", "success", "7m")
    await t.tick("7m10s")
    for kind in ALL:
        assert t.expect(kind, Reason.RESOLVED, target=SHOWN[kind]).message.secret == ALL[kind]
    (alert,) = await t.alerts()
    assert unseen(await t.request("GET", f"alerts/{alert['id']}/timeline"))
    then = (t.start + span("10s")).isoformat().replace("+", "%2B")
    explained = await t.request("GET", f"alert-configs/{rule['id']}/explain?agent=akira-001&at={then}", expect=200)
    assert unseen(explained)
    assert {one["target"] for one in explained["notified"]} == set(SHOWN.values())
    await t.request("POST", "alert-configs/preview", {"conditions": FAILS, "name": "n", "channels": SHOWN}, expect=200)
    page = await t.client.get(f"/alerts/{alert['id']}", headers=t.tenant.headers)
    assert page.status_code == 200
    assert unseen(page.text)
    assert unseen(await t.request("GET", f"alert-configs/{rule['id']}/versions"))
    assert unseen(await t.request("GET", "alert-configs"))
    assert unseen(await t.rows("SELECT heard, details FROM alerts"))
    assert unseen(await t.rows("SELECT * FROM notifications"))
    assert unseen(await t.rows("SELECT * FROM audit_logs"))
    # What Apprise says by itself goes nowhere: see the test of the logs' configuration.
    assert unseen([record.getMessage() for record in caplog.records if record.name != "apprise"])


async def test_what_is_shown_may_be_sent_back_and_stands_for_what_is_stored(t: Timeline) -> None:
    rule = await t.rule(FAILS, channels={"discord": [DISCORD], "email": "ops@example.com"})
    changed = await t.request("PUT", f"alert-configs/{rule['id']}", {k: rule[k] for k in ("name", "agent")} | {
        "conditions": FAILS, "channels": rule["channels"] | {"pagerduty": KEY}, "severity": "critical",
    })  # fmt: skip
    assert changed["channels"] == {"discord": [SHOWN["discord"]], "email": "ops@example.com", "pagerduty": cover(KEY)}
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    assert t.expect("discord", Reason.FIRST).message.secret == DISCORD
    assert t.expect("pagerduty", Reason.FIRST).message.secret == KEY
    refused = await t.request(
        "POST", "alert-configs", {"name": "n", "conditions": FAILS, "channels": {"ntfy": SHOWN["ntfy"]}}, expect=422
    )
    assert "channels.ntfy: is only what is shown of an address" in refused["detail"]


async def test_a_contact_is_shown_covered_and_may_be_sent_back(t: Timeline) -> None:
    me = f"members/owner@{t.tenant.slug}.example"
    contacts = [{"kind": "slack", "target": HOOK}, {"kind": "telegram", "target": TELEGRAM, "after": "5m"}]
    made = await t.request("PATCH", me, {"contacts": contacts})
    assert [one["target"] for one in made["contacts"]] == [SHOWN["slack"], SHOWN["telegram"]]
    again = await t.request("PATCH", me, {"contacts": made["contacts"][::-1]})
    assert again["contacts"] == made["contacts"][::-1]
    stored = await t.rows("SELECT secret FROM contact_methods ORDER BY position")
    assert [row["secret"] for row in stored] == [TELEGRAM, HOOK]
    assert unseen(await t.rows("SELECT * FROM audit_logs"))


async def test_a_webhook_channel_keeps_what_signs_when_its_url_changes(t: Timeline) -> None:
    url = ALL["webhook"]
    made = await t.request("POST", "channels", {"name": "hook", "kind": "webhook", "target": url, "secret": "signs"})
    assert (made["target"], made["signed"]) == (SHOWN["webhook"], True)
    await t.request("PATCH", "channels/hook", {"name": "hooks"})
    await t.request("PATCH", "channels/hooks", {"target": made["target"]})
    assert (await t.rows("SELECT secret FROM channels"))[0]["secret"] == seal(url, "signs")
    await t.request("PATCH", "channels/hooks", {"target": url + "2"})
    assert (await t.rows("SELECT secret FROM channels"))[0]["secret"] == seal(url + "2", "signs")
    unsigned = await t.request("PATCH", "channels/hooks", {"secret": None})
    assert not unsigned["signed"]
    assert (await t.rows("SELECT secret FROM channels"))[0]["secret"] == url + "2"


async def test_what_an_earlier_release_stored_is_shown_covered_too(t: Timeline) -> None:
    await t.request("POST", "channels", {"name": "hook", "kind": "slack", "target": "#x"})
    await t.all_rows("UPDATE channels SET target = :url, secret = NULL", url=HOOK)
    assert (await t.request("GET", "channels/hook"))["target"] == SHOWN["slack"]
    await t.rule(FAILS, channels={"channel": "hook"})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    sent = t.expect("slack", Reason.FIRST)
    assert (sent.target, sent.message.secret) == (SHOWN["slack"], HOOK)


async def test_rules_go_out_as_yaml_covered_and_come_in_again_whole(t: Timeline) -> None:
    hook = {"url": ALL["webhook"], "secret": "signs"}
    labels = {"slack": "https://docs.example/not-a-channel"}
    await t.rule(FAILS, channels={"slack": [HOOK, "#ops"], "webhook": hook, "discord": DISCORD}, labels=labels)
    before = await t.rows("SELECT channels, version FROM alert_configs")
    written = write_file(await stored_rules(t.deps, t.tenant.id))
    assert unseen(written)
    assert SHOWN["slack"] in written
    assert labels["slack"] in written
    same = await import_rules(t.deps, t.tenant.principal, read_file(written))
    assert (same.same, same.changed) == (1, 0)
    await import_rules(t.deps, t.tenant.principal, read_file(written.replace("#ops", "#others")))
    (after,) = await t.rows("SELECT channels, version FROM alert_configs")
    assert after["version"] == before[0]["version"] + 1
    assert after["channels"] == {"slack": [HOOK, "#others"], "webhook": hook, "discord": DISCORD}


async def test_a_named_channel_and_the_fallback(t: Timeline) -> None:
    for kind, address in ALL.items():
        made = await t.request("POST", "channels", {"name": f"my {kind}", "kind": kind, "target": address})
        assert (made["kind"], made["target"], made["signed"]) == (kind, SHOWN[kind], False)
    assert unseen(await t.request("GET", "channels"))
    named = [f"my {kind}" for kind in ALL]
    rule = await t.rule(FAILS, channels={"channel": named})
    renamed = await t.request("PATCH", "channels/my ntfy", {"target": SHOWN["ntfy"]})
    assert renamed["target"] == SHOWN["ntfy"]
    moved = await t.request("PATCH", "channels/my apprise", {"target": GOTIFY + "4"})
    assert moved["target"] == cover(GOTIFY + "4")
    asked = await t.request("POST", f"alert-configs/{rule['id']}/test")
    assert unseen(asked)
    await t.deliver("10s")
    for kind, address in (ALL | {"apprise": GOTIFY + "4"}).items():
        assert t.expect(kind, Reason.TEST).message.secret == address
    fallback = await t.request("PUT", "channels/fallback", {"discord": DISCORD})
    assert fallback == {"discord": [SHOWN["discord"]]} == await t.request("GET", "channels/fallback")
    assert await t.request("PUT", "channels/fallback", fallback) == fallback
    await t.rule(FAILS, name="Nobody", agent="kaneda-001", channels={})
    await t.log("kaneda-001", "error", "15s")
    await t.tick("20s")
    assert t.expect("discord", Reason.FIRST).message.secret == DISCORD
    assert unseen(await t.rows("SELECT * FROM audit_logs"))


async def test_a_named_channel_of_each_kind_is_tried_by_itself(t: Timeline) -> None:
    for kind, address in (ALL | {"email": "ops@example.com"}).items():
        await t.request("POST", "channels", {"name": f"my {kind}", "kind": kind, "target": address})
        asked = await t.request("POST", f"channels/my {kind}/test", expect=202)
        assert unseen(asked)
        await t.deliver("10s")
        sent = t.expect(kind, Reason.TEST)
        assert sent.message.test
        assert sent.message.why == "somebody asked for a test of this channel"
        assert sent.target == SHOWN.get(kind, address)
    t.expect_silence()
    await t.request("POST", "channels/nobody/test", expect=404)


@pytest.mark.parametrize(
    ("kind", "address", "said"),
    [
        ("pagerduty", "s3cret", "32 letters and digits"),
        ("telegram", "tgram://s3cret", "tgram://bot-token/chat-id"),
        ("apprise", "nonsense://s3cret", "a URL of Apprise"),
        ("apprise", "syslog://s3cret", "a URL of Apprise"),
        ("discord", "https://s3cret.example.com/hook", "discord.com/api/webhooks"),
    ],
)
async def test_an_address_that_cannot_be_used_is_refused_with_its_path(
    t: Timeline, kind: str, address: str, said: str
) -> None:
    body = {"name": "n", "conditions": FAILS, "channels": {kind: address}}
    for method, path, sent, where in (
        ("POST", "alert-configs", body, "channels"),
        ("POST", "channels", {"name": "n", "kind": kind, "target": address}, "target"),
        ("PUT", "channels/fallback", {kind: address}, "channels"),
    ):
        answer = await t.request(method, path, sent, expect=422)
        assert said in answer["detail"]
        assert answer["detail"].startswith(where)
        assert unseen(answer)


async def test_one_that_fails_raises_an_alert_through_another_and_is_tried_again(t: Timeline) -> None:
    await t.request("PUT", "channels/fallback", {"email": "fallback@example.com"})
    await t.rule(FAILS, channels={"pagerduty": KEY}, repeat="10m")
    t.channels[ChannelKind.PAGERDUTY].failing[SHOWN["pagerduty"]] = ChannelError(
        "PagerDuty answered 400", permanent=True
    )
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    await t.deliver("11s")
    copy = t.expect("email", Reason.FIRST, target="fallback@example.com")
    assert copy.message.why.endswith(
        f"could not be delivered to pagerduty {SHOWN['pagerduty']}: PagerDuty answered 400"
    )
    del t.channels[ChannelKind.PAGERDUTY].failing[SHOWN["pagerduty"]]
    await t.tick("11m")
    assert t.expect("pagerduty", Reason.REPEAT).message.secret == KEY


async def test_what_people_do_reaches_pagerduty_at_once(t: Timeline) -> None:
    await t.rule(FAILS, channels={"pagerduty": KEY})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("pagerduty", Reason.FIRST)
    (alert,) = await t.alerts()
    await t.request("POST", f"alerts/{alert['id']}/acknowledge", {"comment": "mine"})
    await t.deliver("12s")
    (line,) = t.expect("pagerduty", Reason.RESPONDED).message.lines
    assert line.acknowledged
    await t.request("POST", f"alerts/{alert['id']}/resolve", {})
    await t.deliver("13s")
    assert not t.expect("pagerduty", Reason.RESOLVED).message.lines[0].firing


async def test_what_begins_beside_what_ends_is_sent_with_the_secret(t: Timeline) -> None:
    await t.rule(FAILS, agent=None, channels={"webhook": ALL["webhook"]})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("webhook", Reason.FIRST)
    await t.log("akira-001", "success", "12s")
    await t.log("tetsuo-001", "error", "13s")
    await t.tick("20s")
    assert t.expect("webhook", Reason.RESOLVED).message.secret == ALL["webhook"]
    assert t.expect("webhook", Reason.FIRST, agents=["tetsuo-001"]).message.secret == ALL["webhook"]
