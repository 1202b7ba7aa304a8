"""Messages for channel tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from alerts.core.message import AlertLine, Message
from alerts.core.vocabulary import CloseReason, Reason, Severity

NOW = datetime(2026, 11, 22, 18, 35, 33, tzinfo=UTC)
NOTIFICATION = UUID("0192f1a0-0000-7000-8000-000000000001")
GROUP = UUID("0192f1a0-0000-7000-8000-000000000002")

HOSTILE = "evil\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script> <!channel> & \u202egnp.exe\x00\ud800 ```"


def line(number: int = 1, **changes: Any) -> AlertLine:
    """One firing alert."""
    return msgspec.structs.replace(
        AlertLine(
            alert_id=UUID(int=number),
            rule="Akira fails",
            agent=f"akira-{number:03}",
            severity=Severity.CRITICAL,
            labels={"team": "platform"},
            summary="3 consecutive failures, threshold 3",
            value=3.0,
            threshold=3.0,
            since=NOW - timedelta(minutes=12),
            last_message="Traceback (most recent call last):\n  File agent.py, line 7\nValueError: bad <diff> & more",
            cost_usd=0.4217,
            runbook="https://wiki.example.com/akira",
            owner="platform@example.com",
            url=f"https://monitor.example.com/alerts/{number}",
        ),
        **changes,
    )


def message(*lines: AlertLine, **changes: Any) -> Message:
    """A first message; counts follow the lines."""
    given = lines or (line(),)
    firing = sum(one.firing for one in given)
    return replace(
        Message(
            notification_id=NOTIFICATION,
            group_id=GROUP,
            tenant="acme",
            reason=Reason.FIRST if firing else Reason.RESOLVED,
            why="the condition began to hold" if firing else "the condition no longer holds",
            at=NOW,
            lines=given,
            firing=firing,
            resolved=len(given) - firing,
            url="https://monitor.example.com/alerts",
        ),
        **changes,
    )


def ended(number: int = 1, because: CloseReason = CloseReason.RECOVERED, **changes: Any) -> AlertLine:
    """One that is over."""
    return line(number, resolved_at=NOW, close_reason=because, **changes)


def hostile() -> Message:
    """Everything that agents and people may write, at its worst."""
    big = HOSTILE + "A" * 200_000
    return message(
        line(
            rule=big,
            agent=big,
            labels={big: big, "agent": "another", "alertname": "another"},
            summary=big,
            last_message=big,
            owner=big,
            runbook="javascript:alert(1)",
        ),
        why=big,
        tenant=big,
    )


def crowd(count: int = 500) -> Message:
    """A group of many, some of them over."""
    return message(*(ended(n) if n % 50 == 0 else line(n) for n in range(1, count + 1)))
