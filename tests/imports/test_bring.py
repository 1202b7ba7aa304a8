"""What was brought is what was there, row for row; and what could not be is told."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from monitor.identity.digests import digest
from tests.imports import rows as making
from tests.imports import scratch as scratches
from tests.imports.conftest import Bring
from tests.imports.made import END, Rows
from tests.imports.stored import FEW, MANY, Stored, filled, plain, without

_TASKS = """
    SELECT n.external_id AS name, t.*, a.external_id AS agent, e.external_id AS execution, p.external_id AS parent
    FROM tasks t JOIN agents a ON a.id = t.agent_id
    JOIN run_names n ON n.id = t.id AND n.kind = 'task'
    LEFT JOIN run_names e ON e.id = t.execution_id LEFT JOIN run_names p ON p.id = t.parent_task_id
"""
_INTERACTIONS = """
    SELECT n.external_id AS key, i.*, a.external_id AS of, b.external_id AS to
    FROM agent_interactions i JOIN run_names n ON n.id = i.id
    JOIN agents a ON a.id = i.from_agent_id JOIN agents b ON b.id = i.to_agent_id
"""
_SAMPLES = """
    SELECT a.external_id AS agent, a.name, s.metric, s.tags, p.at, p.value
    FROM samples p JOIN series s ON s.id = p.series_id JOIN agents a ON a.id = s.agent_id
