"""`/healthz` (the process lives), `/readyz` (it can do its work) and `/metrics` (Prometheus)."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from monitor.http.deps import Deps


def router(deps: Deps) -> APIRouter:
    """Routes that need no key: they say nothing of any tenant."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        """200 while the process answers."""
        return {"status": "ok"}

    @routes.get("/readyz")
    async def readyz() -> dict[str, str]:
        """200 when the database answers, else 503."""
        await deps.db.ping()
        return {"status": "ready"}

    @routes.get("/metrics")
    async def metrics() -> Response:
        """The process' own figures in Prometheus' text format."""
        return Response(generate_latest(deps.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes
