"""`/api/v2`: Alertmanager's API, as far as whoever sends it alerts or shows them needs it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import psutil
from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy import text

from alerts.alertmanager_bodies import AlertState, GettableAlert, PostableAlert, StatusAnswer
from alerts.core.condition import ConditionError
from alerts.core.matchers import Matcher, matches, parse_matchers
from alerts.core.policy import Withheld
from alerts.core.received import NAME, Received, fingerprint, received
from alerts.received import count, keep
from alerts.settings import get_settings
from monitor.errors import Forbidden, Full, InvalidInput, Unreadable
from monitor.http.deps import Given, Reader, Sender
from monitor.http.described import PUBLIC, answer

AT_MOST = 10_000
"""Label sets that a tenant may have reported at one time; as many are answered at most."""

_ZERO_YEAR = 1  # Go's time that is none
_AHEAD = timedelta(minutes=5)
_OPEN = text("""
    SELECT a.id, a.rule, a.labels, a.severity, a.triggered_at, a.updated_at, a.details, a.heard, g.external_id AS agent,
           r.labels AS own, r.annotations, r.starts_at, r.ends_at, r.generator_url
    FROM alerts a
    LEFT JOIN agents g ON g.tenant_id = a.tenant_id AND g.id = a.agent_id
    LEFT JOIN received_alerts r ON r.tenant_id = a.tenant_id AND r.alert_id = a.id
    WHERE a.tenant_id = :tenant_id AND a.resolved_at IS NULL
    ORDER BY a.id LIMIT :at_most
""")

router = APIRouter(prefix="/api/v2", tags=["alerts"])

Flag = Annotated[bool, Query()]


@router.post("/alerts", response_model=None)
async def post_alerts(deps: Given, principal: Sender, body: list[dict[str, Any]]) -> JSONResponse:
    """Take alerts that Prometheus or others have judged. Good ones are kept where others are faulty: 400 names those.

    One that has an end in the past has ended; one that is not posted again before its end ends then.
    """
    if principal.agent_id is not None:
        raise Forbidden("a key that is bound to one agent cannot report alerts")
    now, tenant_id = deps.clock(), principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        timeout = (await get_settings(connection, tenant_id)).received.resolve_timeout
        posted, faults = list[Received](), list[str]()
        for index, raw in enumerate(body):
            try:
                one = PostableAlert.model_validate(raw)
                posted.append(
                    received(
                        one.labels,
                        one.annotations,
                        starts_at=_given(one.starts_at),
                        ends_at=_given(one.ends_at),
                        generator_url=one.generator_url,
                        now=now,
                        timeout=timeout,
                    )
                )
            except ValidationError as error:
                first = error.errors()[0]
                faults.append(f"[{index}].{'.'.join(map(str, first['loc']))}: {first['msg']}")
            except ValueError as error:
                faults.append(f"[{index}]: {error}")
        await keep(connection, tenant_id, posted, now=now)
        if await count(connection, tenant_id) > AT_MOST:
            raise Full(f"a tenant may have at most {AT_MOST} reported alerts at one time")
    if faults:
        raise _Faulty("; ".join(faults[:20]))
    return JSONResponse({})


class _Faulty(InvalidInput):
    """Some alerts are faulty; Alertmanager's status for that is 400."""

    status = 400


@router.get("/alerts", responses={400: answer(400)})
async def get_alerts(
    deps: Given,
    principal: Reader,
    matcher: Annotated[list[str] | None, Query(alias="filter")] = None,
    active: Flag = True,
    silenced: Flag = True,
    inhibited: Flag = True,
) -> list[GettableAlert]:
    """Every open alert, our own rules' too. `filter` are matchers."""
    try:
        wanted = parse_matchers(matcher or [], "filter")
    except ConditionError as error:
        raise Unreadable(str(error)) from error
    async with deps.db.tenant(principal.tenant_id) as connection:
        given = {"tenant_id": principal.tenant_id, "at_most": AT_MOST}
        rows = (await connection.execute(_OPEN, given)).all()
    found = [_answer(row, deps.settings.public_url) for row in rows]
    return [one for one in found if _asked(one, wanted, active=active, silenced=silenced, inhibited=inhibited)]


@router.get("/status", openapi_extra=PUBLIC)
async def get_status() -> StatusAnswer:
    """What clients of Alertmanager ask before they trust it: a version; there is no cluster and no configuration."""
    try:
        ours = version("agent-monitor")
    except PackageNotFoundError:
        ours = "0"
    unknown = dict.fromkeys(("revision", "branch", "buildUser", "buildDate", "goVersion"), "")
    return StatusAnswer(
        cluster={"status": "disabled", "peers": []},
        versionInfo={"version": ours, **unknown},
        config={"original": ""},
        uptime=datetime.fromtimestamp(psutil.Process().create_time(), UTC),
    )


def _given(at: Any) -> Any:
    return None if at is None or at.year == _ZERO_YEAR else at


def _answer(row: Any, public_url: str) -> GettableAlert:
    labels: Mapping[str, str] = row.own or {
        **row.labels,
        NAME: row.rule,
        "agent": row.agent or row.details.get("source") or "agent-monitor",
        "severity": row.severity,
    }
    link = f"{public_url.rstrip('/')}/alerts/{row.id}"
    mute = row.details.get("muted") or {}
    by, source = mute.get("by"), [str(mute.get("source", ""))]
    told = dict.fromkeys(f"{one['channel']} {one['target']}" for one in row.heard)
    return GettableAlert(
        labels=dict(labels),
        annotations=row.annotations or {"summary": row.details.get("summary", "")},
        startsAt=row.starts_at or row.triggered_at,
        endsAt=row.ends_at or row.updated_at + _AHEAD,
        updatedAt=row.updated_at,
        generatorURL=row.generator_url or link,
        fingerprint=fingerprint(labels),
        receivers=[{"name": name} for name in told],
        status=AlertState(
            state="suppressed" if by else "active",
            silencedBy=source if by == Withheld.SILENCED else [],
            inhibitedBy=source if by == Withheld.INHIBITED else [],
            mutedBy=source if by and by not in (Withheld.SILENCED, Withheld.INHIBITED) else [],
        ),
    )


def _asked(one: GettableAlert, wanted: tuple[Matcher, ...], *, active: bool, silenced: bool, inhibited: bool) -> bool:
    state = one.status
    if not matches(wanted, one.labels):
        return False
    if state.silencedBy:
        return silenced
    if state.inhibitedBy:
        return inhibited
    return active or state.state != "active"
