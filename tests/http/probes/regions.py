"""Where data may be."""

from tests.http.probes.probe import Probe, own

PROBES: dict[str, Probe] = {
    "GET /api/v1/regions": own(everybodys=True),
    # Which of the platform's regions: tests/regions/test_residency.py.
    "GET /api/v1/tenant/regions": own(everybodys=True),
}
