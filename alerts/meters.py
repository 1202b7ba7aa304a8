"""What the alerter counts about itself, for /metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Meters:
    """The alerter's metrics in one registry. One instance for each registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tick_seconds = Histogram(
            "agent_monitor_tick_seconds",
            "How long one pass over the due rules took",
            registry=registry,
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
        )
        self.lag_seconds = Gauge(
            "agent_monitor_tick_lag_seconds", "How late the longest waiting target was judged", registry=registry
        )
        self.evaluated = Counter(
            "agent_monitor_evaluated_targets", "Rules judged, once for each agent", registry=registry
        )
        self.events = Counter(
            "agent_monitor_alert_events", "Alerts that fired and that recovered", ["event"], registry=registry
        )
        self.faults = Counter("agent_monitor_evaluation_faults", "Rules or reads that failed", registry=registry)
        self.deliveries = Counter(
            "agent_monitor_deliveries", "Attempts to send", ["channel", "outcome"], registry=registry
        )
        self.oldest_unsent = Gauge(
            "agent_monitor_oldest_unsent_notification_seconds",
            "Age of the oldest notification that is still to be sent; 0 when there is none",
            registry=registry,
        )
        self.missed_runs = Counter(
            "agent_monitor_missed_runs", "Runs of a job that came too late or were skipped", ["job"], registry=registry
        )
        self.failed_runs = Counter("agent_monitor_failed_runs", "Runs of a job that raised", ["job"], registry=registry)
