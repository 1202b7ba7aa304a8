"""Webhooks in Alertmanager's payload version 4, signed, so that its receivers work unchanged."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from alerts.channels.answers import TIMEOUT, failure, unreachable
from alerts.core.covering import hide, unseal
from alerts.core.message import AlertLine, Message, Reference, closed_because, reading, title
from alerts.core.vocabulary import ChannelKind
from alerts.core.wording import is_link, number, one_line, paragraph
from monitor.clock import Clock
from monitor.errors import ChannelError
from monitor.http.outbound import FAILURES, NOTHING, Allowed, Outbound

_NEVER = "0001-01-01T00:00:00Z"  # Alertmanager's `endsAt` of an alert that still fires
_MOST = 1000  # alerts in one body; the others are counted


class WebhookChannel:
    """POSTs JSON to the target URL. Redirects are not followed: they could lead a signed body elsewhere."""

    kind = ChannelKind.WEBHOOK

    def __init__(self, secret: str | None, public_url: str, *, now: Clock, allowed: Allowed = NOTHING) -> None:
        """`secret` signs the bodies; `public_url` is the payload's `externalURL`; `allowed`: what is not public."""
        self._secret = secret.encode() if secret else None
        self._public_url = public_url
        self._now = now
        self._outbound = Outbound(allowed, seconds=TIMEOUT)

    async def send(self, target: str, message: Message, previous: Reference | None) -> Reference:
        """POST the message; 2xx is success. Receivers recognise a repeat by `Idempotency-Key`."""
        url, signing = unseal(target, message.secret)
        if not is_link(url):
            raise ChannelError("the webhook's target is not an http(s) URL", permanent=True)
        body = json.dumps(payload(message, self._public_url), ensure_ascii=False, allow_nan=False).encode()
        headers = {"Idempotency-Key": str(message.notification_id)}
        secret = signing.encode() if signing else self._secret
        try:
            answer = await self._outbound.post(url, body, headers=headers, secret=secret, at=self._now())
        except FAILURES as error:
            raise unreachable("the webhook", error) from error
        if not answer.ok:
            raise failure(
                "the webhook", answer.status, said=hide(url, answer.said), headers=answer.headers, now=self._now()
            )
        return {}

    async def close(self) -> None:
        """Close idle connections."""
        await self._outbound.close()


def payload(message: Message, public_url: str) -> dict[str, Any]:
    """Alertmanager's webhook body, version 4: see `webhook_config` in Alertmanager's configuration pages."""
    alerts = [_alert(line, message) for line in message.ordered[:_MOST]]
    common = _common(alert["labels"] for alert in alerts)
    return {
        "version": "4",
        "groupKey": str(message.group_id),
        "truncatedAlerts": max(0, message.firing + message.resolved - len(alerts)),
        "status": "firing" if message.firing else "resolved",
        "receiver": "agent-monitor",
        "groupLabels": {name: common[name] for name in ("alertname", "tenant") if name in common},
        "commonLabels": common,
        "commonAnnotations": _common(alert["annotations"] for alert in alerts),
        "externalURL": public_url,
        "alerts": alerts,
    }


def fingerprint(labels: Mapping[str, str]) -> str:
    """16 hex digits, the same for the whole episode: the severity may change and does not count."""
    named = sorted((name, value) for name, value in labels.items() if name != "severity")
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]


def _alert(line: AlertLine, message: Message) -> dict[str, Any]:
    own = {one_line(name, 200): one_line(value, 1000) for name, value in line.labels.items()}
    labels = own | {
        "alertname": one_line(line.rule, 200),
        "agent": one_line(line.agent, 200),
        "severity": str(line.severity),
        "tenant": one_line(message.tenant, 200),
    }
    return {
        "status": "firing" if line.firing else "resolved",
        "labels": labels,
        "annotations": _annotations(line, message),
        "startsAt": _rfc3339(line.since),
        "endsAt": _NEVER if line.resolved_at is None else _rfc3339(line.resolved_at),
        "generatorURL": line.url,
        "fingerprint": fingerprint(labels),
    }


def _annotations(line: AlertLine, message: Message) -> dict[str, str]:
    given = {
        "title": title(message) if message.test else "",
        "summary": one_line(line.summary, 500) or reading(line),
        "description": paragraph(line.last_message or "", 1500),
        "value": "" if line.value is None else number(line.value),
        "threshold": "" if line.threshold is None else number(line.threshold),
        "cost_usd": "" if line.cost_usd is None else f"{line.cost_usd:.2f}",
        "runbook_url": one_line(line.runbook or "", 2000),
        "owner": one_line(line.owner or "", 200),
        "alert_id": str(line.alert_id),
        "reason": str(message.reason),
        "why": one_line(message.why, 500),
        "closed_because": "" if line.firing else "recovered" if line.recovered else closed_because(line),
    }
    return {name: value for name, value in given.items() if value}


def _common(sets: Iterable[Mapping[str, str]]) -> dict[str, str]:
    common: dict[str, str] | None = None
    for one in sets:
        common = dict(one) if common is None else {k: v for k, v in common.items() if one.get(k) == v}
    return common or {}


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
