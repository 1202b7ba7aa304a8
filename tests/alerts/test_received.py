"""Alerts that are posted as to Alertmanager: what becomes of them, and how long they go on."""

from typing import Any

import pytest

from alerts.core.received import fingerprint
from alerts.core.vocabulary import Reason
from alerts.received import follow_received
from monitor.principal import Scope
from tests.alerts.timeline import PUBLIC_URL, Timeline, span
from tests.factories import make_key

LABELS = {"alertname": "HighLatency", "severity": "page", "job": "api", "instance": "api-1:9090"}
ANNOTATIONS = {
    "summary": "p95 is 3 s",
    "description": "since the deploy",
    "runbook_url": "https://wiki.example/latency",
}


async def post(t: Timeline, at: str, *alerts: dict[str, Any], expect: int = 200) -> dict[str, Any]:
    """Post alerts at a time, whose `startsAt` and `endsAt` are said as the timeline's."""
    now = t.at(at)
    body = []
    for alert in alerts:
        times = {name: (t.start + span(alert[name])).isoformat() for name in ("startsAt", "endsAt") if name in alert}
        said = {"labels": LABELS, "annotations": ANNOTATIONS, "generatorURL": "http://prometheus/graph"}
        body.append(said | alert | times)
    answer = await t.client.post("/api/v2/alerts", json=body, headers=t.tenant.headers)
    assert answer.status_code == expect, answer.text
    await look(t, at)
    assert t.clock.time >= now
    answered: dict[str, Any] = answer.json()
    return answered


async def look(t: Timeline, at: str) -> int:
    """What the alerter does every second."""
    found = await follow_received(t.db, now=t.at(at), public_url=PUBLIC_URL)
    await t.deliver(at)
    return found


