"""PagerDuty's Events API v2 against a server that takes it as the real one does."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from alerts.channels.pagerduty import PagerDutyChannel
from alerts.core.covering import cover
from alerts.core.message import Message, Reference
from alerts.core.vocabulary import Reason, Severity
from monitor.errors import ChannelError
from tests.channels.messages import NOW, crowd, ended, hostile, line, message
from tests.channels.servers import Answer, Stub, serving

KEY = "0123456789abcdef0123456789abcdef"


class Events(Stub):
    """Checks what the documentation demands of an event, and keeps the incidents that come of them."""

    def __init__(self) -> None:
        super().__init__()
        self.incidents: dict[str, str] = {}

    def usual(self, call: tuple[str, dict[str, Any]]) -> Any:
        path, body = call
        assert path == "enqueue"
        assert body["routing_key"] == KEY
        key, action = body["dedup_key"], body["event_action"]
        assert len(key) <= 255
        if action == "trigger":
            payload = body["payload"]
            assert 0 < len(payload["summary"]) <= 1024
            assert payload["source"]
            assert payload["severity"] in ("critical", "error", "warning", "info")
            self.incidents[key] = "triggered"
        elif key in self.incidents and self.incidents[key] != "resolved":
            self.incidents[key] = {"acknowledge": "acknowledged", "resolve": "resolved"}[action]
        return {"status": "success", "message": "Event processed", "dedup_key": key}

    @property
    def actions(self) -> list[str]:
        return [body["event_action"] for _, body in self.calls]


@pytest.fixture
async def events() -> AsyncIterator[Events]:
    async with serving(Events()) as stub:
        assert isinstance(stub, Events)
        yield stub


@pytest.fixture
async def pagerduty(events: Events) -> AsyncIterator[PagerDutyChannel]:
    channel = PagerDutyChannel(events.url, "https://monitor.example.com", now=lambda: NOW)
    yield channel
    await channel.close()


async def send(channel: PagerDutyChannel, given: Message, previous: Reference | None = None) -> Reference:
    return await channel.send(cover(KEY), replace(given, secret=KEY), previous)


async def test_an_alert_is_one_incident_from_trigger_to_resolve(pagerduty: PagerDutyChannel, events: Events) -> None:
    first = await send(pagerduty, message())
    assert events.requests[0][0].path == "/v2/enqueue"
    payload = events.calls[0][1]["payload"]
    assert payload["summary"].startswith("critical: Akira fails — akira-001 (team=platform): 3 consecutive failures")
    assert (payload["source"], payload["severity"], payload["group"]) == ("akira-001", "critical", "acme")
    assert payload["custom_details"]["Sent because"] == "the condition began to hold"
    assert [link["text"] for link in events.calls[0][1]["links"]] == ["Alert", "Runbook"]
    second = await send(pagerduty, message(line(acknowledged=True)), first)
    last = await send(pagerduty, message(ended()), second)
    assert events.actions == ["trigger", "acknowledge", "resolve"]
    assert set(events.incidents.values()) == {"resolved"}
    assert events.calls[2][1] == {"routing_key": KEY, "event_action": "resolve", "dedup_key": str(line().alert_id)}
    assert list(last.values()) == ["resolve"]


async def test_a_group_tells_only_what_is_new_and_a_repeat_triggers_again(
    pagerduty: PagerDutyChannel, events: Events
) -> None:
    known = await send(pagerduty, message(line(1), line(2)))
    known = await send(pagerduty, message(line(1), line(2), line(3)), known)
    assert events.actions == ["trigger"] * 3
    known = await send(pagerduty, message(ended(1), line(2), line(3)), known)
    assert events.actions[3:] == ["resolve"]
    await send(pagerduty, message(ended(1), line(2), line(3), reason=Reason.REPEAT), known)
    assert events.actions[4:] == ["trigger", "trigger"]
    assert sorted(events.incidents.values()) == ["resolved", "triggered", "triggered"]


async def test_what_was_acknowledged_before_it_was_told_is_triggered_first(
    pagerduty: PagerDutyChannel, events: Events
) -> None:
    await send(pagerduty, message(line(acknowledged=True)))
    assert events.actions == ["trigger", "acknowledge"]
    assert list(events.incidents.values()) == ["acknowledged"]


@pytest.mark.parametrize("severity", Severity)
async def test_severities_are_its_own(pagerduty: PagerDutyChannel, events: Events, severity: Severity) -> None:
    await send(pagerduty, message(line(severity=severity)))
    assert events.calls[0][1]["payload"]["severity"] == str(severity)


async def test_after_a_limit_only_the_rest_is_sent(pagerduty: PagerDutyChannel, events: Events) -> None:
    group = crowd(5)
    events.answers = [Answer(202, {}), Answer(202, {}), Answer(429, "slow down", {"Retry-After": "30"})]
    with pytest.raises(ChannelError, match="answered 429") as caught:
        await send(pagerduty, group)
    assert (caught.value.permanent, caught.value.retry_after) == (False, 30.0)
    await send(pagerduty, group)
    keys = [body["dedup_key"] for _, body in events.calls]
    assert len(keys) == 6
    assert len(set(keys)) == 5


async def test_a_wrong_key_is_permanent_and_not_told(pagerduty: PagerDutyChannel, events: Events) -> None:
    events.answers = [Answer(400, f"invalid routing key {KEY}")]
    with pytest.raises(ChannelError, match="answered 400: invalid routing key …") as caught:
        await send(pagerduty, message())
    assert caught.value.permanent
    assert KEY not in caught.value.message


async def test_a_test_message_says_so_and_hostile_text_is_within_the_limits(
    pagerduty: PagerDutyChannel, events: Events
) -> None:
    await send(pagerduty, message(reason=Reason.TEST, test=True))
    assert events.calls[0][1]["payload"]["summary"].startswith("[TEST] ")
    await send(pagerduty, hostile())
    assert len(events.requests[1][1]) < 60_000


async def test_nobody_there_passes_and_a_lost_key_does_not(events: Events) -> None:
    channel = PagerDutyChannel("http://127.0.0.1:1", "", now=lambda: NOW)
    with pytest.raises(ChannelError, match="PagerDuty cannot be reached") as caught:
        await send(channel, message())
    assert not caught.value.permanent
    with pytest.raises(ChannelError, match="not known any more") as caught:
        await channel.send(cover(KEY), message(), None)
    assert caught.value.permanent
    await channel.close()
