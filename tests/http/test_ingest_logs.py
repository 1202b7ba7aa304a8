"""POST /api/v1/logs, line by line of what logs mean."""

from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from typing import Any

import pytest

from monitor.db import Database
from monitor.ids import uuid7_time
from monitor.principal import Scope
from tests.conftest import SettableClock
from tests.factories import make_agent, make_key
from tests.http.collector import Collector, collecting


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


async def reason(api: Collector, **fields: Any) -> str:
    """Why a row with these fields is refused."""
    answer = await api.post("logs", {"agent": "a", "status": "success", **fields})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["accepted"] == 0
    (rejected,) = answer.json()["rejected"]
    assert rejected["index"] == 0
    return str(rejected["error"])


async def keep(api: Collector, **fields: Any) -> dict[str, Any]:
    """The stored row of a log with these fields, and the answer. What was stored before goes."""
    await api.rows("DELETE FROM agent_logs RETURNING 1")
    answer = await api.post("logs", {"agent": "a", "status": "success", **fields})
    assert answer.status_code == 202, answer.text
    row = await api.one("SELECT * FROM agent_logs")
    return {**row, "answer": answer.json()}


async def test_a_log_is_kept_and_its_agent_registered(api: Collector) -> None:
    answer = await api.post("logs", {"agent": "a", "status": "success", "message": "done", "duration": 12})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    log = await api.one("SELECT kind, status, message, duration, details FROM agent_logs")
    assert log == {"kind": "execution", "status": "success", "message": "done", "duration": 12, "details": None}
    agent = await api.one("SELECT name, external_id, length(ping_token) > 20 AS token FROM agents")
    assert agent == {"name": "a", "external_id": "a", "token": True}
    touched = await api.rows("SELECT kinds FROM touched ORDER BY id")
    assert touched == [{"kinds": [16]}, {"kinds": [256]}, {"kinds": [1 | 4]}]
    live = await api.live()
    assert (live["last_status"], live["consecutive_failures"], live["last_duration"]) == ("success", 0, 12)


async def test_an_array_and_ndjson_name_the_bad_rows_and_keep_the_good(api: Collector) -> None:
    good, bad = '{"agent":"a","status":"success"}', '{"agent":"a","status":"fine"}'
    array = await api.post("logs", f"[{good},{bad},{good}]".encode())
    assert array.status_code == 202
    assert array.json() == {
        "accepted": 2,
        "rejected": [{"index": 1, "error": "status: one of success, error, warning is expected"}],
    }
    lines = await api.post("logs", f"{good}\n{{broken\n{good}\n".encode(), Content_Type="application/x-ndjson")
    assert lines.status_code == 202
    assert lines.json()["accepted"] == 2
    assert lines.json()["rejected"][0]["index"] == 1
    for media in ("text/plain", ""):
        sniffed = await api.post("logs", f"{good}\n{good}".encode(), Content_Type=media)
        assert sniffed.json() == {"accepted": 2, "rejected": []}


async def test_an_empty_array_is_taken(api: Collector) -> None:
    answer = await api.post("logs", [])
    assert (answer.status_code, answer.json()) == (202, {"accepted": 0, "rejected": []})


async def test_a_line_touches_neither_status_nor_streak(api: Collector) -> None:
    await api.post("logs", {"agent": "a", "status": "error"})
    await api.post("logs", {"agent": "a", "kind": "line", "level": "info", "message": "hello"})
    live = await api.live()
    assert (live["last_status"], live["consecutive_failures"]) == ("error", 1)
    assert (await api.rows("SELECT kinds FROM touched ORDER BY id"))[-1] == {"kinds": [2]}


async def test_a_lines_status_follows_its_level(api: Collector) -> None:
    for level, status in (("error", "error"), ("WARNING", "warning"), ("debug", "success")):
        assert (await keep(api, status=None, kind="line", level=level))["status"] == status


