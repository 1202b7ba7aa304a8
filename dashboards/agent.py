"""The dashboard "agent": one agent, how it stands, what it does and uses, and what is watched of it."""

from dataclasses import replace

from dashboards.alerts import RULES
from dashboards.fleet import ALERTS_ONE_BY_ONE, COST, CPU, MEMORY, TOKENS
from dashboards.latency import EXECUTION_TIME
from dashboards.layout import Dashboard, Kind, Panel, Row
from dashboards.queries import agent as queries
from dashboards.runs import RUNS

_PAGE = "agents/${agent:percentencode}"
_TOOLS = next(panel for panel in RUNS.panels if panel.title == "Tools")
_ROWS = (
    Row(
        "Now",
        (
            Panel(
                title="State",
                description="What the agent is doing now: see the panel of the fleet for what each word means.",
                query=queries.STATE,
                empty="No such agent",
                kind=Kind.WORD,
                unit="none",
                width=4,
                height=6,
                page=_PAGE,
            ),
            Panel(
                title="Processor",
                description="The newest value of cpu_percent in the time shown. Orange from 80 %, red from 95 %.",
                query=queries.LOAD,
                kind=Kind.GAUGE,
                unit="percent",
                width=4,
                height=6,
                steps=(("green", None), ("orange", 80), ("red", 95)),
                greatest=100,
            ),
            Panel(
                title="How executions ended",
                description="The worst that an execution ended with in each step of time: success, warning or error.",
                query=queries.OUTCOMES,
                kind=Kind.STATES,
                unit="none",
                width=16,
                height=6,
                least="1m",
                page=_PAGE,
            ),
        ),
    ),
    Row(
        "What it does",
        (
            replace(EXECUTION_TIME, width=12),
            Panel(
                title="Spread of execution time",
                description="How many executions took up to how long, in steps of about three times. The last row is "
                "everything from 1,000 seconds.",
                query=queries.DURATIONS,
                kind=Kind.HEATMAP,
                unit="ms",
                width=12,
                height=9,
            ),
            TOKENS,
            COST,
            MEMORY,
            CPU,
            Panel(
                title="Executions",
                description="The newest 500 executions: how each ended and how long it took.",
                query=queries.LOG,
                kind=Kind.LOGS,
                unit="none",
                width=12,
                height=10,
                page=_PAGE,
            ),
            replace(_TOOLS, height=10),
        ),
    ),
    Row("Its alerts and rules", (replace(ALERTS_ONE_BY_ONE, width=12, height=9), replace(RULES, width=12))),
)

AGENT = Dashboard(
    slug="agent",
    title="Agent",
    description="One agent: how it stands, what it does and uses, and what is watched of it.",
    rows=_ROWS,
    single=True,
)
