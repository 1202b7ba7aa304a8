"""What a dashboard is made of: panels in rows, each with its question, and how they are drawn."""

from dataclasses import dataclass
from enum import StrEnum

from dashboards.queries.base import Query

COLUMNS = 24
"""Width of Grafana's grid."""

Steps = tuple[tuple[str, float | None], ...]
"""Colours, each from its value up; the first one has none."""

PLAIN: Steps = (("green", None),)
ANY_IS_BAD: Steps = (("green", None), ("red", 1))
ANY_IS_ODD: Steps = (("green", None), ("orange", 1))
FAILURES: Steps = (("green", None), ("orange", 0.05), ("red", 0.2))
SPENDING: Steps = (("green", None), ("orange", 0.8), ("red", 1))
AGENT_PAGE = "${console:raw}/agents/${__data.fields.agent:percentencode}"
"""The console's page of the agent in a table's row."""


class Kind(StrEnum):
    """How the answer is drawn."""

    LINES = "lines"
    BARS = "bars"
    NUMBERS = "numbers"
    WORD = "word"
    GAUGE = "gauge"
    BAR_GAUGE = "bar gauge"
    TABLE = "table"
    HEATMAP = "heatmap"
    STATES = "states"
    LOGS = "logs"


@dataclass(frozen=True, slots=True)
class Column:
    """What is special about one column of a table, or one number of several."""

    name: str
    title: str | None = None
    unit: str | None = None
    steps: Steps | None = None
    link: str | None = None
    hidden: bool = False
    gauge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One question and how it is drawn. `unit` as Grafana names it; `least`: the narrowest step of time;
    `empty`: what stands there when the answer has no rows; `judged`: the metric whose rules' thresholds are drawn;
    `page`: the console's page that says more."""

    title: str
    description: str
    query: Query
    kind: Kind
    unit: str
    width: int
    height: int = 8
    steps: Steps = PLAIN
    columns: tuple[Column, ...] = ()
    least: str | None = None
    greatest: int | None = None
    gauge: bool = False
    empty: str = "Nothing in the time shown"
    judged: str | None = None
    page: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one title, from left to right, broken where the grid ends."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One page of Grafana, on each store. `slug` begins the file's name and ends in the uid, so it never changes."""

    slug: str
    title: str
    description: str
    rows: tuple[Row, ...]
    single: bool = False
    """Of one agent, not of several."""

    @property
    def reads_history(self) -> bool:
        """Whether anything on it is asked of InfluxDB where that is there: else one file is enough."""
        return any(panel.query.flux is not None for panel in self.panels)

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them, in the order in which they are read."""
        return tuple(panel for row in self.rows for panel in row.panels)
