"""Pages."""

from tests.http.probes.probe import CSRF, Probe, own

FORM = {"csrf": CSRF}
RULE = '{"name": "n", "conditions": {"status": "error", "consecutive_failures": 2}}'
SILENCE = {"matchers": "rule=mine", "ends_at": "2099-01-01T00:00:00Z", "comment": "mine"}

PUBLIC = {
    "GET /openapi.json": "the description of the API",
    "GET /docs": "the same as a page",
    "GET /static/{name}": "scripts and styles",
    "GET /sign-in": "the signed link is the credential",
    "POST /sign-in": "name and password are the credential",
    "GET /sign-in/oidc": "leads to the provider",
    "GET /sign-in/oidc/callback": "the provider's code is the credential, in the browser that left",
    "GET /password-reset": "a form",
    "POST /password-reset": "says the same to everybody",
    "GET /password-reset/{token}": "a form",
    "POST /password-reset/{token}": "the signed link is the credential",
    "GET /verify/{token}": "a form",
    "POST /verify/{token}": "the signed link is the credential",
    "GET /invitation/{token}": "the signed link is the credential",
    "POST /invitation/{token}": "the signed link is the credential",
    "POST /sign-out": "forgets a cookie, of whomever",
    "GET /respond/{token}": "the signed link is the credential",
    "POST /respond/{token}": "the signed link is the credential",
}

PROBES: dict[str, Probe] = {
    "GET /": own(),
    "GET /console/board": own(),
    "GET /console/chart.json": own(),
    "GET /agents/{agent}": Probe(),
    "GET /agents/{agent}/chart.json": Probe(),
    "GET /start": own(),
    "POST /start": own(form=FORM),
    "GET /console/events": own(query=lambda f: {"lasts": 1}),
    "GET /traces": own(query=lambda f: {"q": f.word}),
    "GET /traces/{trace_id}": Probe(),
    "GET /alerts": own(query=lambda f: {"agent": f.agent}),
    "POST /alerts": Probe(303, 303, form=lambda f: FORM | {"deed": "acknowledge", f"alert-{f.ids['alert']}": "on"}),
    "GET /alerts/{alert_id}": Probe(),
    "GET /alerts/{alert_id}/why": Probe(query=lambda f: {"at": "now"}),
    "POST /alerts/{alert_id}/acknowledge": Probe(owner=303, form=FORM),
    "POST /alerts/{alert_id}/snooze": Probe(owner=303, form=FORM | {"for": "1 hour"}),
    "POST /alerts/{alert_id}/comment": Probe(owner=303, form=FORM | {"comment": "mine"}),
    "POST /alerts/{alert_id}/resolve": Probe(owner=303, form=FORM),
    "GET /rules": own(query=lambda f: {"agent": f.agent}),
    "GET /rules/new": own(query=lambda f: {"agent": f.word}),
    "POST /rules/new": Probe(303, 303, form=FORM | {"rule": RULE}),
    "POST /rules/preview": own(form=FORM | {"rule": RULE, "since": "-1h"}),
    "GET /rules/{rule_id}": Probe(),
    "POST /rules/{rule_id}": Probe(owner=303, form=FORM | {"rule": RULE}),
    "POST /rules/{rule_id}/enabled": Probe(owner=303, form=FORM | {"enabled": "no"}),
    "POST /rules/{rule_id}/test": Probe(owner=303, form=FORM),
    "POST /rules/{rule_id}/restore": Probe(owner=303, form=FORM | {"version": "1"}),
    "POST /rules/{rule_id}/delete": Probe(owner=303, form=FORM),
    "GET /silences": own(),
    "GET /silences/new": own(query=lambda f: {"matchers": f.word}),
    "POST /silences": Probe(303, 303, form=FORM | SILENCE),
    "POST /silences/preview": own(form=FORM | SILENCE | {"matchers": 'rule=~".+"'}),
    "POST /silences/{silence_id}/expire": Probe(owner=303, form=FORM),
}