async def test_the_third_time_is_made_from_the_two_others(api: Collector, clock: SettableClock) -> None:
    end = clock().replace(microsecond=250_000)
    start = end - timedelta(seconds=2)
    both = await keep(api, started_at=start.isoformat(), completed_at=end.isoformat())
    assert both["duration"] == 2000
    from_start = await keep(api, started_at=start.isoformat(), duration=1500)
    assert from_start["completed_at"] == start + timedelta(seconds=1.5)
    from_end = await keep(api, completed_at=end.isoformat(), duration=499.6)
    assert from_end["duration"] == 500
    assert from_end["started_at"] == end - timedelta(seconds=0.5)


async def test_unix_seconds_and_offsets_are_times(api: Collector, clock: SettableClock) -> None:
    at = clock().replace(microsecond=500_000)
    assert (await keep(api, completed_at=at.timestamp()))["completed_at"] == at
    local = at.astimezone(UTC).isoformat().replace("+00:00", "-00:00").replace("T", " ")
    assert (await keep(api, completed_at=local))["completed_at"] == at


async def test_nanoseconds_are_cut_to_microseconds(api: Collector, clock: SettableClock) -> None:
    at = clock().replace(microsecond=999_999)
    text = at.strftime("%Y-%m-%dT%H:%M:%S") + ".999999999Z"
    assert (await keep(api, completed_at=text))["completed_at"] == at


async def test_the_id_carries_the_time_of_the_event(api: Collector, clock: SettableClock) -> None:
    hour_ago = clock() - timedelta(hours=1)
    assert uuid7_time((await keep(api, completed_at=hour_ago.isoformat()))["id"]) == hour_ago
    assert uuid7_time((await keep(api, started_at=hour_ago.isoformat()))["id"]) == hour_ago
    assert uuid7_time((await keep(api))["id"]) == clock()


async def test_more_than_five_minutes_ahead_is_rejected(api: Collector, clock: SettableClock) -> None:
    near, far = clock() + timedelta(seconds=299), clock() + timedelta(seconds=301)
    assert (await keep(api, completed_at=near.isoformat()))["completed_at"] == near
    assert "more than 5 minutes in the future" in await reason(api, completed_at=far.isoformat())
    assert "started_at: more than 5 minutes" in await reason(api, started_at=far.isoformat(), duration=5)
    assert "between 1970 and 9999 in Unix seconds, not milliseconds" in await reason(
        api, completed_at=int(clock().timestamp() * 1000)
    )


async def test_older_than_raw_retention_is_rejected_by_name(api: Collector, clock: SettableClock) -> None:
    old = clock() - timedelta(days=30, seconds=1)
    assert "completed_at: older than what is kept (30 days)" in await reason(api, completed_at=old.isoformat())
    kept = clock() - timedelta(days=29, hours=23)
    assert (await keep(api, completed_at=kept.isoformat()))["completed_at"] == kept


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"kind": "span"}, "kind: one of execution, line"),
        ({"status": "ok"}, "status: one of"),
        ({"status": None}, "status: one of"),
        ({"details": [1]}, "details: an object is expected, not an array"),
        ({"details": "text"}, "details: an object is expected, not text"),
        ({"duration": -1}, "duration: negative"),
        ({"duration": True}, "duration: milliseconds as a number are expected, not a boolean"),
        ({"duration": "12"}, "duration: milliseconds as a number"),
        ({"duration": 1e15}, "duration: more than ten years"),
        ({"message": 5}, "message: text is expected"),
        ({"agent": ""}, "agent: 1 to 200 characters"),
        ({"agent": None}, "agent: missing"),
        ({"agent": "x" * 201}, "agent: 1 to 200 characters"),
        ({"agent": "a\0b"}, "agent: holds a NUL"),
        ({"completed_at": "2026-01-01T00:00:00"}, "completed_at: the time has no zone"),
        ({"completed_at": "yesterday"}, "completed_at: not a time as RFC 3339"),
        ({"completed_at": "0000-01-01T00:00:00Z"}, "completed_at: there is no such time"),
        ({"completed_at": "9999-12-31T23:59:59Z"}, "completed_at: more than 5 minutes in the future"),
        ({"completed_at": True}, "completed_at: a time as RFC 3339 or Unix seconds is expected, not a boolean"),
        ({"completed_at": 1e300}, "completed_at: not a time between 1970 and 9999"),
        ({"started_at": "1969-12-31T23:59:59Z"}, "started_at: before 1970"),
        ({"id": ""}, "id: 1 to 200"),
        ({"id": {}}, "id: text is expected, not an object"),
    ],
)
async def test_what_is_wrong_is_rejected_by_name(api: Collector, fields: dict[str, Any], error: str) -> None:
    assert error in await reason(api, **fields)
    assert await api.rows("SELECT 1 FROM agents") == []


