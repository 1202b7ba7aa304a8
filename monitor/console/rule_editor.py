"""What the editor of a rule works on: its JSON, the fields of the form beside it, and what it would have done."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.bodies import RuleAnswer
from alerts.core.vocabulary import Severity
from alerts.tables import Alert
from alerts.trust_bodies import PreviewAnswer
from monitor.console.forms import Body, body_of
from monitor.console.words import plural
from monitor.errors import InvalidInput

FIELDS = (
    "name", "agent", "selector", "conditions", "for", "keep_firing_for", "repeat", "escalate", "flapping", "channels",
    "severity", "labels", "runbook", "owner", "enabled",
)  # fmt: skip
FRESH: Mapping[str, Any] = {
    "name": "",
    "conditions": {"status": "error", "consecutive_failures": 3},
    "channels": {},
    "severity": "warning",
}
"""What a new rule begins as."""
PLAIN = ("name", "agent", "severity", "for", "repeat", "runbook", "owner")
"""Fields of the form: texts of the rule itself."""
SEVERITIES = tuple(map(str, Severity))
KINDS: Mapping[str, Any] = {
    "failures in a row": {"status": "error", "consecutive_failures": 3},
    "slow answers": {
        "metric": "execution_duration_ms", "reduce": "p95", "window": "5m", "op": ">", "threshold": 2000,
        "min_count": 20,
    },
    "a rate of failures": {"rate": "error", "window": "15m", "op": ">", "threshold": 0.2, "min_count": 20},
    "silence": {"heartbeat": "missed", "after": "90s"},
    "a word in the logs": {"log": {"contains": "Traceback"}, "window": "5m", "count": 1},
    "money": {"budget": "cost_usd", "period": "day", "limit": 50, "warn_at": 0.8},
}  # fmt: skip
"""Conditions to begin with, by what they look for."""
SPANS: Mapping[str, str] = {"-1d": "the last day", "-7d": "the last 7 days", "-30d": "the last 30 days"}


def written(rule: Mapping[str, Any]) -> str:
    """A rule's fields as JSON, as the API takes them; those that say nothing are left out."""
    said = {name: rule[name] for name in FIELDS if rule.get(name) not in (None, {}, []) or name == "channels"}
    if said.get("enabled"):
        del said["enabled"]
    return json.dumps({name: value for name, value in said.items() if value is not None}, indent=2, ensure_ascii=False)


def of_answer(rule: RuleAnswer) -> str:
    """A stored rule as JSON. Secrets are covered; sent back so, they stay."""
    return written(rule.model_dump(mode="json", by_alias=True))


def loaded(text: str) -> dict[str, Any]:
    """The rule that was typed. Raises InvalidInput, of the field `rule`."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise InvalidInput(f"this is no JSON: {fault}", path="rule") from None
    if not isinstance(raw, dict):
        raise InvalidInput("a rule is a JSON object", path="rule")
    return raw


def drafted(form: Mapping[str, str]) -> str:
    """The JSON of what was typed: that which was changed, of the form and of the JSON that it was shown with, counts.

    Where both were changed, the form's fields are laid over the JSON. What is no JSON stays as it is.
    """
    text = form.get("rule", "")
    try:
        raw, was = loaded(text), loaded(form.get("was", "{}"))
    except InvalidInput:
        return text
    changed = {name: form[name].strip() for name in PLAIN if name in form and form[name].strip() != _plain(was, name)}
    for name, said in changed.items():
        if said:
            raw[name] = said
        else:
            raw.pop(name, None)
    if form.get("kind") in KINDS:
        raw["conditions"] = KINDS[form["kind"]]
    return json.dumps(raw, indent=2, ensure_ascii=False) if changed or form.get("kind") else text


def plain(text: str) -> dict[str, str]:
    """What the form shows of a rule; nothing of what is no JSON."""
    try:
        raw = loaded(text)
    except InvalidInput:
        return {}
    return {name: _plain(raw, name) for name in PLAIN}


def read(kind: type[Body], text: str, **more: Any) -> Body:
    """What was typed as a body of the API. Raises InvalidInput, with the path of the fault where it has one."""
    return body_of(kind, loaded(text) | more)


def drawn(told: PreviewAnswer) -> str:
    """What the chart of a backtest draws, as JSON: [Unix seconds, alerts that fired then], and from when to when."""
    back = told.backtest
    points = [(at.timestamp(), firing) for at, firing in back.chart]
    return json.dumps({"start": back.since.timestamp(), "end": back.until.timestamp(), "points": points})


def verdict(told: PreviewAnswer) -> str:
    """A backtest in words: `would have paged 14 times, 3 at night`."""
    back = told.backtest
    if not back.pages:
        return "would not have paged"
    return f"would have paged {plural(back.pages, 'time')}, {back.at_night} at night"


async def firing_now(connection: AsyncConnection, tenant_id: UUID, rules: Sequence[UUID]) -> dict[UUID, int]:
    """How many alerts of each of these rules are not resolved; those that have none are left out."""
    query = select(Alert.config_id, func.count()).where(
        Alert.tenant_id == tenant_id, Alert.config_id.in_(rules), Alert.status != "resolved"
    )
    return {rule: count for rule, count in await connection.execute(query.group_by(Alert.config_id)) if rule}


def _plain(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    return "" if value is None else str(value)