async def ask(t: Timeline, query: str = "") -> list[dict[str, Any]]:
    answer = await t.client.get(f"/api/v2/alerts{query}", headers=t.tenant.headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


@pytest.fixture
async def f(t: Timeline) -> Timeline:
    """With a fallback channel."""
    await t.request("PUT", "channels/fallback", {"email": "ops@example.com"})
    return t


async def test_it_opens_is_told_once_and_is_resolved_when_it_is_said_to_be(f: Timeline) -> None:
    await post(f, "10s", {"startsAt": "5s", "endsAt": "4m10s"})
    (line,) = f.expect("email", Reason.FIRST, target="ops@example.com").message.lines
    assert (line.rule, line.agent, line.severity, line.summary) == (
        "HighLatency",
        "api-1:9090",
        "critical",
        "p95 is 3 s",
    )
    assert line.labels == {"job": "api", "instance": "api-1:9090", "severity": "page"}
    assert (line.runbook, line.last_message) == ("https://wiki.example/latency", "since the deploy")
    await post(f, "1m10s", {"startsAt": "5s", "endsAt": "5m10s"})
    f.expect_silence()
    (alert,) = await f.alerts()
    assert (alert["status"], alert["rule"], alert["config_id"]) == ("open", "HighLatency", None)
    await post(f, "2m10s", {"startsAt": "5s", "endsAt": "2m5s"})
    resolved = f.expect("email", Reason.RESOLVED)
    assert resolved.message.lines[0].recovered
    (alert,) = await f.alerts()
    assert (alert["status"], alert["reason"]) == ("resolved", "recovered")
    assert await f.rows("SELECT 1 FROM received_alerts") == []
    kinds = [event["kind"] for event in (await f.request("GET", f"alerts/{alert['id']}/timeline"))["items"]]
    assert kinds == ["fired", "notified", "resolved", "notified"]


async def test_one_that_is_not_posted_again_ends_and_is_not_called_recovered(f: Timeline) -> None:
    await post(f, "10s", {})
    f.expect("email", Reason.FIRST)
    await post(f, "4m", {})
    await look(f, "8m59s")
    f.expect_silence()
    await look(f, "9m1s")
    closed = f.expect("email", Reason.RESOLVED)
    assert not closed.message.lines[0].recovered
    assert closed.message.why == "the alert was closed: no longer reported"


async def test_it_repeats_and_an_acknowledgement_holds_that_back(f: Timeline) -> None:
    await post(f, "10s", {"endsAt": "2d"})
    f.expect("email", Reason.FIRST)
    await look(f, "4h")
    f.expect_silence()
    await look(f, "4h11s")
    f.expect("email", Reason.REPEAT)
    (alert,) = await f.alerts()
    await f.request("POST", f"alerts/{alert['id']}/acknowledge", {"comment": "mine"})
    await look(f, "9h")
    f.expect_silence()
    await look(f, "29h")
    f.expect("email", Reason.REPEAT)


async def test_closed_by_hand_it_stays_closed_until_it_would_repeat(f: Timeline) -> None:
    await post(f, "10s", {"endsAt": "2d"})
    f.expect("email", Reason.FIRST)
    (alert,) = await f.alerts()
    await f.request("POST", f"alerts/{alert['id']}/resolve", {})
    await f.deliver("20s")
    f.expect("email", Reason.RESOLVED)
    await post(f, "1m", {"endsAt": "2d"})
    f.expect_silence()
    await look(f, "4h21s")
    again = f.expect("email", Reason.FIRST)
    assert "resolved by hand" in again.message.why


async def test_a_silence_withholds_it_and_says_so(f: Timeline) -> None:
    silence = {"matchers": ['job="api"'], "ends_at": (f.start + span("1h")).isoformat(), "comment": "deploying"}
    f.at("1s")
    made = await f.request("POST", "silences", silence)
    await post(f, "10s", {"endsAt": "3h"})
    f.expect_silence()
    (one,) = await ask(f)
    assert (one["status"]["state"], one["status"]["silencedBy"]) == ("suppressed", [made["id"]])
    assert await ask(f, "?silenced=false") == []
    await look(f, "1h1s")
    f.expect("email", Reason.FIRST)


async def test_routes_say_where_and_the_first_that_matches_counts(f: Timeline) -> None:
    discord = "https://discord.com/api/webhooks/1234567890/" + "s3cret" * 10
    routes = [
        {"matchers": ['job="db"'], "channels": {"slack": "#db"}},
        {"matchers": ['job=~"api|web"', 'severity="critical"'], "channels": {"discord": discord}},
        {"matchers": ['job="api"'], "channels": {"slack": "#api"}},
    ]
    put = await f.request("PUT", "alert-settings", {"routes": routes, "received": {"resolve_timeout": "1m"}})
    assert "s3cret" not in str(put)
    assert "s3cret" not in str(await f.request("GET", "alert-settings"))
    assert await f.request("PUT", "alert-settings", put) == put
    await post(f, "10s", {}, {"labels": LABELS | {"severity": "info"}}, {"labels": {"alertname": "Other"}})
    assert f.expect("discord", Reason.FIRST).message.secret == discord
    f.expect("slack", Reason.FIRST, target="#api")
    f.expect("email", Reason.FIRST, target="ops@example.com")
    f.expect_silence()
    await look(f, "1m11s")
    for channel in ("discord", "slack", "email"):
        f.expect(channel, Reason.RESOLVED)


async def test_one_of_an_agent_is_the_agents(f: Timeline) -> None:
    await f.log("akira-001", "success", "1s")
    await post(f, "10s", {"labels": LABELS | {"agent": "akira-001"}})
    assert f.expect("email", Reason.FIRST).agents == ["akira-001"]
    (alert,) = await f.alerts(agent="akira-001")
    assert alert["agent"] == "akira-001"


async def test_good_ones_are_kept_where_others_are_faulty(f: Timeline) -> None:
    said = await post(
        f,
        "10s",
        {"labels": {}},
        {"labels": {"alertname": "Good", "empty": ""}},
        {"labels": {"alertname": 7}},
        {"startsAt": "9s", "endsAt": "8s"},
        {"labels": {"alertname": "x" * 2001}},
        expect=400,
    )
    assert said["detail"].startswith("[0]: at least one label is required; [2].labels.alertname: ")
    assert "[3]: the start must be before the end" in said["detail"]
    assert "[4].labels.alertname" in said["detail"]
    (alert,) = await f.alerts()
    assert (alert["rule"], alert["labels"]) == ("Good", {})


async def test_that_something_unknown_has_ended_is_no_news(f: Timeline) -> None:
    await post(f, "10s", {"startsAt": "1s", "endsAt": "5s"})
    assert await f.alerts() == []
    f.expect_silence()


async def test_they_are_answered_as_alertmanager_answers(f: Timeline) -> None:
    await post(f, "10s", {"startsAt": "5s", "endsAt": "4m10s"})
    (one,) = await ask(f)
    assert one["labels"] == LABELS
    assert one["annotations"] == ANNOTATIONS
    assert one["fingerprint"] == fingerprint(LABELS)
    assert one["generatorURL"] == "http://prometheus/graph"
    assert one["status"] == {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []}
    assert one["receivers"] == [{"name": "email ops@example.com"}]
    assert await ask(f, '?filter=job="db"') == []
    assert len(await ask(f, '?filter=job=~"a.*"&filter=severity="page"')) == 1
    await f.rule({"status": "error"})
    await f.log("akira-001", "error", "15s")
    await f.tick("20s")
    assert sorted(one["labels"]["alertname"] for one in await ask(f)) == ["Akira fails", "HighLatency"]
    status = (await f.client.get("/api/v2/status", headers=f.tenant.headers)).json()
    assert (status["cluster"]["status"], set(status)) == ("disabled", {"cluster", "versionInfo", "config", "uptime"})


async def test_who_may_post(f: Timeline) -> None:
    _, reader = await make_key(f.db, f.tenant.id, scopes=(Scope.READ,))
    await f.log("akira-001", "success", "1s")
    agent = await f.agent_id("akira-001")
    _, bound = await make_key(f.db, f.tenant.id, scopes=(Scope.INGEST,), agent_id=agent)
    _, sender = await make_key(f.db, f.tenant.id, scopes=(Scope.INGEST,))
    for key, status in ((reader, 403), (bound, 403), ("am_nobody_x", 401), (sender, 200)):
        answer = await f.client.post("/api/v2/alerts", json=[], headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == status, answer.text


def test_the_fingerprint_is_prometheus() -> None:
    # The empty set's is FNV's offset; one label's by hand.
    assert fingerprint({}) == "cbf29ce484222325"
    assert fingerprint({"a": "b"}) != fingerprint({"ab": ""}) != fingerprint({"": "ab"})
    assert fingerprint({"b": "2", "a": "1"}) == fingerprint({"a": "1", "b": "2"})
