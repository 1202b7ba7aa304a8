"""Names that agents and people give, chosen as what they are not: script, markup, templates, SQL and Flux. They come
back as text, they choose themselves alone, and nothing of another tenant comes with them."""

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest

from dashboards import build
from dashboards.every import EVERY
from dashboards.queries import base
from dashboards.queries import fleet as of_fleet
from monitor.db import Database
from monitor.ids import microseconds
from monitor.series.store import Kind, SeriesName
from tests.dashboards.conftest import MINUTE, Asked, Fleet, by_store
from tests.dashboards.filling import fill
from tests.factories import make_agent
from tests.points import Point

WORDS = (
    "<script>alert(1)</script>",
    "\u202egnitirw tfel ot thgir\u202c",
    "${__data.fields.agent:raw} ${tenant:raw} [[agent]] {{ agent }}",
    "' OR '1'='1' --",
    "$re$ OR true; SELECT 1 --",
    "$$re$) OR (agent ~ $re$",
    '") or true or r.tenant =~ /.*/ //',
    "/) or (r.agent =~ /.*",
    "$__timeFrom() $__timeFilter(at)",
    "a,b=c d|e.*f(g)[h]{i}^j",
    "w" * 200,
)
"""All that an agent may be called: at most 200 characters."""
LONG = "x" * 65_536
FIELD = re.compile(r"\$\{__data\.fields\.(\w+)(?::(\w+))?\}")


@pytest.fixture
async def hostile(fleet: Fleet, db: Database) -> Fleet:
    """The fleet, and an agent of each name with a point of a metric of that name and model."""
    agents, made = dict(fleet.agents), list(fleet.points)
    for number, word in enumerate(WORDS):
        agents[word] = await make_agent(db, fleet.grafana.tenant.id, word)
        at = microseconds(fleet.start + MINUTE)
        for metric, tags in (("load", ()), (word, ()), ("cost_usd", (("model", word),))):
            series = SeriesName(agents[word], metric, tags, Kind.GAUGE, None)
            made.append((word, Point(series, at, 1000.0 + number)))
    return Fleet(fleet.grafana, fleet.start, agents, tuple(made))


@pytest.fixture
def fleet_asked(hostile: Fleet, ask: Asked) -> Asked:
    """The store with all of it."""
    ask._fleet = hostile
    return ask


@by_store
async def test_each_name_chooses_itself_alone(fleet_asked: Asked, hostile: Fleet) -> None:
    """As agent, as metric and as model; and all of them together, each is a line of its own."""
    for number, word in enumerate(WORDS):
        mine = hostile.at({0: 1000.0 + number})
        for chosen in ({"agent": word}, {"agent": word, "metric": word}, {"metric": word}):
            found = await fleet_asked(of_fleet.EXPLORER, **chosen)
            assert list(found.values()) == [mine], (word, chosen)
        assert await fleet_asked(of_fleet.COST, model=word) == {word: mine}
    everything = await fleet_asked(of_fleet.EXPLORER, agent=list(WORDS))
    assert len(everything) == len(WORDS)
    assert "akira-001" not in everything


@pytest.mark.parametrize("word", [" ".join(WORDS[:-1]), LONG[:8_000]], ids=["all", "long"])
async def test_every_panel_shows_a_name_as_text(fleet: Fleet, db: Database, word: str) -> None:
    """Rules, tools, runs, scores and channels of that name: rows and not errors, and in their cells the name itself."""
    await fill(db, fleet, word)
    shown = {
        panel.title: [value for row in await fleet.grafana.sql(panel.query.sql) for value in row.values()]
        for page in EVERY
        for panel in page.panels
    }
    for title in ("Open alerts, one by one", "Rules", "Noise", "Tools", "Cost by workflow", "Budgets", "Collections"):
        assert word in shown[title], title
    assert any(word in str(value) for value in shown["What happened"])
    assert word in {row["text"] for row in await fleet.grafana.sql(base.ALERT_MARKS.sql)}


async def test_a_variable_in_the_address_is_a_value_and_no_sql(fleet: Fleet) -> None:
    """Anybody may write anything behind `var-`: it chooses nothing, or is no tenant at all."""
    # Grafana's server puts times even where a macro's name came from a variable: that is no SQL any more.
    refused = (psycopg.errors.InvalidTextRepresentation, psycopg.errors.SyntaxError)
    for word in (*WORDS, LONG):
        with pytest.raises(refused):
            await fleet.grafana.choose(tenant=word).sql(of_fleet.STATES.sql)
    for word in (*(word for word in WORDS if word.startswith(("'", "$"))), LONG):
        grafana = fleet.grafana.choose(agent=word, agent_type=word, model=word, environment=word, metric=word)
        for page in EVERY:
            for panel in page.panels:
                if "${agent:regex}" in panel.query.sql and "count(" not in panel.query.sql:
                    rows: list[dict[str, Any]] = []
                    with contextlib.suppress(psycopg.errors.InvalidRegularExpression):  # 64 kB are too long for one
                        rows = await grafana.sql(panel.query.sql)
                    assert "akira-001" not in repr(rows), panel.title


def test_links_carry_identifiers_or_what_is_escaped() -> None:
    """And no panel is of a kind that draws what it is given as markup."""
    plain = {"alert_id", "rule_id"}
    for page, store in build.PAGES:
        made: Mapping[str, object] = json.loads((build.FOLDER / build.name(page, store)).read_text(encoding="utf-8"))
        words = json.dumps(made)
        for name, how in FIELD.findall(words):
            assert how == "percentencode" or name in plain, (page.slug, name)
        assert '"type": "text"' not in words
        assert '"mode": "html"' not in words
