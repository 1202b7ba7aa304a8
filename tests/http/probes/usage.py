"""What models cost, what was spent, and how much may be."""

from tests.http.probes.probe import Of, Probe, own

PRICE = {"input": 1, "output": 2}
BUDGET = {"unit": "tokens", "period": "day", "limit": 1000}

PARAMETERS: dict[str, Of] = {
    "price_id": lambda f: [str(f.ids["price"])],
    "budget": lambda f: [str(f.ids["budget"])],
    "scope": lambda f: [str(f.ids["budget"])],
    "record": lambda f: [str(f.ids["record"])],
    "reservation": lambda f: [str(f.ids["reservation"])],
}

PAGED = [
    "GET /api/v1/prices",
    "GET /api/v1/budgets",
    "GET /api/v1/usage-metrics",
    "GET /api/v1/billing-records",
]

PROBES: dict[str, Probe] = {
    "GET /api/v1/prices": own(query=lambda f: {"q": f.word}),
    "POST /api/v1/prices": Probe(
        201, 409, body=lambda f: {**PRICE, "model": f"{f.word}-model", "valid_from": "2026-01-01T00:00:00Z"}
    ),
    "GET /api/v1/prices/match": own(query=lambda f: {"model": f"{f.word}-model"}),
    "GET /api/v1/prices/unpriced": own(),
    "DELETE /api/v1/prices/{price_id}": Probe(owner=204),
    "GET /api/v1/usage": own(query=lambda f: {"by": "agent,model"}),
    "GET /api/v1/plans": own(everybodys=True),
    "GET /api/v1/quotas": own(),
    "POST /api/v1/usage": Probe(201, 201, body=lambda f: {"type": f"{f.word}-units", "value": f.number}),
    "GET /api/v1/usage-metrics": own(query=lambda f: {"type": f"{f.word}-seats"}),
    "GET /api/v1/usage/months": own(everybodys=True),
    "GET /api/v1/billing-records": own(),
    "GET /api/v1/billing-records/{record}": Probe(),
    "GET /api/v1/budgets": own(),
    "POST /api/v1/budgets": Probe(422, 201, body=lambda f: {**BUDGET, "scope": "agent", "target": f.agent}),
    "GET /api/v1/budgets/{budget}": Probe(),
    "PATCH /api/v1/budgets/{budget}": Probe(body=lambda f: {"limit": 5}),
    "DELETE /api/v1/budgets/{budget}": Probe(owner=204),
    "GET /api/v1/budgets/{scope}/verdict": Probe(query=lambda f: {"reserve_tokens": 1}),
    "DELETE /api/v1/budgets/reservations/{reservation}": Probe(owner=204),
}
