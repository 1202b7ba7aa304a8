"""The calendar and who is on call."""

from tests.http.probes.probe import Of, Probe, own

SHIFT = {
    "kind": "on_call", "title": "t", "schedule": "s", "start_time": "2026-01-05T09:00", "end_time": "2026-01-12T09:00",
}  # fmt: skip

PARAMETERS: dict[str, Of] = {
    "event_id": lambda f: [str(f.ids["shift"])],
}

PAGED = [
    "GET /api/v1/calendar-events",
]

PROBES: dict[str, Probe] = {
    "GET /api/v1/calendar-events": own(query=lambda f: {"schedule": f"{f.word}-schedule"}),
    "POST /api/v1/calendar-events": Probe(422, 201, body=lambda f: {**SHIFT, "members": [str(f.tenant.user_id)]}),
    "GET /api/v1/calendar-events/{event_id}": Probe(),
    "PATCH /api/v1/calendar-events/{event_id}": Probe(body=lambda f: {"title": "changed"}),
    "DELETE /api/v1/calendar-events/{event_id}": Probe(owner=204),
    "GET /api/v1/on-call": Probe(query=lambda f: {"schedule": f"{f.word}-schedule"}),
}
