"""Rules, alerts, and where messages go."""

from tests.alerts.bounced import report
from tests.http.probes.probe import Of, Probe, own

RULE = {"conditions": {"status": "error", "consecutive_failures": 2}, "channels": {"email": "a@example.com"}}
SILENCE = {"ends_at": "2099-01-01T00:00:00Z", "comment": "mine"}
INHIBITION = {"source": ["rule=a"], "target": ["rule=b"]}
STEPS = [{"after": "5m", "channels": {"email": "a@example.com"}}]

PARAMETERS: dict[str, Of] = {
    "pack": lambda f: ["liveness"],
    "address": lambda f: [f"{f.word}@bounced.example"],
    "rule_id": lambda f: [str(f.ids["rule"])],
    "alert_id": lambda f: [str(f.ids["alert"])],
    "channel": lambda f: [f"{f.word}-channel", str(f.ids["channel"])],
    "escalation": lambda f: [f"{f.word}-policy", str(f.ids["escalation"])],
    "silence_id": lambda f: [str(f.ids["silence"])],
    "inhibition_id": lambda f: [str(f.ids["inhibition"])],
}

PUBLIC = {
    "GET /api/v2/status": "a version: nobody's data",
    "POST /slack/actions": "Slack's signature is the credential",
}

PAGED = [
    "GET /api/v1/alert-configs",
    "GET /api/v1/alerts",
    "GET /api/v1/channels",
    "GET /api/v1/escalations",
    "GET /api/v1/silences",
    "GET /api/v1/inhibitions",
]

PROBES: dict[str, Probe] = {
    "GET /api/v1/alert-configs": own(query=lambda f: {"agent": f.agent}),
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
    "GET /api/v1/alerts": own(query=lambda f: {"config_id": str(f.ids["rule"])}),
    "GET /api/v1/alerts/{alert_id}": Probe(),
    "GET /api/v1/alerts/{alert_id}/timeline": Probe(),
    "POST /api/v1/alerts/{alert_id}/acknowledge": Probe(),
    "POST /api/v1/alerts/{alert_id}/snooze": Probe(body=lambda f: {"until": "2099-01-01T00:00:00Z"}),
    "POST /api/v1/alerts/{alert_id}/resolve": Probe(),
    "POST /api/v1/alerts/{alert_id}/comment": Probe(owner=201, body=lambda f: {"comment": "mine"}),
    "GET /api/v1/alert-settings": own(),
    "PUT /api/v1/alert-settings": Probe(200, 200, body=lambda f: {"group": {"by": ["rule"]}}),
    "GET /api/v1/silences": own(),
    "POST /api/v1/silences": Probe(201, 201, body=lambda f: {**SILENCE, "matchers": ["rule=mine"]}),
    "POST /api/v1/silences/preview": own(body=lambda f: {"matchers": [f"agent={f.agent}"]}),
    "GET /api/v1/silences/{silence_id}": Probe(),
    "PATCH /api/v1/silences/{silence_id}": Probe(body=lambda f: {"comment": "changed"}),
    "POST /api/v1/silences/{silence_id}/expire": Probe(),
    "GET /api/v1/inhibitions": own(),
    "POST /api/v1/inhibitions": Probe(201, 409, body=lambda f: {**INHIBITION, "name": f"{f.word}-inhibition"}),
    "GET /api/v1/inhibitions/{inhibition_id}": Probe(),
    "PUT /api/v1/inhibitions/{inhibition_id}": Probe(body=lambda f: {**INHIBITION, "name": "changed"}),
    "DELETE /api/v1/inhibitions/{inhibition_id}": Probe(owner=204),
    "GET /api/v1/rule-packs": own(),
    "PUT /api/v1/rule-packs/{pack}": Probe(200, 200, body=lambda f: {"severity": "info"}),
    # Others have a pack of this name of their own.
    "DELETE /api/v1/rule-packs/{pack}": Probe(204, 204),
    "POST /api/v2/alerts": own(body=lambda f: [{"labels": {"alertname": f"{f.word}-alert"}}]),
    "GET /api/v2/alerts": own(),
    "GET /api/v1/bounces": own(),
    "POST /api/v1/bounces": Probe(404, 202, text=lambda f: report(f"<{f.ids['notification']}@example.com>")),
    "DELETE /api/v1/bounces/{address}": Probe(owner=204),
    "GET /api/v1/channels": own(),
    "POST /api/v1/channels": Probe(
        201, 409, body=lambda f: {"name": f"{f.word}-channel", "kind": "email", "target": "a@example.com"}
    ),
    "GET /api/v1/channels/fallback": own(),
    "PUT /api/v1/channels/fallback": Probe(422, 200, body=lambda f: {"channel": f"{f.word}-channel"}),
    "GET /api/v1/channels/{channel}": Probe(),
    "PATCH /api/v1/channels/{channel}": Probe(body=lambda f: {"target": "b@example.com"}),
    "POST /api/v1/channels/{channel}/test": Probe(owner=202),
    "DELETE /api/v1/channels/{channel}": Probe(owner=204),
    "GET /api/v1/escalations": own(),
    "POST /api/v1/escalations": Probe(201, 409, body=lambda f: {"name": f"{f.word}-policy", "steps": STEPS}),
    "GET /api/v1/escalations/{escalation}": Probe(),
    "PATCH /api/v1/escalations/{escalation}": Probe(body=lambda f: {"steps": STEPS}),
    "DELETE /api/v1/escalations/{escalation}": Probe(owner=204),
}
