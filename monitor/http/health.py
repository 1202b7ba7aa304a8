"""`/healthz` (the process lives), `/readyz` (it can do its work) and `/metrics` (Prometheus).

They need no key: they say nothing of any tenant.
"""

from fastapi import APIRouter, Request, Response

from monitor.http.deps import Given
from monitor.http.described import PUBLIC, answer
from monitor.series.exposition import MEDIA, encoded

router = APIRouter(tags=["health"])


@router.get("/healthz", openapi_extra=PUBLIC)
async def healthz() -> dict[str, str]:
    """200 while the process answers."""
    return {"status": "ok"}


@router.get("/readyz", openapi_extra=PUBLIC, responses={503: answer(503)})
async def readyz(deps: Given) -> dict[str, str]:
    """200 when the database answers, else 503."""
    await deps.db.ping()
    return {"status": "ready"}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {media: {"schema": {"type": "string"}} for media in MEDIA}}},
    openapi_extra=PUBLIC,
)
async def metrics(request: Request, deps: Given) -> Response:
    """The process' own figures: OpenMetrics, or Prometheus' older text format, as the one who asks accepts."""
    content, media = encoded(deps.registry, request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": media})
