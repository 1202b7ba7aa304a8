"""The dashboard "fleet": how it stands now, what it uses, and how long it takes."""

from dashboards.latency import EXECUTION_TIME, SLOWEST
from dashboards.layout import AGENT_PAGE, ANY_IS_BAD, ANY_IS_ODD, FAILURES, Column, Dashboard, Kind, Panel, Row
from dashboards.queries import fleet as queries

OPEN_ALERTS = Panel(
    title="Open alerts",
    description="Alerts that are not resolved, by severity, whenever they were triggered.",
    query=queries.OPEN_ALERTS,
    kind=Kind.NUMBERS,
    unit="short",
    width=7,
    height=5,
    columns=(Column("critical", steps=ANY_IS_BAD), Column("warning", steps=ANY_IS_ODD)),
)
TOKENS = Panel(
    title="Tokens",
    description="Sum of tokens_input and tokens_output in each step of time, of the chosen models. Only "
    "agents that report them.",
    query=queries.TOKENS,
    kind=Kind.BARS,
    unit="short",
    width=12,
    least="1m",
)
COST = Panel(
    title="Cost by model",
    description="Sum of cost_usd in each step of time, by the tag model. Only agents that report it.",
    query=queries.COST,
    kind=Kind.BARS,
    unit="currencyUSD",
    width=12,
    least="1m",
)
MEMORY = Panel(
    title="Memory",
    description="memory_bytes, the mean of each step of time, of the 20 agents that use most.",
    query=queries.MEMORY,
    judged="memory_bytes",
    kind=Kind.LINES,
    unit="bytes",
    width=12,
)
CPU = Panel(
    title="Processor",
    description="cpu_percent, the mean of each step of time, of the 20 agents that use most. Orange from "
    "80 %, red from 95 %.",
    query=queries.CPU,
    judged="cpu_percent",
    kind=Kind.LINES,
    unit="percent",
    width=12,
    steps=(("green", None), ("orange", 80), ("red", 95)),
)
ALERTS_ONE_BY_ONE = Panel(
    title="Open alerts, one by one",
    description="Worst first, then newest first. A rule's name leads to the alert's page.",
    query=queries.ALERTS,
    empty="No open alert",
    kind=Kind.TABLE,
    unit="short",
    width=12,
    height=11,
    columns=(
        Column("rule", link="${console:raw}/alerts/${__data.fields.alert_id}"),
        Column("agent", link=AGENT_PAGE),
        Column("triggered_at", title="since", unit="dateTimeFromNow"),
        Column("alert_id", hidden=True),
    ),
)

_ROWS = (
    Row(
        "Now",
        (
            Panel(
                title="Agents by state",
                description="Working: did something within a minute, or has a task in hand. Blocked: in a tool whose "
                "patience is not over. Stalled: something is in hand and nothing moves. Error: the last execution "
                "failed. Dead: expected, and silent for longer than its patience. Unknown: never heard of.",
                query=queries.STATES,
                empty="No agents yet",
                kind=Kind.NUMBERS,
                unit="short",
                width=12,
                height=5,
                columns=(
                    Column("stalled", steps=ANY_IS_ODD),
                    Column("error", steps=ANY_IS_ODD),
                    Column("dead", steps=ANY_IS_BAD),
                ),
            ),
            OPEN_ALERTS,
            Panel(
                title="Failed executions",
                description="The share of executions in the time shown that ended with an error.",
                query=queries.ERROR_SHARE,
                kind=Kind.NUMBERS,
                unit="percentunit",
                width=5,
                height=5,
                steps=FAILURES,
            ),
        ),
    ),
    Row(
        "Usage",
        (
            Panel(
                title="Executions per minute",
                description="Executions that ended, by status. Log lines are not counted.",
                query=queries.EXECUTIONS_PER_MINUTE,
                kind=Kind.BARS,
                unit="cpm",
                width=12,
                least="1m",
            ),
            Panel(
                title="Error rate",
                description="The share of executions that ended with an error. Orange from 5 %, red from 20 %.",
                query=queries.ERROR_RATE,
                kind=Kind.LINES,
                unit="percentunit",
                width=12,
                steps=FAILURES,
                least="1m",
                greatest=1,
            ),
            Panel(
                title="Busiest agents",
                description="The ten agents with the most executions in the time shown.",
                query=queries.BUSIEST,
                kind=Kind.TABLE,
                unit="short",
                width=8,
                gauge=True,
            ),
            Panel(
                title="Agents with the most errors",
                description="The ten agents with the most failed executions in the time shown.",
                query=queries.FAILING,
                empty="No execution failed",
                kind=Kind.TABLE,
                unit="short",
                width=8,
                steps=(("red", None),),
                gauge=True,
            ),
            SLOWEST,
        ),
    ),
    Row(
        "Latency",
        (EXECUTION_TIME,),
    ),
    Row(
        "Tokens and cost",
        (
            TOKENS,
            COST,
        ),
    ),
    Row(
        "Machines",
        (
            MEMORY,
            CPU,
        ),
    ),
    Row(
        "Any metric",
        (
            Panel(
                title="${metric} by agent",
                description="The metric chosen above, the mean of each step of time, of the 20 agents where it is "
                "highest. From single points, as far back as these are kept.",
                query=queries.EXPLORER,
                kind=Kind.LINES,
                unit="short",
                width=12,
                height=9,
            ),
            Panel(
                title="${metric} by hour",
                description="Least, mean and greatest value of all chosen agents, from rollups by hour, or by day "
                "where more than a week is shown: as far back as these are kept, and without those that are not over.",
                query=queries.HISTORY,
                kind=Kind.LINES,
                unit="short",
                width=12,
                height=9,
                least="1h",
            ),
        ),
    ),
    Row(
        "Alerts and agents",
        (
            ALERTS_ONE_BY_ONE,
            Panel(
                title="Last seen",
                description="When each agent was last heard of and sent its last heartbeat; the longest silent first.",
                query=queries.LAST_SEEN,
                empty="No agents yet",
                kind=Kind.TABLE,
                unit="short",
                width=12,
                height=11,
                columns=(
                    Column("agent", link=AGENT_PAGE),
                    Column("last_seen_at", title="last seen", unit="dateTimeFromNow"),
                    Column("last_heartbeat_at", title="last heartbeat", unit="dateTimeFromNow"),
                    Column("silent", title="silent for", unit="s"),
                    Column("last_status", title="last run"),
                    Column("consecutive_failures", title="failures in a row", steps=ANY_IS_BAD),
                ),
            ),
        ),
    ),
)

FLEET = Dashboard(
    slug="fleet",
    title="Fleet",
    description="Usage and latency of a fleet of agents, its alerts, and any metric that agents report.",
    rows=_ROWS,
)
