"""POST /api/v1/write: Prometheus' remote write, 1.0 and 2.0."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from email.message import Message
from functools import partial

from fastapi import APIRouter, Request, Response

from monitor.errors import MonitorError, UnsupportedMedia
from monitor.http import problems
from monitor.ingest import body, exemplars
from monitor.ingest.entry import BareRoute, admit
from monitor.ingest.prometheus import reading
from monitor.ingest.prometheus.reading import Piece, Read, Reader
from monitor.ingest.service import THREAD_BYTES, Ingest
from monitor.ingest.streams import Streams
from monitor.principal import Principal

PATH = "/api/v1/write"
_MEDIA = "application/x-protobuf"
_VERSIONS = {"": 1, "prometheus.WriteRequest": 1, "io.prometheus.write.v2.Request": 2}
_NAMED = 5
# What is wrong for good is 400 here, whatever it is elsewhere.
_STATUSES = {404: 400, 409: 400, 422: 400}


class RemoteWriteRoute(BareRoute):
    """A route whose errors are a line of text: senders log it as it is."""

    @staticmethod
    def answer(error: MonitorError) -> Response:
        """The response for an error."""
        given = problems.of_error(error).headers
        kept = {name: given[name] for name in ("retry-after", "www-authenticate") if name in given}
        status = _STATUSES.get(error.status, error.status)
        return Response(f"{error.message}\n", status_code=status, headers=kept, media_type="text/plain")


def mount(routes: APIRouter, ingest: Ingest) -> None:
    """Add the route to the ingest routes."""
    routes.add_api_route(
        PATH,
        _endpoint(ingest, Streams()),
        methods=["POST"],
        status_code=204,
        name="post_remote_write",
        summary="Take Prometheus' remote write in",
        description="Remote write 1.0 and 2.0: a protobuf message in snappy's block format.",
        responses={
            204: {"description": "Everything is written"},
            **{
                status: {"description": about, "content": {"text/plain": {"schema": {"type": "string"}}}}
                for status, about in {
                    400: "Something can never be written; the rest is, and the headers say how much",
                    401: "No valid key",
                    403: "The key lacks the scope, or the tenant is suspended",
                    413: "Too large after decompression",
                    415: "A content type or encoding that is not read",
                    421: "Another region takes this",
                    429: "Too many requests with this key; see Retry-After",
                    503: "Full, or the database is away; see Retry-After",
                }.items()
            },
        },
        response_class=Response,
        openapi_extra={
            "requestBody": {"required": True, "content": {_MEDIA: {"schema": {"type": "string", "format": "binary"}}}}
        },
        route_class_override=RemoteWriteRoute,
    )


def _endpoint(ingest: Ingest, streams: Streams) -> Callable[[Request], Awaitable[Response]]:
    settings = ingest.deps.settings

    async def endpoint(request: Request) -> Response:
        principal = await admit(ingest, request)
        version = _version(request)
        with ingest.budget.lease() as lease:
            raw = await body.read(
                request.receive,
                lease,
                limit=settings.body_limit,
                encoding="",
                length=request.headers.get("content-length"),
            )
            size = reading.decompressed(raw, settings.body_limit) if raw else 0
            lease.hold(len(raw) + size)
            shapes = ingest.shapes.of(principal.tenant_id)
            labels = settings.prometheus_agent_labels
            reader = Reader(principal.tenant_id, labels, ingest.window(), shapes=shapes, streams=streams)
            work = partial(_read, reader, raw, version)
            read = await asyncio.to_thread(work) if size > THREAD_BYTES else work()
            kept = await _keep(ingest, principal, read)
        return _answer(read, kept, counted=version == 2)

    return endpoint


def _read(reader: Reader, raw: bytes, version: int) -> Read:
    return reader.take(reading.parse(raw, version))


async def _keep(ingest: Ingest, principal: Principal, read: Read) -> dict[Piece, int]:
    """How many of each are kept, once they are."""
    await ingest.keep_points(principal, read.points, read.outcome)
    refused = {row for row, _ in read.outcome.rejected}
    kept = dict.fromkeys(Piece, 0)
    for row, piece in enumerate(read.rows):
        kept[piece] += row not in refused
    kept[Piece.EXEMPLARS] = await exemplars.keep(ingest, principal, read.exemplars)
    read.lost += ["exemplar: not of an agent that this key may speak of, or too long"] * (
        len(read.exemplars) - kept[Piece.EXEMPLARS]
    )
    ingest.metrics.rows("prometheus", accepted=len(read.rows) - len(refused), rejected=len(refused))
    return kept


def _answer(read: Read, kept: dict[Piece, int], *, counted: bool) -> Response:
    """204 where everything is written; else 400, since none of the rest ever will be. 2.0 wants the counts."""
    headers = {f"X-Prometheus-Remote-Write-{piece.value}-Written": str(count) for piece, count in kept.items()}
    faults = [*dict(sorted(read.outcome.rejected)).values(), *read.lost]
    text = _told(faults, sum(kept.values()))
    return Response(
        text,
        status_code=400 if faults else 204,
        headers=headers if counted else None,
        media_type="text/plain" if faults else None,
    )


def _told(faults: Sequence[str], kept: int) -> str | None:
    if not faults:
        return None
    more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return f"{len(faults)} not written, {kept} written: {'; '.join(faults[:_NAMED])}{more}\n"


def _version(request: Request) -> int:
    """The protocol's version by the content type. Raises UnsupportedMedia.

    Without a type or encoding a request is taken to be 1.0 in snappy, as Prometheus itself does.
    """
    encoding = request.headers.get("content-encoding", "snappy").strip().lower()
    if encoding != "snappy":
        raise UnsupportedMedia(f"the content encoding {encoding[:40]!r} is not snappy")
    given = Message()
    given["content-type"] = request.headers.get("content-type") or _MEDIA
    version = _VERSIONS.get(str(given.get_param("proto", "")))
    if given.get_content_type() != _MEDIA or version is None:
        raise UnsupportedMedia(f"the content type is not {_MEDIA}, or its proto none of {', '.join(_VERSIONS)[2:]}")
    return version
