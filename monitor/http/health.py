"""`/healthz` (the process lives), `/readyz` (it can do its work) and `/metrics` (Prometheus).

They need no key: they say nothing of any tenant.
"""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from monitor.http.deps import Given

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
async def metrics(deps: Given) -> Response:
    """The process' own figures in Prometheus' text format."""
    return Response(generate_latest(deps.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
