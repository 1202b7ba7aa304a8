"""For every route one request that asks for somebody's belongings, and what it is answered to them and to others."""

import hashlib
import hmac
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.alerts.bounced import report
from tests.http.dialects import gauge, record, remote_write, span, telemetry
from tests.http.furnished import Furnished

Of = Callable[[Furnished], Any]

PUBLIC = {
    "GET /healthz": "whether the process lives",
    "GET /readyz": "whether the database answers",
    "GET /metrics": "figures of the process: nobody's data",
    "GET /api/v2/status": "a version: nobody's data",
    "GET /openapi.json": "the description of the API",
    "GET /docs": "the same as a page",
    "GET /static/{name}": "scripts and styles",
    "GET /sign-in": "the signed link is the credential",
    "POST /sign-out": "forgets a cookie, of whomever",
    "GET /respond/{token}": "the signed link is the credential",
    "POST /respond/{token}": "the signed link is the credential",
    "POST /slack/actions": "Slack's signature is the credential",
    "GET /ping": "whether clients of InfluxDB are answered",
    "HEAD /ping": "the same",
    "GET /health": "whether the database answers, for clients of InfluxDB",
    "GET /ping/{token}": "the token is the credential",
    "POST /ping/{token}": "the token is the credential",
    "HEAD /ping/{token}": "the token is the credential",
    "GET /ping/{token}/{signal}": "the token is the credential",
    "POST /ping/{token}/{signal}": "the token is the credential",
    "HEAD /ping/{token}/{signal}": "the token is the credential",
}
"""Routes that answer without a key, and why they may."""

PARAMETERS: dict[str, Of] = {
    "tool_name": lambda f: [f"{f.word}-tool"],
    "pack": lambda f: ["liveness"],
    "address": lambda f: [f"{f.word}@bounced.example"],
    "agent": lambda f: [f.agent, str(f.agent_id)],
    "rule_id": lambda f: [str(f.ids["rule"])],
    "alert_id": lambda f: [str(f.ids["alert"])],
    "channel": lambda f: [f"{f.word}-channel", str(f.ids["channel"])],
    "price_id": lambda f: [str(f.ids["price"])],
    "budget": lambda f: [str(f.ids["budget"])],
    "scope": lambda f: [str(f.ids["budget"])],
    "reservation": lambda f: [str(f.ids["reservation"])],
    "key_id": lambda f: [str(f.spare_key_id)],
    "event_id": lambda f: [str(f.ids["shift"])],
    "escalation": lambda f: [f"{f.word}-policy", str(f.ids["escalation"])],
    "member": lambda f: [str(f.tenant.user_id), f"owner@{f.tenant.slug}.example"],
    "silence_id": lambda f: [str(f.ids["silence"])],
    "inhibition_id": lambda f: [str(f.ids["inhibition"])],
    "workflow": lambda f: [f"{f.word}-workflow", str(f.ids["workflow"])],
    "execution": lambda f: [str(f.ids["execution"])],
    "task": lambda f: [f"{f.word}-task", str(f.ids["task"])],
    "tool": lambda f: [str(f.ids["tool"])],
    "interaction": lambda f: [str(f.ids["interaction"])],
    "trace_id": lambda f: [f.trace_id],
    "fingerprint": lambda f: [f.fingerprint],
}
"""What stands in the place of a path's parameter: every way to name the thing."""