async def test_completed_before_started_is_rejected(api: Collector, clock: SettableClock) -> None:
    now = clock()
    error = await reason(api, started_at=now.isoformat(), completed_at=(now - timedelta(seconds=1)).isoformat())
    assert error == "completed_at: before started_at"


async def test_an_unknown_field_is_kept_in_details(api: Collector) -> None:
    kept = await keep(api, model="opus", details={"step": 1}, nested={"a": [1, None]})
    assert kept["details"] == {"model": "opus", "step": 1, "nested": {"a": [1, None]}}
    clash = await keep(api, details={"model": "x"}, model="y")
    assert clash["details"] == {"model": "x"}
    assert clash["answer"]["warnings"] == [
        {"index": 0, "warning": "model: not kept, details have a field of that name"}
    ]


async def test_text_over_the_limit_is_cut_with_a_marker_and_a_count(api: Collector) -> None:
    kept = await keep(api, message="é" * 40_000, details={"log": ["x" * 70_000]})
    assert kept["message"] == "é" * 32_768 + "… [cut 7232 characters]"
    assert kept["details"]["log"][0] == "x" * 65_536 + "… [cut 4464 characters]"
    assert [warning["warning"] for warning in kept["answer"]["warnings"]] == [
        "message: cut by 7232 characters",
        "details.log: cut by 4464 characters",
    ]


async def test_nul_and_half_surrogates_become_the_replacement_character(api: Collector) -> None:
    body = b'{"agent":"a","status":"error","message":"a\\u0000b","details":{"k\\u0000":"\\u0000","s":["\\ud800x"]}}'
    assert (await api.post("logs", body)).status_code == 202
    row = await api.one("SELECT message, details FROM agent_logs")
    assert row == {"message": "a\ufffdb", "details": {"k\ufffd": "\ufffd", "s": ["\ufffdx"]}}


async def test_the_same_id_is_one_log_and_a_repetition_changes_nothing(api: Collector, clock: SettableClock) -> None:
    first = {"agent": "a", "status": "error", "id": "run-1", "duration": 5}
    assert (await api.post("logs", first)).json()["accepted"] == 1
    clock.advance(10)
    again = await api.post("logs", [first, {**first, "status": "success", "completed_at": clock().timestamp()}])
    assert again.json() == {"accepted": 2, "rejected": []}
    assert len(await api.rows("SELECT 1 FROM agent_logs")) == 1
    live = await api.live()
    assert (live["consecutive_failures"], live["last_status"], live["last_seen_at"]) == (1, "error", clock())
    assert len(await api.rows("SELECT 1 FROM samples")) == 2
    other = await api.post("logs", {"agent": "b", "status": "error", "id": "run-1"})
    assert other.json()["accepted"] == 1
    assert len(await api.rows("SELECT 1 FROM agent_logs")) == 2


async def test_the_same_id_twice_in_one_request_is_one_log(api: Collector, clock: SettableClock) -> None:
    row = {"agent": "a", "status": "error", "id": 7}
    earlier = {**row, "completed_at": (clock() - timedelta(seconds=9)).timestamp()}
    assert (await api.post("logs", [row, earlier, row])).json()["accepted"] == 3
    assert len(await api.rows("SELECT 1 FROM agent_logs")) == 1
    assert (await api.live())["consecutive_failures"] == 1


