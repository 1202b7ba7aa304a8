"""The dashboard "alerts": what is open, how fast people answer, what is only noise, and whether messages arrive."""

from dashboards.fleet import ALERTS_ONE_BY_ONE, OPEN_ALERTS
from dashboards.layout import ANY_IS_BAD, ANY_IS_ODD, Column, Dashboard, Kind, Panel, Row
from dashboards.queries import alerts as queries

RULES = Panel(
    title="Rules",
    description="The rules and what each compares: one line for each threshold. A rule's name leads to its page. "
    "Failing: it could not be judged last.",
    query=queries.RULES,
    empty="No rules",
    kind=Kind.TABLE,
    unit="none",
    width=24,
    height=9,
    columns=(
        Column("rule", link="${console:raw}/rules/${__data.fields.rule_id}"),
        Column("failing", steps=ANY_IS_BAD),
        Column("rule_id", hidden=True),
    ),
    page="rules",
)

_ROWS = (
    Row(
        "Now",
        (
            OPEN_ALERTS,
            Panel(
                title="Until acknowledged",
                description="How long it took until somebody took an alert, of those that fired in the time shown and "
                "were taken: mean and 95th percentile.",
                query=queries.ACKNOWLEDGED,
                kind=Kind.NUMBERS,
                unit="s",
                width=8,
                height=5,
            ),
            Panel(
                title="Until resolved",
                description="How long alerts lasted, of those that fired in the time shown and are over: mean and 95th "
                "percentile.",
                query=queries.RESOLVED,
                kind=Kind.NUMBERS,
                unit="s",
                width=9,
                height=5,
            ),
            ALERTS_ONE_BY_ONE,
            Panel(
                title="What happened",
                description="Everything that happened to alerts, newest first.",
                query=queries.TIMELINE,
                kind=Kind.LOGS,
                unit="none",
                width=12,
                height=11,
                page="alerts",
            ),
        ),
    ),
    Row(
        "Over time",
        (
            Panel(
                title="Fired",
                description="Alerts that fired, by severity.",
                query=queries.FIRED,
                kind=Kind.BARS,
                unit="short",
                width=12,
                page="alerts",
            ),
            Panel(
                title="Response",
                description="How long it took until alerts were acknowledged and resolved: the mean, by when they "
                "fired.",
                query=queries.RESPONSE,
                kind=Kind.LINES,
                unit="s",
                width=12,
            ),
            Panel(
                title="Noise",
                description="Rules by how often they fired, what share was over within five minutes, and what share "
                "nobody took: candidates for a longer `for` or another threshold.",
                query=queries.NOISE,
                kind=Kind.TABLE,
                unit="short",
                width=24,
                columns=(
                    Column("brief", title="over within 5 min", unit="percentunit"),
                    Column("untaken", title="nobody took", unit="percentunit"),
                    Column("lasted", title="lasted (mean)", unit="s"),
                ),
                page="rules",
            ),
        ),
    ),
    Row(
        "Whether people are told",
        (
            Panel(
                title="Delivery",
                description="How long messages take from the decision to the service's answer: median and 95th "
                "percentile, by nearest rank.",
                query=queries.DELIVERY,
                kind=Kind.LINES,
                unit="s",
                width=10,
            ),
            Panel(
                title="Given up",
                description="Messages that could not be delivered after all attempts, by channel.",
                query=queries.FAILURES,
                kind=Kind.BAR_GAUGE,
                unit="short",
                width=5,
                steps=ANY_IS_BAD,
            ),
            Panel(
                title="Channels",
                description="Messages by channel: sent, given up, withheld, and the mean number of attempts.",
                query=queries.CHANNELS,
                kind=Kind.TABLE,
                unit="short",
                width=9,
                columns=(
                    Column("dead", title="given up", steps=ANY_IS_BAD),
                    Column("attempts", steps=(("green", None), ("orange", 1.5))),
                    Column("withheld", steps=ANY_IS_ODD),
                ),
            ),
        ),
    ),
    Row("What is watched", (RULES,)),
)

ALERTS = Dashboard(
    slug="alerts",
    title="Alerts and on-call",
    description="Open alerts, how fast people answer, which rules are noise, and whether messages arrive.",
    rows=_ROWS,
)
