"""Every way in: what is withheld or redacted stands in no table, and in none of our own logs."""

import contextlib
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import text

from monitor import log
from monitor.db import Database
from monitor.ids import microseconds
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_agent, make_tenant
from tests.http.application import serving
from tests.http.furnished import rows_of

SAID = "who-lives-in-the-old-mill"
MAIL = "somebody@example.com"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(db, clock) as client:
        yield client


def attributes(**values: Any) -> list[dict[str, Any]]:
    """As OTLP spells them; `__` in a name is a dot."""
    return [
        {
            "key": name.replace("__", "."),
            "value": {"stringValue": value if isinstance(value, str) else json.dumps(value)},
        }
        for name, value in values.items()
    ]


def spans(clock: SettableClock) -> dict[str, Any]:
    """An agent's call of a model and of a tool, with everything that was said."""
    at = microseconds(clock()) * 1000
    times = {"startTimeUnixNano": str(at - 10**9), "endTimeUnixNano": str(at)}
    said = [{"role": "user", "parts": [{"type": "text", "content": SAID}]}]
    call = {
        "traceId": TRACE, "spanId": "b7ad6b7169203331", "name": "chat gpt-5", "kind": 3, **times,
        "status": {"code": 2, "message": f"refused for {MAIL}"},
        "attributes": attributes(
            gen_ai__operation__name="chat", gen_ai__request__model="gpt-5", gen_ai__agent__name="akira-001",
            gen_ai__input__messages=said, gen_ai__output__messages=said, gen_ai__system_instructions=SAID,
            llm__prompts=SAID, note=f"for {MAIL}",
        ),
        "events": [
            {"name": "gen_ai.user.message", "timeUnixNano": str(at), "attributes": attributes(content=SAID)},
            {"name": "exception", "timeUnixNano": str(at), "attributes": attributes(exception__message=MAIL)},
        ],
    }  # fmt: skip
    used = {
        "traceId": TRACE, "spanId": "b7ad6b7169203332", "name": "execute_tool find", "kind": 1, **times,
        "attributes": attributes(
            gen_ai__operation__name="execute_tool", gen_ai__tool__name="find", gen_ai__agent__name="akira-001",
            gen_ai__tool__call__arguments=SAID, gen_ai__tool__call__result=SAID,
        ),
    }  # fmt: skip
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"spans": [call, used]}]}]}


def records(clock: SettableClock) -> dict[str, Any]:
    """An event of what was said, an event of a coding agent, and a line."""
    at = {"timeUnixNano": str(microseconds(clock()) * 1000)}
    logs = [
        {**at, "eventName": "gen_ai.user.message", "body": {"stringValue": SAID}, "attributes": []},
        {
            **at, "body": {"stringValue": "claude_code.user_prompt"},
            "attributes": attributes(event__name="user_prompt", prompt=SAID, session__id="s-1"),
        },
        {**at, "body": {"stringValue": f"mail to {MAIL} bounced"}, "attributes": attributes(to=MAIL)},
    ]  # fmt: skip
    resource = {"attributes": attributes(service__name="akira-001")}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": logs}]}]}


async def send_everything(api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade) -> None:
    """By every way in; each is taken."""
    await make_agent(db, tenant.id, "akira-001")
    async with db.tenant(tenant.id) as connection:
        token = (await connection.execute(text("SELECT ping_token FROM agents"))).scalar_one()
    native = {
        "agent": "akira-001",
        "status": "error",
        "message": f"no such user {MAIL}",
        "details": {"to": [MAIL]},
        "cc": MAIL,
    }
    run = {"agent": "akira-001", "task_type": "mail", "status": "failed", "error_message": f"no {MAIL}", "input": MAIL}
    feedback = {"agent": "akira-001", "thumbs": True, "comment": f"thanks, {MAIL}", "given_by": MAIL}
    answers = [
        await api.post("/v1/traces", json=spans(clock), headers=tenant.headers),
        await api.post("/v1/logs", json=records(clock), headers=tenant.headers),
        await api.post("/api/v1/logs", json=native, headers=tenant.headers),
        await api.post("/api/v1/logs", json=[native] * 600, headers=tenant.headers),
        await api.post(f"/ping/{token}/fail", content=f"died of {MAIL}"),
        await api.post("/api/v1/feedback", json=feedback, headers=tenant.headers),
        await api.post("/api/v1/tasks", json=run, headers=tenant.headers),
        await api.post("/api/v2/write", content=f'mail,agent=akira-001 said="to {MAIL}"', headers=tenant.headers),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 202, 202, 200, 201, 201, 204]