CSRF = hmac.new(b"", b"csrf", hashlib.sha256).hexdigest()
"""The token of a form that is sent without a cookie."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One request about somebody's belongings.

    `others`: what it is answered with another tenant's key; where that is 2xx the answer must be their own data.
    `owner`: with the owner's key, which proves that the request is a good one.
    """

    others: int = 404
    owner: int = 200
    query: Of | None = None
    body: Of | None = None
    text: Of | None = None
    form: Mapping[str, str] = field(default_factory=dict)

    def requests(self, route: str, owner: Furnished) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Method, address and the rest of a request, for every way to name what the path names."""
        method, _, path = route.partition(" ")
        names = re.findall(r"\{(\w+)\}", path)
        given: dict[str, Any] = {}
        if self.query is not None:
            given["params"] = self.query(owner)
        if self.body is not None:
            given["json"] = self.body(owner)
        if self.text is not None:
            given["content"] = self.text(owner)
        if self.form:
            given["data"] = dict(self.form)
        for values in itertools.product(*(PARAMETERS[name](owner) for name in names)):
            address = path
            for name, value in zip(names, values, strict=True):
                address = address.replace(f"{{{name}}}", quote(value, safe=""))
            yield method, address, given


def _own(**more: Any) -> Probe:
    """A list or a page: everybody gets their own."""
    return Probe(others=200, **more)


RULE = {"conditions": {"status": "error", "consecutive_failures": 2}, "channels": {"email": "a@example.com"}}
PRICE = {"input": 1, "output": 2}
BUDGET = {"unit": "tokens", "period": "day", "limit": 1000}
FORM = {"csrf": CSRF}
SILENCE = {"ends_at": "2099-01-01T00:00:00Z", "comment": "mine"}
INHIBITION = {"source": ["rule=a"], "target": ["rule=b"]}
STEPS = [{"after": "5m", "channels": {"email": "a@example.com"}}]
SHIFT = {
    "kind": "on_call", "title": "t", "schedule": "s", "start_time": "2026-01-05T09:00", "end_time": "2026-01-12T09:00",
}  # fmt: skip

PROBES: dict[str, Probe] = {
    # What agents send: rows for a name that both tenants may use go to the sender's own agent of that name.
    "POST /api/v1/logs": Probe(202, 202, body=lambda f: {"agent": f.agent, "status": "success", "id": f"{f.word}-log"}),
    "POST /api/v1/metrics": Probe(
        202, 202, body=lambda f: {"agent": f.agent, "metric": f"{f.word}-metric", "value": 1}
    ),
    "POST /api/v1/heartbeats": Probe(202, 202, body=lambda f: {"agent": f.agent, "status": "active"}),
    "POST /api/v2/write": Probe(204, 204, text=lambda f: f"{f.word},agent={f.agent} value=1"),
    "POST /write": Probe(204, 204, text=lambda f: f"{f.word},agent={f.agent} other=1"),
    "POST /v1/traces": _own(body=lambda f: telemetry(f, "resourceSpans", "scopeSpans", {"spans": [span(f)]})),
    "POST /v1/metrics": _own(body=lambda f: telemetry(f, "resourceMetrics", "scopeMetrics", {"metrics": [gauge(f)]})),
    "POST /v1/logs": _own(body=lambda f: telemetry(f, "resourceLogs", "scopeLogs", {"logRecords": [record(f)]})),
    "POST /api/v1/write": Probe(204, 204, text=remote_write),
    # The fleet.
    "GET /api/v1/agents": _own(query=lambda f: {"q": f.agent}),
    "POST /api/v1/agents": Probe(201, 409, body=lambda f: {"external_id": f.agent}),
    "GET /api/v1/agents/{agent}": Probe(),
    "PATCH /api/v1/agents/{agent}": Probe(body=lambda f: {"description": "changed"}),
    "POST /api/v1/agents/{agent}/retire": Probe(),
    "DELETE /api/v1/agents/{agent}": Probe(),
    "GET /api/v1/agents/{agent}/status": Probe(),
    "GET /api/v1/agents/{agent}/logs": Probe(),
    "GET /api/v1/agents/{agent}/stats": Probe(),
    "GET /api/v1/agents/{agent}/metrics": Probe(),
    "GET /api/v1/agents/{agent}/runs": Probe(),
    "POST /api/v1/agents/{agent}/run": Probe(owner=202),
    "GET /api/v1/agent-types": _own(),
    # Runs: names, like agents, are the sender's own.
    "POST /api/v1/tasks": Probe(
        201, 200, body=lambda f: {"agent": f.agent, "task_type": "t", "id": f"{f.word}-task", "description": "changed"}
    ),
    "GET /api/v1/tasks": _own(query=lambda f: {"agent": f.agent}),
    "GET /api/v1/tasks/{task}": Probe(),
    "PATCH /api/v1/tasks/{task}": Probe(body=lambda f: {"description": "changed"}),
    "POST /api/v1/workflow-executions": Probe(201, 201, body=lambda f: {"name": "n", "id": f"{f.word}-execution"}),
    "GET /api/v1/workflow-executions": _own(),
    "GET /api/v1/workflow-executions/{execution}": Probe(),
    "PATCH /api/v1/workflow-executions/{execution}": Probe(body=lambda f: {"current_step": "changed"}),
    "POST /api/v1/tool-executions": Probe(
        201, 201, body=lambda f: {"agent": f.agent, "tool_name": "t", "task": f"{f.word}-task"}
    ),
    "GET /api/v1/tool-executions": _own(query=lambda f: {"task": f"{f.word}-task"}),
    "GET /api/v1/tool-executions/{tool}": Probe(),
    "PATCH /api/v1/tool-executions/{tool}": Probe(body=lambda f: {"status": "success"}),
    "POST /api/v1/interactions": Probe(
        201, 201, body=lambda f: {"from_agent": f.agent, "to_agent": f.agent, "interaction_type": "review"}
    ),
    "GET /api/v1/interactions": _own(query=lambda f: {"execution": str(f.ids["execution"])}),
    "GET /api/v1/interactions/{interaction}": Probe(),
    "PATCH /api/v1/interactions/{interaction}": Probe(body=lambda f: {"message": "changed"}),
    "GET /api/v1/workflows": _own(),
    "POST /api/v1/workflows": Probe(201, 409, body=lambda f: {"name": "n", "slug": f"{f.word}-workflow"}),
    "GET /api/v1/workflows/{workflow}": Probe(),
    "PATCH /api/v1/workflows/{workflow}": Probe(body=lambda f: {"description": "changed"}),
    "DELETE /api/v1/workflows/{workflow}": Probe(owner=204),
    # History.
    "GET /api/v1/query": _own(query=lambda f: {"metric": "execution_duration_ms", "reduce": "max", "by": "agent"}),
    "GET /api/v1/metrics/latest": _own(query=lambda f: {"max_age": "1d"}),
    "GET /api/v1/exemplars": _own(query=lambda f: {"metric": "execution_duration_ms"}),
    # What models cost, what was spent, and how much may be.
    "GET /api/v1/prices": _own(query=lambda f: {"q": f.word}),
    "POST /api/v1/prices": Probe(
        201, 409, body=lambda f: {**PRICE, "model": f"{f.word}-model", "valid_from": "2026-01-01T00:00:00Z"}
    ),
    "GET /api/v1/prices/match": _own(query=lambda f: {"model": f"{f.word}-model"}),
    "GET /api/v1/prices/unpriced": _own(),
    "DELETE /api/v1/prices/{price_id}": Probe(owner=204),
    "GET /api/v1/usage": _own(query=lambda f: {"by": "agent,model"}),
    "GET /api/v1/budgets": _own(),
    "POST /api/v1/budgets": Probe(422, 201, body=lambda f: {**BUDGET, "scope": "agent", "target": f.agent}),
    "GET /api/v1/budgets/{budget}": Probe(),
    "PATCH /api/v1/budgets/{budget}": Probe(body=lambda f: {"limit": 5}),
    "DELETE /api/v1/budgets/{budget}": Probe(owner=204),
    "GET /api/v1/budgets/{scope}/verdict": Probe(query=lambda f: {"reserve_tokens": 1}),
    "DELETE /api/v1/budgets/reservations/{reservation}": Probe(owner=204),
    # Rules, alerts, channels.
    "GET /api/v1/alert-configs": _own(query=lambda f: {"agent": f.agent}),
    "POST /api/v1/alert-configs": Probe(422, 201, body=lambda f: {"name": "n", "agent_id": str(f.agent_id), **RULE}),
    "GET /api/v1/alert-configs/{rule_id}": Probe(),
    "PUT /api/v1/alert-configs/{rule_id}": Probe(body=lambda f: {"name": "n", **RULE}),
    "PATCH /api/v1/alert-configs/{rule_id}": Probe(body=lambda f: {"severity": "critical"}),
    "DELETE /api/v1/alert-configs/{rule_id}": Probe(owner=204),
    "GET /api/v1/alert-configs/{rule_id}/versions": Probe(),
    "POST /api/v1/alert-configs/{rule_id}/test": Probe(owner=202),
    "POST /api/v1/alert-configs/preview": Probe(422, body=lambda f: {"agent_id": str(f.agent_id), **RULE}),
    "GET /api/v1/alert-configs/{rule_id}/backtest": Probe(query=lambda f: {"since": "-1h"}),
    "GET /api/v1/alert-configs/{rule_id}/explain": Probe(query=lambda f: {"agent": f.agent}),
    "GET /api/v1/alerts": _own(query=lambda f: {"config_id": str(f.ids["rule"])}),
    "GET /api/v1/alerts/{alert_id}": Probe(),
    "GET /api/v1/alerts/{alert_id}/timeline": Probe(),
    "POST /api/v1/alerts/{alert_id}/acknowledge": Probe(),
    "POST /api/v1/alerts/{alert_id}/snooze": Probe(body=lambda f: {"until": "2099-01-01T00:00:00Z"}),
    "POST /api/v1/alerts/{alert_id}/resolve": Probe(),
    "POST /api/v1/alerts/{alert_id}/comment": Probe(owner=201, body=lambda f: {"comment": "mine"}),
    "GET /api/v1/alert-settings": _own(),
    "PUT /api/v1/alert-settings": Probe(200, 200, body=lambda f: {"group": {"by": ["rule"]}}),
    "GET /api/v1/silences": _own(),
    "POST /api/v1/silences": Probe(201, 201, body=lambda f: {**SILENCE, "matchers": ["rule=mine"]}),
    "POST /api/v1/silences/preview": _own(body=lambda f: {"matchers": [f"agent={f.agent}"]}),
    "GET /api/v1/silences/{silence_id}": Probe(),
    "PATCH /api/v1/silences/{silence_id}": Probe(body=lambda f: {"comment": "changed"}),
    "POST /api/v1/silences/{silence_id}/expire": Probe(),
    "GET /api/v1/inhibitions": _own(),
    "POST /api/v1/inhibitions": Probe(201, 409, body=lambda f: {**INHIBITION, "name": f"{f.word}-inhibition"}),
    "GET /api/v1/inhibitions/{inhibition_id}": Probe(),
    "PUT /api/v1/inhibitions/{inhibition_id}": Probe(body=lambda f: {**INHIBITION, "name": "changed"}),
    "DELETE /api/v1/inhibitions/{inhibition_id}": Probe(owner=204),
    "GET /api/v1/rule-packs": _own(),
    "PUT /api/v1/rule-packs/{pack}": Probe(200, 200, body=lambda f: {"severity": "info"}),
    # Others have a pack of this name of their own.
    "DELETE /api/v1/rule-packs/{pack}": Probe(204, 204),
    "GET /api/v1/tool-patience": _own(),
    "PUT /api/v1/tool-patience/{tool_name}": Probe(200, 200, body=lambda f: {"patience": "5m"}),
    "DELETE /api/v1/tool-patience/{tool_name}": Probe(owner=204),
    "POST /api/v2/alerts": _own(body=lambda f: [{"labels": {"alertname": f"{f.word}-alert"}}]),
    "GET /api/v2/alerts": _own(),
    "GET /api/v1/bounces": _own(),
    "POST /api/v1/bounces": Probe(404, 202, text=lambda f: report(f"<{f.ids['notification']}@example.com>")),
    "DELETE /api/v1/bounces/{address}": Probe(owner=204),
    "GET /api/v1/channels": _own(),
    "POST /api/v1/channels": Probe(
        201, 409, body=lambda f: {"name": f"{f.word}-channel", "kind": "email", "target": "a@example.com"}
    ),
    "GET /api/v1/channels/fallback": _own(),
    "PUT /api/v1/channels/fallback": Probe(422, 200, body=lambda f: {"channel": f"{f.word}-channel"}),
    "GET /api/v1/channels/{channel}": Probe(),
    "PATCH /api/v1/channels/{channel}": Probe(body=lambda f: {"target": "b@example.com"}),
    "POST /api/v1/channels/{channel}/test": Probe(owner=202),
    "DELETE /api/v1/channels/{channel}": Probe(owner=204),
    # What runs tell.
    "GET /api/v1/traces": _own(query=lambda f: {"text": f.word, "conversation": f"{f.word}-conversation"}),
    "GET /api/v1/traces/{trace_id}": Probe(),
    "GET /api/v1/errors": _own(),
    "GET /api/v1/unmapped": _own(),
    "GET /api/v1/errors/{fingerprint}": Probe(),
    "GET /api/v1/errors/{fingerprint}/occurrences": Probe(),
    "POST /api/v1/errors/{fingerprint}/status": Probe(body=lambda f: {"status": "resolved"}),
    "GET /api/v1/scores": _own(query=lambda f: {"name": f"{f.word}-score"}),
    "POST /api/v1/feedback": Probe(404, 201, body=lambda f: {"task": str(f.ids["task"]), "thumbs": True}),
    "GET /api/v1/deployments": _own(),
    "POST /api/v1/deployments": Probe(404, 201, body=lambda f: {"agent": f.agent, "version": "2"}),
    "GET /api/v1/compare": Probe(query=lambda f: {"agent": f.agent}),
    "GET /api/v1/escalations": _own(),
    "POST /api/v1/escalations": Probe(201, 409, body=lambda f: {"name": f"{f.word}-policy", "steps": STEPS}),
    "GET /api/v1/escalations/{escalation}": Probe(),
    "PATCH /api/v1/escalations/{escalation}": Probe(body=lambda f: {"steps": STEPS}),
    "DELETE /api/v1/escalations/{escalation}": Probe(owner=204),
    # The calendar and who is in it.
    "GET /api/v1/calendar-events": _own(query=lambda f: {"schedule": f"{f.word}-schedule"}),
    "POST /api/v1/calendar-events": Probe(422, 201, body=lambda f: {**SHIFT, "members": [str(f.tenant.user_id)]}),
    "GET /api/v1/calendar-events/{event_id}": Probe(),
    "PATCH /api/v1/calendar-events/{event_id}": Probe(body=lambda f: {"title": "changed"}),
    "DELETE /api/v1/calendar-events/{event_id}": Probe(owner=204),
    "GET /api/v1/on-call": Probe(query=lambda f: {"schedule": f"{f.word}-schedule"}),
    "GET /api/v1/members": _own(),
    "GET /api/v1/members/{member}": Probe(),
    "PATCH /api/v1/members/{member}": Probe(body=lambda f: {"contacts": []}),
    # Identity and the audit trail.
    "GET /api/v1/tenant": _own(),
    "GET /api/v1/tenant/privacy": _own(),
    "PATCH /api/v1/tenant/privacy": _own(body=lambda f: {"contents": True}),
    "GET /api/v1/api-keys": _own(),
    "POST /api/v1/api-keys": Probe(409, 201, body=lambda f: {"name": "k", "agent_id": str(f.agent_id)}),
    "DELETE /api/v1/api-keys/{key_id}": Probe(),
    "GET /api/v1/audit-logs": _own(),
    # Pages.
    "GET /": _own(),
    "GET /console/board": _own(),
    "GET /console/chart.json": _own(),
    "GET /alerts/{alert_id}": Probe(),
    "POST /alerts/{alert_id}/acknowledge": Probe(owner=303, form=FORM),
    "POST /alerts/{alert_id}/snooze": Probe(owner=303, form=FORM | {"for": "1 hour"}),
    "POST /alerts/{alert_id}/comment": Probe(owner=303, form=FORM | {"comment": "mine"}),
    "POST /alerts/{alert_id}/resolve": Probe(owner=303, form=FORM),
}
