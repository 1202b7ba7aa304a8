"""`/api/v1/bounces`: mail that came back, told by whoever receives the sender's mail."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from alerts import bounces
from alerts.dsn import read_report
from monitor.errors import InvalidInput, NotFound, TooLarge
from monitor.http.deps import Given, Reader, Sender, Writer

LIMIT = 4 << 20
"""Bytes of a report: it may have the whole mail in it that came back."""

_CONTENT: dict[str, Any] = {"requestBody": {"required": True, "content": {"message/rfc822": {}}}}

router = APIRouter(prefix="/api/v1/bounces", tags=["alerts"])


class BounceAnswer(BaseModel):
    """An address that mail is not sent to any more, and what its mail server said."""

    address: str
    said: str
    at: datetime


@router.post("", status_code=202, openapi_extra=_CONTENT)
async def report_bounce(deps: Given, principal: Sender, request: Request) -> dict[str, list[str]]:
    """Take a delivery status notification (RFC 3464) as it arrived. It is told by the mail's Message-ID whose it is.

    Reports of a delay are accepted and change nothing.
    """
    raw = b""
    async for piece in request.stream():
        raw += piece
        if len(raw) > LIMIT:
            raise TooLarge(f"a report has at most {LIMIT} bytes")
    try:
        report = read_report(raw)
    except ValueError as error:
        raise InvalidInput(f"not a delivery status notification: {error}") from error
    now, tenant_id = deps.clock(), principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        mails = await bounces.find_mails(connection, tenant_id, report.notifications)
        if not mails:
            raise NotFound("it is not about a mail of this tenant")
        found: list[str] = []
        for notification_id, address in mails.items() if report.failed else ():
            said = dict(report.failed).get(address.lower(), report.failed[0][1])
            await bounces.note(connection, tenant_id, address, said, notification_id=notification_id, now=now)
            await deps.audit(
                connection, principal, "address.bounced", resource=("address", address), new={"said": said}
            )
            found.append(address)
    return {"bounced": found}


@router.get("")
async def list_bounces(deps: Given, principal: Reader) -> dict[str, list[BounceAnswer]]:
    """Addresses that mail is not sent to, the latest first."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await bounces.list_bounces(connection, principal.tenant_id)
    return {"items": [BounceAnswer.model_validate(row._mapping) for row in rows]}


@router.delete("/{address}", status_code=204)
async def clear_bounce(deps: Given, principal: Writer, address: str) -> None:
    """Send mail to an address again: somebody has seen to it."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        known = await bounces.clear(connection, principal.tenant_id, address, actor=principal.actor)
        if known is None:
            raise NotFound("mail to this address did not bounce")
        await deps.audit(
            connection, principal, "address.cleared", resource=("address", known.address), old={"said": known.said}
        )
