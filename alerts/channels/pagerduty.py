"""PagerDuty's Events API v2: an event for each alert of a message, under a key that lasts as long as the alert.

Not by Apprise: it cannot acknowledge, asks for an API key that Events v2 has no use for, and does not say when to come
back after 429. The format: PagerDuty's "Send an Alert Event", `POST /v2/enqueue`.
"""

import json
from collections import OrderedDict
from datetime import UTC
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from alerts.channels.answers import TIMEOUT, failure, unreachable
from alerts.core.message import AlertLine, Message, Reference, facts, headline, reading, title
from alerts.core.vocabulary import ChannelKind, Reason
from alerts.core.wording import is_link, one_line
from monitor.clock import Clock
from monitor.errors import ChannelError
from monitor.http.outbound import FAILURES, Allowed, Outbound

_REMEMBERED = 1000
_SUMMARY, _DETAIL = 1024, 4000  # 1,024 characters is PagerDuty's limit; a whole event may have 512 kB


class PagerDutyChannel:
    """The target is what is shown of an integration's routing key; the key itself is the message's secret."""

    kind = ChannelKind.PAGERDUTY

    def __init__(self, api_url: str, public_url: str, *, now: Clock) -> None:
        """`api_url`: of the service region; `public_url`: where events say they come from."""
        self._url = f"{api_url.rstrip('/')}/v2/enqueue"
        self._public_url = public_url
        self._now = now
        # The operator's address, not a caller's.
        self._outbound = Outbound(
            Allowed(hosts=frozenset([(urlsplit(api_url).hostname or "").lower()])), seconds=TIMEOUT
        )
        # What of a message was taken before an event of it was put off: a retry by this process spares it.
        self._taken: OrderedDict[UUID, dict[str, str]] = OrderedDict()

    async def send(self, target: str, message: Message, previous: Reference | None) -> Reference:
        """Send what PagerDuty does not know of each alert yet. Returns what it knows: {alert's id: action}.

        A repeat or an escalation triggers again: an incident that was resolved over there while the alert goes on
        firing opens anew.
        """
        if message.secret is None:
            raise ChannelError("the routing key itself is not known any more", permanent=True)
        known = dict(previous if previous is not None else message.thread_root or {})
        taken = self._taken.get(message.notification_id, {})
        again = message.reason in (Reason.REPEAT, Reason.ESCALATED, Reason.TEST)
        for line in message.ordered:
            key, action = str(line.alert_id), _action(line)
            if taken.get(key) == action or (known.get(key) == action and not (again and line.firing)):
                continue
            if action == "acknowledge" and key not in known and key not in taken:
                await self._post(message.secret, "trigger", line, message)
            await self._post(message.secret, action, line, message)
            taken[key] = action
            self._remember(message.notification_id, taken)
        self._taken.pop(message.notification_id, None)
        return known | taken

    async def close(self) -> None:
        """Close idle connections."""
        await self._outbound.close()

    async def _post(self, routing_key: str, action: str, line: AlertLine, message: Message) -> None:
        body = json.dumps({"routing_key": routing_key, **event(action, line, message, self._public_url)}).encode()
        try:
            answer = await self._outbound.post(self._url, body, headers={}, secret=None, at=self._now())
        except FAILURES as error:
            raise unreachable("PagerDuty", error) from error
        if not answer.ok:
            said = answer.said.replace(routing_key, "…")
            raise failure("PagerDuty", answer.status, said=said, headers=answer.headers, now=self._now())

    def _remember(self, notification_id: UUID, taken: dict[str, str]) -> None:
        self._taken[notification_id] = taken
        while len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)


def event(action: str, line: AlertLine, message: Message, public_url: str) -> dict[str, Any]:
    """One event without its routing key. `dedup_key` is the alert's id: an alert is one incident from end to end."""
    bare = {"event_action": action, "dedup_key": str(line.alert_id)}
    if action != "trigger":
        return bare
    details = {fact.label: one_line(fact.value, _DETAIL) for fact in facts(line, message.at) if not fact.link}
    mark = "[TEST] " if message.test else ""
    said = one_line(line.summary, 500) or reading(line)
    links = [(line.url, "Alert"), (line.runbook or "", "Runbook")]
    return bare | {
        "client": "Agent Monitor",
        "client_url": public_url,
        "links": [{"href": url, "text": name} for url, name in links if is_link(url)],
        "payload": {
            "summary": one_line(f"{mark}{headline(line)}: {said}", _SUMMARY),
            "source": one_line(line.agent, 200),
            "severity": str(line.severity),
            "timestamp": line.since.astimezone(UTC).isoformat(timespec="milliseconds"),
            "component": one_line(line.agent, 200),
            "group": one_line(message.tenant, 200),
            "class": one_line(line.rule, 200),
            "custom_details": details | {"Message": title(message), "Sent because": one_line(message.why, 500)},
        },
    }


def _action(line: AlertLine) -> str:
    if not line.firing:
        return "resolve"
    return "acknowledge" if line.acknowledged else "trigger"
