"""OpenTelemetry's log records as lines: levels, messages, what is searchable, the same record twice."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from monitor.ingest.otlp import lines, records
from monitor.ingest.otlp.lines import LineDraft
from monitor.ingest.payloads import Outcome
from monitor.ingest.values import Window
from tests.otlp.telling import MARK, MINUTE, NOW_US, SCOPE, resource

AGENT = UUID(int=7)


def record(**said: Any) -> records.LogRecord:
    given: dict[str, Any] = {
        "resource": MARK, "scope": SCOPE, "time_ns": NOW_US * 1000, "observed_ns": 0, "severity_number": 9,
        "severity_text": "", "body": "hello", "attributes": {}, "trace_id": None, "span_id": None, "event_name": "",
    }  # fmt: skip
    return records.LogRecord(**given | said)


def drafted(*said: records.LogRecord, outcome: Outcome | None = None) -> list[LineDraft]:
    return lines.drafts(said, Window.of(NOW_US, retention=30 * 86400.0), outcome or Outcome())


def details(draft: LineDraft) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.decode(draft.details or b"{}")
    return made


def test_a_record_is_a_line_of_its_sender() -> None:
    (draft,) = drafted(record())
    assert (draft.agent, draft.kind, draft.status, draft.level, draft.message) == (
        "mark", "line", "success", "info", "hello",
    )  # fmt: skip
    assert draft.at_us == draft.completed_us == NOW_US
    (draft,) = drafted(record(attributes={"gen_ai.agent.name": "akira"}))
    assert draft.agent == "akira"


@pytest.mark.parametrize(
    ("number", "text", "level", "status"),
    [
        (1, "", "trace", "success"),
        (8, "DEBUG4", "debug", "success"),
        (12, "", "info", "success"),
        (13, "WARN", "warning", "warning"),
        (17, "", "error", "error"),
        (24, "", "critical", "error"),
        (0, "WARN", "warning", "warning"),
        (0, "Fatal", "critical", "error"),
        (0, "ERROR", "error", "error"),
        (0, "notice", "info", "success"),
        (0, "verbose", "verbose", "success"),
        (0, "", None, "success"),
        (99, "", None, "success"),
    ],
)
def test_levels(number: int, text: str, level: str | None, status: str) -> None:
    (draft,) = drafted(record(severity_number=number, severity_text=text))
    assert (draft.level, draft.status) == (level, status)


def test_a_structured_body_is_in_the_details() -> None:
    (draft,) = drafted(record(body={"step": 3, "tool": "grep"}))
    assert draft.message == '{"step":3,"tool":"grep"}'
    assert details(draft)["body"] == {"step": 3, "tool": "grep"}
    (draft,) = drafted(record(body={"step": 3}, event_name="agent.step"))
    assert (draft.message, details(draft)["event_name"]) == ("agent.step", "agent.step")
    (draft,) = drafted(record(body=None))
    assert draft.message is None


def test_what_is_said_beside_the_message_can_be_searched() -> None:
    said = record(
        trace_id="a" * 32, span_id="b" * 16, severity_text="INFO", scope=records.Scope("my.library", "1", {}),
        attributes={"user": "u", "n": 3, "nested": {"x": [1]}}, event_name="it.happened",
        resource=resource(service_name="mark", service_version="2", os_type="linux"),
    )  # fmt: skip
    (draft,) = drafted(said)
    assert details(draft) == {
        "trace_id": "a" * 32, "span_id": "b" * 16, "severity": "INFO", "scope": "my.library",
        "event_name": "it.happened", "attributes": {"user": "u", "n": 3, "nested": {"x": [1]}},
        "resource": {"service.name": "mark", "service.version": "2"},
    }  # fmt: skip


def test_the_same_record_twice_is_one_line_and_another_one_is_another() -> None:
    one, again, other, later = drafted(
        record(attributes={"a": 1}), record(attributes={"a": 1}), record(), record(time_ns=(NOW_US + 1) * 1000)
    )
    ids = [draft.row(AGENT, NOW_US).id for draft in (one, again, other, later)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert drafted(record(attributes={"a": 1}))[0].row(AGENT, NOW_US + 5).id == ids[0]


def test_without_a_time_it_is_the_observers_or_else_now() -> None:
    observed, none, last = drafted(
        record(time_ns=0, observed_ns=(NOW_US - MINUTE) * 1000), record(time_ns=0), record(time_ns=0)
    )
    assert (observed.at_us, none.at_us, last.at_us) == (NOW_US - MINUTE, NOW_US + 1, NOW_US + 2)


def test_a_long_message_is_cut_and_flagged() -> None:
    outcome = Outcome()
    (draft,) = drafted(record(body="x" * 70_000), outcome=outcome)
    assert draft.message is not None
    assert draft.message.endswith("[cut 4464 characters]")
    assert [row for row, _ in outcome.warnings] == [0]


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"time_ns": (NOW_US + 6 * MINUTE) * 1000}, "time_unix_nano: more than 5 minutes in the future"),
        ({"time_ns": 1_000_000_000}, "time_unix_nano: older than what is kept"),
        ({"resource": resource(service_name="s" * 201)}, "agent: 1 to 200 characters"),
    ],
)
def test_records_that_are_not_kept_are_named(said: dict[str, Any], fault: str) -> None:
    outcome = Outcome()
    assert [draft.row_index for draft in drafted(record(), record(**said), record(body="x"), outcome=outcome)] == [0, 2]
    ((row, error),) = outcome.rejected
    assert row == 1
    assert fault in error