async def test_a_logs_duration_and_status_become_series(api: Collector, clock: SettableClock) -> None:
    at = clock() - timedelta(minutes=1)
    for status in ("success", "warning", "error"):
        at += timedelta(seconds=1)
        await api.post("logs", {"agent": "a", "status": status, "completed_at": at.isoformat(), "duration": 9})
    await api.post("logs", {"agent": "a", "kind": "line", "status": "error", "duration": 9})
    rows = await api.rows(
        "SELECT metric, unit, array_agg(value ORDER BY at) AS v, max(at) AS last FROM samples "
        "JOIN series ON series.id = series_id GROUP BY metric, unit ORDER BY metric"
    )
    assert rows == [
        {"metric": "execution_duration_ms", "unit": "ms", "v": [9.0, 9.0, 9.0], "last": at},
        {"metric": "execution_status", "unit": None, "v": [1.0, 0.5, 0.0], "last": at},
    ]


async def test_liveness_uses_the_time_of_receipt(api: Collector, clock: SettableClock) -> None:
    await api.post("logs", {"agent": "a", "status": "success", "completed_at": clock().timestamp() - 3600})
    assert (await api.live())["last_seen_at"] == clock()


async def test_a_late_execution_does_not_resolve_a_newer_failure(api: Collector, clock: SettableClock) -> None:
    await api.post("logs", {"agent": "a", "status": "error", "message": "newest"})
    late = (clock() - timedelta(hours=1)).isoformat()
    await api.post("logs", {"agent": "a", "status": "success", "message": "late", "completed_at": late})
    live = await api.live()
    assert (live["consecutive_failures"], live["last_status"], live["last_message"]) == (1, "error", "newest")
    older = (clock() - timedelta(hours=2)).isoformat()
    await api.post("logs", {"agent": "a", "status": "error", "completed_at": older})
    assert (await api.live())["consecutive_failures"] == 1
    between = (clock() - timedelta(minutes=30)).isoformat()
    await api.post("logs", {"agent": "a", "status": "error", "completed_at": between})
    assert (await api.live())["consecutive_failures"] == 2


async def test_agents_are_case_sensitive_and_their_names_free(api: Collector) -> None:
    await api.post("logs", [{"agent": name, "status": "success"} for name in ("Ag", "ag", " ag", "ag/1 ☃")])
    found = await api.rows("SELECT external_id FROM agents ORDER BY external_id")
    assert [row["external_id"] for row in found] == [" ag", "Ag", "ag", "ag/1 ☃"]


async def test_a_bound_key_rejects_other_agents_rows(api: Collector, db: Database) -> None:
    own = await make_agent(db, api.tenant.id, "own")
    _, key = await make_key(db, api.tenant.id, scopes=(Scope.INGEST,), agent_id=own)
    rows = [{"agent": name, "status": "success"} for name in ("own", "stranger")]
    answer = await api.post("logs", rows, Authorization=f"Bearer {key}")
    assert answer.json() == {
        "accepted": 1,
        "rejected": [{"index": 1, "error": "403: this key is bound to another agent"}],
    }
    assert await api.rows("SELECT external_id FROM agents") == [{"external_id": "own"}]


async def test_a_tenant_without_self_registration_rejects_unknown_agents(api: Collector, db: Database) -> None:
    await make_agent(db, api.tenant.id, "known")
    await api.rows("UPDATE tenants SET auto_register = false RETURNING 1")
    answer = await api.post("logs", [{"agent": name, "status": "success"} for name in ("known", "new")])
    assert answer.json()["accepted"] == 1
    assert "does not let agents register themselves" in answer.json()["rejected"][0]["error"]


async def test_a_tenants_limit_of_agents_holds(api: Collector) -> None:
    await api.rows("UPDATE tenants SET max_agents = 2 RETURNING 1")
    answer = await api.post("logs", [{"agent": name, "status": "success"} for name in ("a", "b", "c")])
    assert (answer.json()["accepted"], answer.json()["rejected"][0]["index"]) == (2, 2)


async def test_a_deleted_agents_rows_are_rejected(api: Collector, clock: SettableClock) -> None:
    await keep(api)
    await api.rows("UPDATE agents SET deleted_at = now() RETURNING 1")
    clock.advance(6)
    assert await reason(api) == "agent: the agent was deleted"