def stored(rows: dict[str, list[str]]) -> str:
    """All that the tenant has, but for its own settings and what its people did."""
    return "\n".join(row for table, those in rows.items() if table not in ("tenants", "audit_logs") for row in those)


async def test_contents_stand_in_no_table_unless_the_tenant_wants_them(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade
) -> None:
    await send_everything(api, db, clock, tenant)
    everything = stored(await rows_of(db, tenant.id))
    assert SAID not in everything
    assert MAIL in everything, "nothing is redacted by default"
    assert '""hash""' in everything
    other = await make_tenant(db)
    await api.patch("/api/v1/tenant/privacy", json={"contents": True}, headers=other.headers)
    await send_everything(api, db, clock, other)
    rows = await rows_of(db, other.id)
    assert SAID in "".join(rows["spans"])
    assert SAID in "".join(rows["agent_logs"])


async def test_what_is_to_be_redacted_stands_in_no_table(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade
) -> None:
    """Contents that are kept included."""
    rules = {"contents": True, "redact": ["emails"], "patterns": [{"name": "mill", "pattern": "old-mill"}]}
    await api.patch("/api/v1/tenant/privacy", json=rules, headers=tenant.headers)
    await send_everything(api, db, clock, tenant)
    everything = stored(await rows_of(db, tenant.id)).replace(f"owner@{tenant.slug}.example", "")
    assert MAIL not in everything
    assert SAID not in everything
    assert "who-lives-in-the-[redacted mill]" in everything
    assert everything.count("[redacted email]") > 600


@contextlib.contextmanager
def our_logs(*, as_json: bool) -> Iterator[io.StringIO]:
    """What the process logs, in the shape that it is configured with."""
    before = logging.getLogger().handlers[:], logging.getLogger().level, structlog.get_config()
    log.configure(level="DEBUG", as_json=as_json)
    written = io.StringIO()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    try:
        yield written
    finally:
        logging.getLogger().handlers[:], level, config = before
        logging.getLogger().setLevel(level)
        structlog.configure(**config)


@pytest.mark.parametrize("as_json", [True, False])
async def test_a_failing_request_logs_nothing_of_what_was_sent(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade, as_json: bool
) -> None:
    """The store breaks under each of the ways in, with a fault that quotes the row; it is logged, the row is not."""
    await make_agent(db, tenant.id, "akira-001")
    async with db.owner() as owner:
        for table, column in (("agent_logs", "message"), ("spans", "name"), ("scores", "comment")):
            await owner.exec_driver_sql(
                f"CREATE FUNCTION break_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"RAISE EXCEPTION 'broken' USING DETAIL = 'Failing row contains ' || NEW.{column}, ERRCODE = 'XX000'; "
                f"END $$; CREATE TRIGGER break BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION break_{table}()"
            )
    with our_logs(as_json=as_json) as written:
        answers = [
            await api.post("/v1/traces", json=spans(clock), headers=tenant.headers),
            await api.post("/v1/logs", json=records(clock), headers=tenant.headers),
            await api.post(
                "/api/v1/logs", json={"agent": "akira-001", "status": "error", "message": MAIL}, headers=tenant.headers
            ),
            await api.post("/api/v1/feedback", json={"agent": "akira-001", "comment": MAIL}, headers=tenant.headers),
            await api.post("/api/v1/logs", content=f'{{"{MAIL}', headers=tenant.headers),
            await api.post(
                "/v1/traces", content=f'{{"{MAIL}', headers=tenant.headers | {"Content-Type": "application/json"}
            ),
        ]
    assert all(answer.status_code >= 400 for answer in answers)
    told = written.getvalue()
    assert told.count("request failed") >= 3
    assert "broken" in told
    for secret in (MAIL, SAID, "Failing row", tenant.key):
        assert secret not in told
