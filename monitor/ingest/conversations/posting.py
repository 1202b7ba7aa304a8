"""POST /api/v1/messages: one, an array, or one a line."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.conversations import reading
from monitor.conversations.bodies import MessageBody
from monitor.errors import TooLarge
from monitor.http import problems
from monitor.ingest import idempotency
from monitor.ingest.conversations import schema
from monitor.ingest.conversations.messages import Checked, MessageIn, check
from monitor.ingest.conversations.taking import Kept, Taking, window
from monitor.ingest.decode import Decoder
from monitor.ingest.entry import entered, media
from monitor.ingest.idempotency import Answered, Stamp
from monitor.ingest.service import THREAD_BYTES, Ingest
from monitor.principal import Principal

MOST_ROWS = 10_000
_MADE, _THERE, _NONE_KEPT = 201, 200, 422


def mount(routes: APIRouter, ingest: Ingest) -> None:
    """Add it to the ingest routes."""
    routes.add_api_route(
        "/api/v1/messages", _posting(ingest), methods=["POST"], status_code=_MADE, name="post_messages",
        summary="Add messages to conversations", description=schema.ABOUT, tags=["conversations"],
        responses=schema.RESPONSES, response_class=Response, openapi_extra=schema.OPERATION,
    )  # fmt: skip


def _posting(ingest: Ingest) -> Callable[[Request], Awaitable[Response]]:
    decoder = Decoder(MessageIn)

    async def endpoint(request: Request) -> Response:
        lines, sniff = media(request.headers.get("content-type", ""))
        key = request.headers.get("idempotency-key")
        async with entered(ingest, request) as (principal, raw):
            posting = _Posting(ingest, principal, decoder, raw, lines, sniff, key)
            answer = await posting.answer()
        if answer.status == _NONE_KEPT:
            return problems.problem(_NONE_KEPT, "invalid_input", "no row is kept: each is named", **answer.body)
        return Response(msgspec.json.encode(answer.body), status_code=answer.status, media_type="application/json")

    return endpoint


class _Posting:
    """One request."""

    def __init__(
        self, ingest: Ingest, principal: Principal, decoder: Decoder[MessageIn], raw: bytes, lines: bool, sniff: bool,
        key: str | None,
    ) -> None:  # fmt: skip
        self._ingest, self._principal, self._decoder = ingest, principal, decoder
        self._raw, self._lines, self._sniff, self._key = raw, lines, sniff, key
        self._digest = b"" if key is None else idempotency.digest_of("/api/v1/messages", raw)
        self._now = ingest.deps.clock()

    async def answer(self) -> Answered:
        """By its key, the one that it got before."""
        if self._key is None:
            return await self._work()
        tenant_id = self._principal.tenant_id
        return await self._ingest.idempotency.once(tenant_id, self._key, self._digest, now=self._now, work=self._work)

    def _check(self) -> tuple[Checked, int, bool]:
        """The rows, how many there are, and whether the body is a single one."""
        rows = self._decoder.decode(self._raw, lines=self._lines, sniff=self._sniff)
        if len(rows.rows) > MOST_ROWS:
            raise TooLarge(f"more than {MOST_ROWS} messages in one request")
        single = not self._lines and len(rows.rows) == 1 and self._raw.lstrip()[:1] != b"["
        return check(rows, window(self._now)), len(rows.rows), single

    async def _work(self) -> Answered:
        threaded = len(self._raw) > THREAD_BYTES
        checked, count, single = await asyncio.to_thread(self._check) if threaded else self._check()
        taking = Taking(self._ingest, self._principal, self._now, checked.refused)
        drafts = await taking.prepare(checked.drafts)
        answer = Answered(self._digest, _THERE, {"items": [], "rejected": []})
        try:
            async with self._ingest.deps.db.tenant(self._principal.tenant_id) as connection:
                kept = await taking.write(connection, drafts) if drafts else []
                if kept:
                    answer = await self._answered(connection, kept, checked, single=single)
                elif count:
                    raise _NoneKept  # and no conversation is made for it
        except _NoneKept:
            if single:
                raise checked.refused[0] from None
            answer = Answered(self._digest, _NONE_KEPT, {"rejected": _rejected(checked)})
        self._ingest.mirror.changed(self._principal.tenant_id, taking.active)
        self._ingest.metrics.rows("message", accepted=count - len(checked.refused), rejected=len(checked.refused))
        self._ingest.metrics.shortened.inc(len(checked.warnings))
        return answer

    async def _answered(
        self, connection: AsyncConnection, kept: Sequence[Kept], checked: Checked, *, single: bool
    ) -> Answered:
        """What a request is answered that kept something, stored with its key where it has one."""
        status = _MADE if any(one.new for one in kept) else _THERE
        if single:
            (row,) = await reading.get_messages(connection, self._principal.tenant_id, [kept[0].id])
            body = MessageBody.model_validate(row).model_dump(mode="json")
        else:
            items = [one.shown() for one in {one.id: one for one in kept}.values()]
            body = {"items": items, "rejected": _rejected(checked)}
            if checked.warnings:
                body["warnings"] = [{"index": index, "warning": said} for index, said in checked.warnings]
        if self._key is not None:
            stamp = Stamp(self._key, self._digest, self._now, status, body)
            await idempotency.keep(connection, self._principal.tenant_id, stamp)
        return Answered(self._digest, status, body)


class _NoneKept(Exception):
    """Nothing of the request can be kept."""


def _rejected(checked: Checked) -> list[dict[str, Any]]:
    return [{"index": index, "error": fault.message} for index, fault in sorted(checked.refused.items())]
