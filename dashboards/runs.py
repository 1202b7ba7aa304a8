"""The dashboard "runs": runs and tasks, the tools that they call, and what passes between agents."""

from dashboards.layout import AGENT_PAGE, ANY_IS_BAD, FAILURES, Column, Dashboard, Kind, Panel, Row
from dashboards.queries import runs as queries

_ROWS = (
    Row(
        "Runs",
        (
            Panel(
                title="Runs",
                description="Runs by when they began and how they ended. A run is a trace: all that a request led to.",
                query=queries.RUNS,
                kind=Kind.BARS,
                unit="short",
                width=8,
                page="traces",
            ),
            Panel(
                title="Tasks",
                description="Tasks of the chosen agents by when they began and how they ended.",
                query=queries.TASKS,
                kind=Kind.BARS,
                unit="short",
                width=8,
            ),
            Panel(
                title="How long runs take",
                description="Median and 95th percentile of the time from a run's beginning to its end, nearest rank.",
                query=queries.RUN_TIMES,
                kind=Kind.LINES,
                unit="ms",
                width=8,
            ),
            Panel(
                title="The longest runs",
                description="The 50 runs that took longest. A run's name leads to its steps in the console.",
                query=queries.LONGEST_RUNS,
                kind=Kind.TABLE,
                unit="short",
                width=24,
                height=9,
                columns=(
                    Column("name", link="${console:raw}/traces/${__data.fields.trace_id:percentencode}"),
                    Column("at", title="began", unit="dateTimeAsIso"),
                    Column("duration", unit="ms"),
                    Column("failed_tasks", title="failed tasks", steps=ANY_IS_BAD),
                    Column("cost", unit="currencyUSD"),
                    Column("trace_id", hidden=True),
                ),
                page="traces",
            ),
        ),
    ),
    Row(
        "Tools",
        (
            Panel(
                title="Calls of tools",
                description="All calls, those that failed, and those that nobody answered in time.",
                query=queries.TOOL_CALLS,
                kind=Kind.NUMBERS,
                unit="short",
                width=8,
                height=5,
                columns=(Column("errors", steps=ANY_IS_BAD), Column("timeouts", steps=ANY_IS_BAD)),
            ),
            Panel(
                title="Why tools fail",
                description="Failed calls by their error's code, or by how they ended where none was told.",
                query=queries.TOOL_FAULTS,
                empty="No call failed",
                kind=Kind.BAR_GAUGE,
                unit="short",
                width=8,
                height=5,
                steps=(("red", None),),
            ),
            Panel(
                title="Retries",
                description="How often tasks were tried again, of the 15 agents that did most.",
                query=queries.RETRIES,
                empty="Nothing was tried again",
                kind=Kind.BAR_GAUGE,
                unit="short",
                width=8,
                height=5,
                steps=(("orange", None),),
            ),
            Panel(
                title="Failures by tool",
                description="The share of calls that failed or timed out, of the 20 tools that fail most. Orange from "
                "5 %, red from 20 %.",
                query=queries.TOOL_ERRORS,
                kind=Kind.LINES,
                unit="percentunit",
                width=12,
                steps=FAILURES,
                greatest=1,
            ),
            Panel(
                title="Tools",
                description="Calls of each tool, what share of them failed, and how long they took.",
                query=queries.TOOLS,
                kind=Kind.TABLE,
                unit="short",
                width=12,
                columns=(
                    Column("failed", unit="percentunit", steps=FAILURES),
                    Column("mean", unit="ms"),
                    Column("p95", unit="ms"),
                ),
            ),
        ),
    ),
    Row(
        "Between agents",
        (
            Panel(
                title="Hand-offs",
                description="What passes from one agent to another, by kind.",
                query=queries.HANDOFFS,
                kind=Kind.BARS,
                unit="short",
                width=12,
            ),
            Panel(
                title="Who hands over to whom",
                description="Pairs of agents by how often something passed between them.",
                query=queries.HANDOFF_PAIRS,
                kind=Kind.TABLE,
                unit="short",
                width=12,
                columns=(Column("agent", title="from", link=AGENT_PAGE), Column("to_agent", title="to")),
            ),
        ),
    ),
)

RUNS = Dashboard(
    slug="runs",
    title="Runs and tools",
    description="Runs and tasks, the tools they call and how these fail, retries, and hand-offs between agents.",
    rows=_ROWS,
)
