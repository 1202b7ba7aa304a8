"""Log records as lines of agents' logs: searchable text, which never counts as a run."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from monitor.agents.live import LogRow
from monitor.ids import uuid7_named
from monitor.ingest import values
from monitor.ingest.labels import text_of
from monitor.ingest.logs import LogDraft, LogKind
from monitor.ingest.otlp import records, sender
from monitor.ingest.payloads import Outcome
from monitor.ingest.privacy import Policy, is_said
from monitor.ingest.values import Fault, Warn, Window

LEVELS = ("trace", "debug", "info", "warning", "error", "critical")
"""Of severities 1 to 4, 5 to 8 and so on."""

STATUSES = {"warning": "warning", "error": "error", "critical": "error"}
_SAID = {"warn": "warning", "err": "error", "fatal": "critical", "information": "info", "notice": "info"}
_LEVEL_LIMIT = 50
_RESOURCE_PREFIXES = ("service.", "deployment.", "host.", "telemetry.", "process.pid")


class LineDraft(LogDraft):
    """A line whose id is made of its time and what it says: the same record again changes nothing."""

    __slots__ = ()

    def row(self, agent_id: UUID, received_us: int) -> LogRow:
        """The row to store."""
        row = super().row(agent_id, received_us)
        return row._replace(id=uuid7_named(self.at_us, f"{self.level}\n{self.message}\n{self.details!r}"))


def withheld(record: records.LogRecord, policy: Policy) -> records.LogRecord:
    """The record without the contents that the tenant does not keep: bodies of events of what was said, and attributes
    that are contents by their name. What is redacted is redacted with all other logs."""
    if policy.contents:
        return record
    name = record.event_name or record.attributes.get("event.name")
    body = policy.content(record.body) if type(name) is str and is_said(name) else record.body
    return replace(record, body=body, attributes=policy.attributes(dict(record.attributes)))


def drafts(logs: Iterable[records.LogRecord], window: Window, outcome: Outcome) -> list[LineDraft]:
    """The good records, their rows counted through the request; the others are named in `outcome`."""
    kept: list[LineDraft] = []
    for row, record in enumerate(logs):
        try:
            kept.append(_draft(row, record, window, outcome))
        except Fault as fault:
            outcome.reject(row, str(fault))
    return kept


def _draft(row: int, record: records.LogRecord, window: Window, outcome: Outcome) -> LineDraft:
    def warn(text: str) -> None:
        outcome.warnings.append((row, text))

    # Records without any time are a microsecond apart: they keep their order.
    at_us = (record.time_ns or record.observed_ns) // 1000 or window.now_us + row
    level = level_of(record.severity_number, record.severity_text)
    return LineDraft(
        row, values.name(sender.agent_of(record.attributes, record.resource), "agent"),
        window.check(at_us, "time_unix_nano"), None, at_us, None, LogKind.LINE.value,
        STATUSES.get(level or "", "success"), level, None, _message(record, warn),
        values.details(_details(record), warn),
    )  # fmt: skip


def level_of(number: int, text: str) -> str | None:
    """The level's word: by the severity's number, else by its text."""
    if 1 <= number <= 24:
        return LEVELS[(number - 1) // 4]
    said = text.strip().lower()[:_LEVEL_LIMIT]
    return _SAID.get(said, values.clean(said)) or None


def _message(record: records.LogRecord, warn: Warn) -> str | None:
    """A body's text; of a body that is none its event's name, else its JSON."""
    if type(record.body) is str:
        return values.text(record.body, "body", warn)
    if record.event_name:
        return values.text(record.event_name, "event_name", warn)
    return None if record.body is None else values.text(text_of(record.body), "body", warn)


def _details(record: records.LogRecord) -> dict[str, Any]:
    """What the record says beside its message; nothing that is empty."""
    said = {
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "event_name": record.event_name,
        "severity": record.severity_text,
        "scope": record.scope.name,
        "body": None if type(record.body) is str else record.body,
        "attributes": record.attributes,
        "resource": {
            key: value for key, value in record.resource.attributes.items() if key.startswith(_RESOURCE_PREFIXES)
        },
    }
    return {key: value for key, value in said.items() if value not in (None, "", {})}
