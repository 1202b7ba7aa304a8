"""`/healthz` (the process lives), `/readyz` (it can do its work) and `/metrics` (Prometheus).

They need no key: they say nothing of any tenant.
"""

from fastapi import APIRouter, Request, Response

from monitor.http.deps import Given
from monitor.series.exposition import encoded

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """200 while the process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(deps: Given) -> dict[str, str]:
    """200 when the database answers, else 503."""
    await deps.db.ping()
    return {"status": "ready"}


@router.get("/metrics")
async def metrics(request: Request, deps: Given) -> Response:
    """The process' own figures: OpenMetrics, or Prometheus' older text format, as the one who asks accepts."""
    content, media = encoded(deps.registry, request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": media})
