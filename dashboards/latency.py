"""The dashboard "latency": how long executions take, of all agents together, of each one and of each model."""

from dataclasses import replace

from dashboards.layout import Dashboard, Kind, Panel, Row
from dashboards.queries import latency as queries

EXECUTION_TIME = Panel(
    title="Execution time",
    description="50th, 95th and 99th percentile of execution_duration_ms, by nearest rank, of all chosen agents "
    "together.",
    query=queries.LATENCY,
    judged="execution_duration_ms",
    kind=Kind.LINES,
    unit="ms",
    width=24,
    height=9,
)
SLOWEST = Panel(
    title="Slowest agents",
    description="The ten agents whose executions take longest: 95th percentile, by nearest rank.",
    query=queries.SLOWEST,
    kind=Kind.TABLE,
    unit="ms",
    width=8,
    gauge=True,
)

LATENCY = Dashboard(
    slug="latency",
    title="Latency",
    description="How long executions take: percentiles of all chosen agents, of each agent and of each model.",
    rows=(
        Row(
            "All chosen agents",
            (
                replace(EXECUTION_TIME, width=16),
                replace(SLOWEST, height=9),
            ),
        ),
        Row(
            "Who is slow",
            (
                Panel(
                    title="95th percentile by agent",
                    description="95th percentile of execution_duration_ms, by nearest rank, of the 20 agents with the "
                    "greatest value in the time shown.",
                    query=queries.LATENCY_BY_AGENT,
                    judged="execution_duration_ms",
                    kind=Kind.LINES,
                    unit="ms",
                    width=12,
                    height=10,
                ),
                Panel(
                    title="95th percentile by model",
                    description="95th percentile of execution_duration_ms, by nearest rank and by the tag model. "
                    "Executions that name no model count as such while all models are chosen.",
                    query=queries.LATENCY_BY_MODEL,
                    kind=Kind.LINES,
                    unit="ms",
                    width=12,
                    height=10,
                ),
            ),
        ),
    ),
)
