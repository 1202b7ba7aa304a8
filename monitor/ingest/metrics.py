"""Ingest's own figures for `/metrics`, made in the registry of their application."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class IngestMetrics:
    """Counters and gauges of one application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """`registry`: the application's own, never the library's global one."""
        self._rows = Counter("agent_monitor_ingest_rows", "Rows by kind and fate", ["kind", "fate"], registry=registry)
        self.requests_per_commit = Histogram(
            "agent_monitor_commit_requests", "Requests in one commit", buckets=_SIZES, registry=registry
        )
        self.commit_seconds = Histogram(
            "agent_monitor_commit_seconds", "Time of one commit", buckets=_SECONDS, registry=registry
        )
        self.queued = Gauge("agent_monitor_queue_rows", "Rows that wait for a commit", registry=registry)
        self.inflight = Gauge("agent_monitor_inflight_bytes", "Bytes of bodies in work", registry=registry)
        self.poisoned = Counter(
            "agent_monitor_poisoned_requests", "Requests that failed a commit and were tried alone", registry=registry
        )
        self.shortened = Counter("agent_monitor_ingest_warnings", "Values kept in another shape", registry=registry)
        # Looking a labelled child up costs more than counting: keep the ones in use.
        self._children: dict[tuple[str, str], Counter] = {}

    def rows(self, kind: str, *, accepted: int, rejected: int) -> None:
        """Count a request's rows."""
        if accepted:
            self._child(kind, "accepted").inc(accepted)
        if rejected:
            self._child(kind, "rejected").inc(rejected)

    def _child(self, kind: str, fate: str) -> Counter:
        child = self._children.get((kind, fate))
        if child is None:
            child = self._children[kind, fate] = self._rows.labels(kind, fate)
        return child