"""


async def compare_004(stored: Stored, given: Rows, parents: dict[Any, Any]) -> None:
    """Every row of every table but the sessions."""
    agents = await stored.by("external_id", "SELECT * FROM agents")
    assert len(agents) == len(given["agents"])
    for row in given["agents"]:
        one = agents[row["id"]]
        assert (one["name"], one["status"], one["capabilities"]) == (row["name"], row["status"], row["specialties"])
        assert (one["created_at"], one["updated_at"]) == (row["created_at"], row["updated_at"])
        assert without(one["metadata"]) == plain(row["metadata"])
    query = "SELECT r.*, n.external_id AS key FROM workflow_executions r JOIN run_names n ON n.id = r.id"
    executions = await stored.by("key", query)
    assert len(executions) == len(given["workflows"])
    for row in given["workflows"]:
        one = executions[str(row["id"])]
        for name in ("status", "workflow_type", "initiator", "started_at", "completed_at", "created_at"):
            assert one[name] == row[name], name
    tasks = await stored.by("name", _TASKS)
    assert len(tasks) == len(given["agent_tasks"])
    for row in given["agent_tasks"]:
        one = tasks[str(row["id"])]
        said = {"agent": row["agent_id"], "input": plain(row["input_data"]), "output": plain(row["output_data"])}
        same = ("status", "description", "error_message", "retry_count", "tokens_used", "cost_usd", "started_at",
                "completed_at", "created_at")  # fmt: skip
        for name, value in {**said, **{name: row[name] for name in same}}.items():
            assert one[name] == value, name
        assert one["execution"] == (str(row["workflow_id"]) if row["workflow_id"] else None)
        assert one["parent"] == (str(parents[row["id"]]) if row["id"] in parents else None)
        assert without(one["metadata"]) == plain(row["metadata"])
    await _compare_samples(stored, [
        (row["agent_id"], row["metric_type"], plain(row["context"]), row["recorded_at"], row["metric_value"])
        for row in given["agent_metrics"]
    ], "agent")  # fmt: skip
    found = await stored.by("key", _INTERACTIONS)
    assert len(found) == len(given["agent_interactions"])
    for row in given["agent_interactions"]:
        one = found[str(row["id"])]
        kind = "collaboration" if row["interaction_type"] == "gossip" else row["interaction_type"]
        assert (one["of"], one["to"], one["interaction_type"]) == (row["from_agent_id"], row["to_agent_id"], kind)
        assert (one["message"], one["payload"], one["at"]) == (
            row["message"],
            plain(row["payload"]),
            row["created_at"],
        )


async def _compare_samples(stored: Stored, given: list[tuple[Any, ...]], key: str) -> None:
    """The last point of a series and a time is the one that stays: those of one moment are held as a set."""
    wanted: dict[tuple[Any, ...], set[float]] = {}
    for agent, metric, tags, at, value in given:
        flat = tuple(sorted((name, one) for name, one in tags.items() if isinstance(one, str)))
        wanted.setdefault((agent, metric, flat, at), set()).add(float(value))
    found = {
        (row[key], row["metric"], tuple(sorted(row["tags"].items())), row["at"]): row["value"]
        for row in await stored.rows(_SAMPLES)
    }
    assert found.keys() == wanted.keys()
    assert [place for place, value in found.items() if value not in wanted[place]] == []


async def fill_004(scratch: str, count: int) -> tuple[Rows, dict[Any, Any]]:
    """The database of document 004; its rows, and the parents of tasks."""
    given = making.document_004(count)
    await filled(scratch, "004", given)
    parents = dict(making.parents_of(given))
    async with await psycopg.AsyncConnection.connect(scratch) as connection, connection.cursor() as cursor:
        pairs = [(parent, child) for child, parent in parents.items()]
        await cursor.executemany("UPDATE agent_tasks SET parent_task_id = %s WHERE id = %s", pairs)
    return given, parents


async def compare_000(stored: Stored, given: Rows) -> None:
    agents = await stored.by(
        "external_id", "SELECT a.*, l.last_heartbeat_at FROM agents a JOIN agent_live l ON l.agent_id = a.id"
    )
    # And those that configurations alone name.
    assert len([one for one in agents if not one.startswith("unknown ")]) == len(given["agents"])
    for row in given["agents"]:
        one = agents[row["id"]]
        same = ("name", "agent_type", "capabilities", "created_at", "updated_at")
        assert {name: one[name] for name in same} == {name: row[name] for name in same}
        assert one["status"] == ("active" if row["status"] == "error" else row["status"])
        assert one["last_heartbeat_at"] == row["last_heartbeat"]
    tasks = await stored.by("name", _TASKS)
    assert len(tasks) == len(given["tasks"])
    for row in given["tasks"]:
        one = tasks[row["id"]]
        said = {"agent": row["agent_id"], "input": plain(row["payload"]), "output": plain(row["result"])}
        said["priority"] = "normal" if row["priority"] == "urgent" else row["priority"]
        said |= {"error_message": row["error"]} | {
            name: row[name] for name in ("task_type", "status", "created_at", "started_at", "completed_at")
        }
        assert {name: one[name] for name in said} == said
    keys = await stored.by("key_hash", "SELECT * FROM api_keys WHERE name LIKE 'owner-%'")
    assert len(keys) == len(given["api_keys"])
    for row in given["api_keys"]:
        one = keys[digest(row["api_key"])]
        assert (one["name"], one["status"]) == (row["owner_id"], "active" if row["is_active"] else "revoked")
        assert (one["expires_at"], one["created_at"]) == (row["expires_at"], row["created_at"])
        assert set(one["scopes"]) == {"read", "write"} & set(row["permissions"])
    await _compare_samples(stored, [
        (row["agent_name"], row["metric_name"], plain(row["tags"]), row["timestamp"], row["metric_value"])
        for row in given["metrics"]
    ], "name")  # fmt: skip


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.accept)])
async def test_all_of_document_004_is_brought(count: int, scratch: str, bring: Bring, stored: Stored) -> None:
    given, parents = await fill_004(scratch, count)
    reports = await bring("004", scratch)
    assert {(one.read, one.kept) for table, one in reports.items() if table in given} == {(count, count)}
    await compare_004(stored, given, parents)


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.accept)])
async def test_all_of_document_000_is_brought(count: int, scratch: str, bring: Bring, stored: Stored) -> None:
    given = making.document_000(count)
    await filled(scratch, "000", given)
    reports = await bring("000", scratch)
    assert {(one.read, one.kept) for one in reports.values()} == {(count, count)}
    await compare_000(stored, given)
    lines = await stored.rows("SELECT details FROM agent_logs WHERE kind = 'line'")
    deep = [row for row in given["metrics"] if "deep" in plain(row["tags"])]
    assert len(lines) == len(deep) > 0
    reached = (await stored.rows("SELECT reached FROM imports WHERE source_table = 'api_keys'"))[0]["reached"][0]
    assert not any(row["api_key"].startswith(reached[:8]) for row in given["api_keys"])
    assert len(reached) == 64


async def test_bringing_it_again_changes_nothing(scratch: str, bring: Bring, stored: Stored) -> None:
    given, parents = await fill_004(scratch, FEW)
    await bring("004", scratch)
    counts = """
        SELECT (SELECT count(*) FROM tasks) AS tasks, (SELECT count(*) FROM samples) AS points,
               (SELECT sum(cost_usd) FROM model_calls) AS cost
    """
    before = await stored.rows(counts)
    reports = await bring("004", scratch)
    assert reports["agents"].notes["left out: an agent of this id is here already and stays as it is"].count == FEW
    assert await stored.rows(counts) == before
    await compare_004(stored, given, parents)


async def test_what_one_document_has_reached_says_nothing_of_another(scratch: str, bring: Bring) -> None:
    """Two of them have a table of agents: a database that was first read by the wrong one is read anew."""
    await fill_004(scratch, FEW)
    assert (await bring("004", scratch))["agents"].kept == FEW
    agents = (await bring("000", scratch))["agents"]
    assert (agents.read, agents.kept) == (FEW, 0)
    assert agents.notes["left out: an agent of this id is here already and stays as it is"].count == FEW


async def test_a_dry_run_writes_nothing_and_says_the_same(scratch: str, bring: Bring, stored: Stored) -> None:
    await fill_004(scratch, FEW)
    dry = await bring("004", scratch, dry=True)
    for table in ("agents", "tasks", "samples", "series", "imports", "run_names"):
        assert await stored.rows(f"SELECT * FROM {table}") == [], table
    wet = await bring("004", scratch)
    assert [list(one.lines()) for one in dry.values()] == [list(one.lines()) for one in wet.values()]


async def test_times_without_a_zone_and_text_in_the_wrong_encoding(scratch: str, bring: Bring, stored: Stored) -> None:
    """As a database of document 004 has them that was made by its own script, with local times."""
    await scratches.create(scratch, "004")
    async with await psycopg.AsyncConnection.connect(scratch) as connection:
        await connection.execute("ALTER TABLE agents ALTER created_at TYPE timestamp")
        query = (
            "INSERT INTO agents (id, name, role, model, specialties, personality_emoji, created_at) "
            "VALUES (%s, %s, 'r', 'm', '{}', %s, '2026-07-01 12:00')"
        )
        good, lost = "📋".encode().decode("cp1252"), "ä¾"
        await connection.execute(query, ["one", f"Akira {good}", lost])
    reports = await bring("004", scratch, zone=ZoneInfo("Asia/Tokyo"))
    (agent,) = await stored.rows("SELECT * FROM agents")
    assert agent["name"] == "Akira 📋"
    assert agent["metadata"]["imported"]["personality_emoji"] == lost
    assert agent["created_at"] == datetime.fromisoformat("2026-07-01T03:00:00+00:00")
    assert {why.split(":")[0] for why in reports["agents"].notes} == {
        "text that was UTF-8 read as Windows-1252 was mended",
        "text looks like UTF-8 read as Windows-1252 and cannot be mended",
    }


async def test_what_cannot_be_brought_is_told_by_its_key(scratch: str, bring: Bring, stored: Stored) -> None:
    given = making.document_000(3)
    given["agents"][0]["id"] = "x" * 201
    given["tasks"][0] |= {"agent_id": "x" * 201, "status": "lost"}
    given["tasks"][1] |= {"agent_id": "agent-1", "status": "lost"}
    given["tasks"][2] |= {"agent_id": "agent-1", "status": "completed", "started_at": END}
    given["tasks"][2]["completed_at"] = END - timedelta(seconds=1)
    given["metrics"][0]["agent_name"] = "nobody"
    for row in given["metrics"][1:]:
        row["agent_name"] = given["agents"][1]["name"]
    await filled(scratch, "000", given)
    reports = await bring("000", scratch)
    brought = {table: reports[table].kept for table in ("agents", "tasks", "api_keys", "metrics")}
    assert brought == {"agents": 2, "tasks": 2, "api_keys": 3, "metrics": 2}
    lines = [line for one in reports.values() for line in one.lines()]
    assert any("left out: id of 1 to 200 characters is expected: 1 (xxx" in line for line in lines)
    assert f"  the status 'lost' is not known here: imported as pending: 1 ({given['tasks'][1]['id']})" in lines
    assert any(line.startswith("  an end before the start was left out") for line in lines)
    assert any(line.startswith("  left out: there is no agent 'nobody'") for line in lines)
    (ended,) = await stored.rows("SELECT metadata FROM tasks WHERE status = 'completed'")
    assert ended["metadata"]["imported"]["completed_at"] == given["tasks"][2]["completed_at"].isoformat()
