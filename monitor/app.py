"""The collector's application: every slice's routes, errors as answers, start and stop."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from alerts import routes as alerts
from monitor import garbage
from monitor.agents import patience_routes, setting_routes, type_routes
from monitor.agents import routes as agents
from monitor.audit import routes as audit
from monitor.calendar import routes as calendar
from monitor.console import routes as console
from monitor.console.shared import Shared
from monitor.console.watching import Watches
from monitor.conversations import message_routes, state_routes
from monitor.conversations import routes as conversations
from monitor.errors import ConfigError
from monitor.http import described, health, problems
from monitor.http.deps import Deps
from monitor.identity import account_routes, key_routes, me_routes, member_routes, session_routes
from monitor.identity import routes as identity
from monitor.identity.oidc import Provider
from monitor.identity.signing import Signing
from monitor.ingest import Ingest, privacy_routes
from monitor.ingest import routes as ingest_routes
from monitor.ingest import scores as feedback
from monitor.ingest.entry import hot
from monitor.ingest.statsd import taking as statsd
from monitor.knowledge import collections
from monitor.knowledge import routes as knowledge
from monitor.regions import routes as regions
from monitor.retention import routes as retention
from monitor.runs import deployment_routes, errors_routes, scores_routes, trace_routes, unmapped_routes, workflow_routes
from monitor.runs import routes as runs
from monitor.schedules import routes as schedules
from monitor.series import routes as series
from monitor.settings import Settings
from monitor.subjects import routes as subjects
from monitor.tools import configs as server_configs
from monitor.tools import servers
from monitor.usage import budget_routes, quota_routes, statement_routes, verdict_routes
from monitor.usage import routes as usage

TAGS: list[dict[str, Any]] = [
    {"name": "ingest", "description": "What agents send: logs, metrics, heartbeats, pings."},
    {"name": "agents", "description": "The fleet: agents, their logs and state."},
    {"name": "runs", "description": "What agents did: workflows, tasks, tools, traces, errors, scores, versions."},
    {"name": "conversations", "description": "Who said what, in which order."},
    {"name": "series", "description": "History of metrics."},
    {"name": "usage", "description": "What models cost, what calls of them came to, and budgets."},
    {"name": "regions", "description": "Where data may be."},
    {"name": "alerts", "description": "Rules, alerts and where messages go."},
    {"name": "calendar", "description": "Events, maintenance windows, and who is on call."},
    {"name": "tools", "description": "MCP servers, and how they are used."},
    {"name": "knowledge", "description": "Collections of documents, found by similarity, and what was asked of them."},
    {"name": "identity", "description": "The tenant, its members and its keys."},
    {"name": "retention", "description": "How long what is kept, and what has gone."},
    {"name": "audit", "description": "Who changed what."},
    {"name": "health", "description": "Whether it lives, and its own figures."},
]


_SLICES: tuple[tuple[APIRouter, ...], ...] = (
    (agents.router, setting_routes.router, patience_routes.router, type_routes.router),
    (schedules.router,),
    (series.router,),
    (runs.router, workflow_routes.router, trace_routes.router, errors_routes.router, scores_routes.router),
    (unmapped_routes.router, deployment_routes.router),
    (conversations.router, message_routes.router, state_routes.router),
    (usage.router, budget_routes.router, verdict_routes.router),
    (quota_routes.router, statement_routes.router),
    (regions.router,),
    (alerts.router,),
    (calendar.router,),
    (servers.router, server_configs.router),
    (collections.router, collections.documents, knowledge.router),
    (identity.router, member_routes.router, key_routes.router),
    (session_routes.router, me_routes.router, account_routes.router),
    (privacy_routes.router,),
    (audit.router,),
    (retention.router,),
    (subjects.router,),
    (health.router,),
    (console.router,),
)
"""Those that need no more than what every route is made with, slice by slice."""


class Application(FastAPI):
    """The framework, and the hot paths around it: its layers cost more than taking a log in does."""

    hot: Mapping[tuple[str, str], ASGIApp] = MappingProxyType({})

    def openapi(self) -> dict[str, Any]:
        """The description of the API, made once."""
        if self.openapi_schema is None:
            described.complete(super().openapi())
        return super().openapi()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call a hot path by method and path, anything else through the framework."""
        if scope["type"] == "http" and (hot := self.hot.get((scope["method"], scope["path"]))) is not None:
            await hot(scope, receive, send)
            return
        await super().__call__(scope, receive, send)


def create_app(deps: Deps, ingest: Ingest, *, closing: Callable[[], Awaitable[None]] | None = None) -> FastAPI:
    """Mount everything. `closing` is awaited last, when ingest has committed what it took."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await ingest.start()
            garbage.settle()
            async with _grpc(deps.settings, app.hot), statsd.taking(ingest):
                yield
        finally:
            await ingest.close()
            if closing is not None:
                await closing()

    app = Application(
        title="Agent Monitor",
        version=_version(),
        summary="Observability and alerting for fleets of AI agents",
        openapi_tags=TAGS,
        lifespan=lifespan,
        # The pages that FastAPI has for these load scripts from elsewhere; the console has its own.
        docs_url=None,
        redoc_url=None,
    )
    app.state.deps = deps
    app.state.signing = Signing(deps)
    app.state.watches = Watches(deps.db)
    app.state.boards, app.state.charts = Shared(1.0), Shared(10.0)
    app.state.provider = Provider.of(deps.settings, deps.clock)
    problems.install(app)
    taking = ingest_routes.router(ingest)
    app.hot = hot(taking)
    for router in (taking, feedback.router(ingest), *itertools.chain(*_SLICES)):
        app.include_router(router)
    return app


@contextlib.asynccontextmanager
async def _grpc(settings: Settings, routes: Mapping[tuple[str, str], ASGIApp]) -> AsyncIterator[None]:
    """gRPC beside HTTP, where it is switched on."""
    if settings.grpc_listen is None:
        yield
        return
    try:
        from monitor.ingest.otlp import rpc
    except ImportError:
        raise ConfigError("AGENT_MONITOR_GRPC_LISTEN needs the package grpcio: install agent-monitor[grpc]") from None
    async with rpc.serving(routes, settings.grpc_listen, limit=settings.body_limit):
        yield


def create_health_app(deps: Deps) -> FastAPI:
    """Health and figures alone: what a process serves that takes no requests."""
    app = FastAPI(title="Agent Monitor", version=_version(), docs_url=None, redoc_url=None, openapi_url=None)
    app.state.deps = deps
    problems.install(app)
    app.include_router(health.router)
    return app


def _version() -> str:
    try:
        return version("agent-monitor")
    except PackageNotFoundError:  # run out of a checkout that is not installed
        return "0"
